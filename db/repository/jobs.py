"""Jobs: made, found, described, cloned, put into the bin and taken out again. Their states are in `states`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from db.errors import Conflict, NotFound, Refused
from db.folders import job_folder, output_root
from db.models.jobs import Job
from db.models.projects import Project
from db.repository import audit, nodes, rows
from db.repository.nodes import Input
from db.session import now
from db.words import ACTIVE, State

FORBIDDEN_IN_ALIAS = '*?()/"\\|#<>&%{}$'


@dataclass(frozen=True, slots=True)
class Needs:
    """Where a job is to run and what it takes there."""

    profile: str = "local"
    ranks: int = 1
    cores: int = 1
    gpus: int = 0
    memory_GB: float | None = None


NO_NEEDS = Needs()


def create(
    session: Session,
    project_id: int,
    job_type: str,
    parameters: Mapping[str, Any],
    *,
    who: int | None,
    title: str = "",
    inputs: Sequence[Input] = (),
    needs: Needs = NO_NEEDS,
    unix_user: str | None = None,
    priority: int = 0,
    number: int | None = None,
) -> Job:
    """A new job, a draft, with the next number of its project; `parameters` get the `output` that follows from it.

    `inputs` are the files that it reads. It starts only after it was submitted (`queue.submit`). With `number` the
    job gets one that was reserved in the project's folder (`db.relion_export.reserve`), and the next follows on it.
    Raises Conflict where that is taken.
    """
    project = rows.project(session, project_id)
    number = _next_number(session, project, number)
    job = Job(
        project_id=project_id,
        number=number,
        type=job_type,
        title=title,
        folder=job_folder(job_type, number),
        parameters={**parameters, "output": output_root(job_type, number)},
        profile=needs.profile,
        ranks=needs.ranks,
        cores=needs.cores,
        gpus=needs.gpus,
        memory_GB=needs.memory_GB,
        priority=priority,
        created_by=who,
        unix_user=unix_user,
        created_at=now(session),
    )
    session.add(job)
    session.flush()
    nodes.set_inputs(session, job, inputs)
    audit.note(session, who, "created job", job=job, type=job_type)
    return job


def change(
    session: Session,
    job_id: int,
    parameters: Mapping[str, Any],
    *,
    who: int | None,
    inputs: Sequence[Input] | None = None,
    needs: Needs | None = None,
) -> Job:
    """Replace what a job was asked to do; `inputs` and `needs` stay where they are None.

    Raises Refused where the job waits or runs: what it works on is what its row says.
    """
    job = rows.job(session, job_id, lock=True)
    if job.state in (State.WAITING, *ACTIVE):
        raise Refused(f"{job.name} is {job.state}: its parameters change only before it is started")
    before = job.parameters
    job.parameters = {**parameters, "output": output_root(job.type, job.number)}
    if inputs is not None:
        nodes.set_inputs(session, job, inputs)
    if needs is not None:
        job.profile, job.ranks, job.cores = needs.profile, needs.ranks, needs.cores
        job.gpus, job.memory_GB = needs.gpus, needs.memory_GB
    rows.changed_for_relion(job)
    differing = {
        name
        for name in before.keys() | job.parameters.keys()
        if before.get(name) != job.parameters.get(name)
    }
    audit.note(session, who, "changed parameters of job", job=job, names=sorted(differing))
    return job


def get(session: Session, job_id: int, *, in_bin: bool = False) -> Job:
    """The job. Raises NotFound."""
    return rows.job(session, job_id, in_bin=in_bin)


def find(session: Session, project_id: int, words: str, *, in_bin: bool = False) -> Job:
    """The job of a project that a person means: `19`, `job019`, `Refine3D/job019/` or an alias. Raises NotFound."""
    last = words.strip().rstrip("/").rpartition("/")[2]
    digits = last.removeprefix("job")
    query = select(Job).where(Job.project_id == project_id)
    if digits.isdigit():
        query = query.where(Job.number == int(digits))
    else:
        query = query.where(Job.alias == last)
    found = session.scalars(query.order_by(Job.number.desc()).limit(1)).first()
    if found is None:
        raise NotFound(f"there is no job '{words}' in this project")
    return rows.job(session, found.id, in_bin=in_bin)


def clone(
    session: Session,
    job_id: int,
    *,
    who: int | None,
    unix_user: str | None = None,
    number: int | None = None,
) -> Job:
    """A new draft that asks for the same as a job, with the same inputs; `number` as in `create`."""
    job = rows.job(session, job_id, in_bin=True)
    copy = create(
        session,
        job.project_id,
        job.type,
        job.parameters,
        who=who,
        title=job.title,
        inputs=nodes.as_inputs(session, job_id),
        needs=Needs(job.profile, job.ranks, job.cores, job.gpus, job.memory_GB),
        unix_user=unix_user,
        priority=job.priority,
        number=number,
    )
    audit.note(session, who, "cloned job", job=copy, of=job.number)
    return copy


def rename(session: Session, job_id: int, title: str, *, who: int | None) -> Job:
    """Give a job another title."""
    job = rows.job(session, job_id, lock=True)
    before, job.title = job.title, title.strip()
    rows.changed(job)
    audit.note(session, who, "renamed job", job=job, before=before, after=job.title)
    return job


def set_alias(session: Session, job_id: int, alias: str | None, *, who: int | None) -> Job:
    """Give a job a second name under the rules of RELION, or (None) take it away; blanks become underscores.

    Raises Refused for a name against the rules, Conflict where another job of the type has it.
    """
    job = rows.job(session, job_id, lock=True)
    alias = None if alias is None else alias.strip().replace(" ", "_")
    if alias is not None:
        _check_alias(session, job, alias)
    before, job.alias = job.alias, alias
    rows.changed_for_relion(job)
    audit.note(session, who, "changed alias of job", job=job, before=before, after=alias)
    return job


def set_notes(session: Session, job_id: int, notes: str, *, seen: str, who: int | None) -> Job:
    """Replace a job's notes. `seen` are those that the editor started from; raises Conflict where they are old."""
    job = rows.job(session, job_id, lock=True)
    if job.notes != seen:
        raise Conflict("somebody else has changed the notes meanwhile: look at theirs first")
    job.notes = notes
    rows.changed(job)
    audit.note(session, who, "changed notes of job", job=job)
    return job


def set_final(session: Session, job_id: int, is_final: bool, *, who: int | None) -> Job:
    """Mark a job's result as final, or no longer. A final job, and the jobs that it is made of, cannot be deleted."""
    job = rows.job(session, job_id, lock=True)
    job.is_final = is_final
    rows.changed(job)
    audit.note(session, who, "marked job as final" if is_final else "unmarked final job", job=job)
    return job


def set_protected(session: Session, job_id: int, is_protected: bool, *, who: int | None) -> Job:
    """Protect a job from deletion and cleaning, or no longer."""
    job = rows.job(session, job_id, lock=True)
    job.is_protected = is_protected
    rows.changed(job)
    audit.note(session, who, "protected job" if is_protected else "unprotected job", job=job)
    return job


def set_disk_use(session: Session, job_id: int, disk_bytes: int) -> None:
    """Record the size of a job's folder."""
    job = rows.job(session, job_id, lock=True, in_bin=True)
    job.disk_bytes = disk_bytes
    rows.changed(job)


def _next_number(session: Session, project: Project, reserved: int | None) -> int:
    """Take the next number of a project; one statement, so that two jobs never have the same."""
    after = Project.next_job_number + 1 if reserved is None else reserved + 1
    taken = session.scalar(
        update(Project)
        .where(Project.id == project.id, Project.next_job_number < after)
        .values(next_job_number=after, version=Project.version + 1, changed_at=now(session))
        .returning(Project.next_job_number)
        .execution_options(synchronize_session=False)
    )
    if taken is None:
        raise Conflict(f"the number {reserved} of '{project.name}' is taken")
    session.expire(project, ["next_job_number", "version", "changed_at"])
    return taken - 1


def _check_alias(session: Session, job: Job, alias: str) -> None:
    if len(alias) < 2 or alias.startswith("job") or set(alias) & set(FORBIDDEN_IN_ALIAS):
        raise Refused(
            f"'{alias}' cannot be an alias: two or more characters, not beginning with 'job',"
            f" none of {' '.join(FORBIDDEN_IN_ALIAS)}"
        )
    taken = select(Job).where(
        Job.project_id == job.project_id,
        Job.type == job.type,
        Job.alias == alias,
        Job.id != job.id,
    )
    if other := session.scalars(taken.limit(1)).first():
        raise Conflict(f"{other.name} already has the alias '{alias}'")


def count(session: Session, *states: State) -> int:
    """How many jobs are in these states."""
    query = select(func.count()).select_from(Job).where(Job.state.in_(states))
    return session.scalar(query) or 0
