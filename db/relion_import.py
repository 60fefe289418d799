"""A RELION project becomes rows of the database, where it lies; and jobs that RELION adds later follow.

Nothing in the folder is written. A job of RELION is foreign: shown, linked and cloned, but never started, stopped or
exported.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from compute.files.pipeline import Node
from compute.files.pipeline_types import State as RelionState
from compute.files.project import Project as RelionProject
from compute.files.project import ProjectJob, read_project
from compute.files.relion_iterations import read_iterations
from db.models.jobs import Job
from db.models.projects import Project
from db.repository import audit, nodes, progress, projects, rows
from db.repository.nodes import Input
from db.session import now
from db.words import Ending, State

Translate = Callable[[ProjectJob], Mapping[str, Any] | None]
"""The parameters of our job that a RELION job's form asks for; None where there is no such job of ours."""
STATES: Mapping[RelionState, State] = {
    "Running": State.RUNNING,
    "Scheduled": State.DRAFT,
    "Succeeded": State.FINISHED,
    "Failed": State.FAILED,
    "Aborted": State.FINISHED,
}
TYPE_LENGTH = 40


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import has brought: the project, the numbers of new and of changed jobs, and what could not be read."""

    project: Project
    added: tuple[int, ...]
    changed: tuple[int, ...]
    problems: tuple[str, ...]


def import_project(
    session: Session,
    folder: Path,
    *,
    who: int | None,
    name: str = "",
    translate: Translate | None = None,
) -> Imported:
    """Take the RELION project in a folder into the database as a new project, owned by `who`.

    Raises InputError for a folder without a readable pipeline, Conflict where a project has the folder already.
    """
    found = read_project(folder)
    place = folder.absolute()
    project = projects.create(session, name or place.name, place, who=who)
    return _follow(session, project, found, who, translate)


def refresh(
    session: Session, project_id: int, *, who: int | None = None, translate: Translate | None = None
) -> Imported:
    """Take in what RELION has done in a project's folder since: new jobs, and new states of its own ones."""
    project = rows.project(session, project_id, lock=True)
    return _follow(session, project, read_project(project.folder), who, translate)


def _follow(
    session: Session,
    project: Project,
    found: RelionProject,
    who: int | None,
    translate: Translate | None,
) -> Imported:
    known = {
        job.number: job for job in session.scalars(select(Job).where(Job.project_id == project.id))
    }
    added, changed, problems = [], [], list(found.remarks)
    for one in found.jobs:
        number = one.process.number
        problems += one.problems
        if number < 1:
            problems.append(f"{one.name} has no number and is left out.")
        elif (job := known.get(number)) is None:
            known[number] = _add(session, project, one, who, translate)
            added.append(number)
        elif job.folder != one.name:
            problems.append(f"{one.name} has the number of {job.folder} and is left out.")
        elif job.is_foreign and _update(job, one):
            changed.append(number)
    for one in found.jobs:
        job = known.get(one.process.number)
        if job is not None and job.is_foreign and job.folder == one.name:
            _link(session, job, one)
            problems += _iterations(session, job)
    project.next_job_number = max(
        project.next_job_number, found.pipeline.counter, *(1 + number for number in (0, *known))
    )
    if added or changed:
        rows.changed(project)
        audit.note(session, who, "took in jobs of RELION", project=project, added=added)
    session.flush()
    return Imported(project, tuple(added), tuple(changed), tuple(problems))


def _add(
    session: Session,
    project: Project,
    one: ProjectJob,
    who: int | None,
    translate: Translate | None,
) -> Job:
    parameters = translate(one) if translate is not None and one.ours else None
    job = Job(
        project_id=project.id,
        number=one.process.number,
        type=(one.ours or one.process.label.removeprefix("relion."))[:TYPE_LENGTH],
        title=one.alias.replace("_", " "),
        alias=one.alias or None,
        folder=one.name,
        parameters=dict(one.options if parameters is None else parameters),
        notes=one.note,
        created_by=who,
        unix_user=_owner(one.folder),
        created_at=one.started or now(session),
        started_at=one.started,
        is_foreign=True,
        is_exported=True,
        state=State.DRAFT,
        profile="",
    )
    _update(job, one)
    session.add(job)
    session.flush()
    return job


def _update(job: Job, one: ProjectJob) -> bool:
    """Bring a foreign job's row to what RELION says; whether something has changed."""
    state = STATES[one.state]
    ending = None
    if state == State.FINISHED:
        ending = Ending.STOPPED if one.state == "Aborted" else Ending.COMPLETED
    reason = "RELION runs it, or it died without a word" if state == State.RUNNING else ""
    before = (job.state, job.ending, job.alias)
    job.state, job.ending, job.reason = state, ending, reason
    job.ended_at, job.alias = one.ended, one.alias or None
    if before == (job.state, job.ending, job.alias):
        return False
    if job.version is not None:
        rows.changed(job)
    return True


def _link(session: Session, job: Job, one: ProjectJob) -> None:
    """The files that a job reads and has made."""
    for node in one.outputs:
        nodes.register(session, job, node.name, _content(node), one.ended)
    given = [Input("input", node.name, facts={"content": _content(node)}) for node in one.inputs]
    nodes.set_inputs(session, job, given)


def _iterations(session: Session, job: Job) -> list[str]:
    """Record the iterations that a refinement of RELION has finished since it was last read."""
    if job.type != "refine":
        return []
    folder = Path(rows.project(session, job.project_id).folder) / job.folder
    found, error = read_iterations(folder, job.last_iteration or 0)
    if found:
        at = progress.offset(session, job.id)
        progress.record(session, job.id, found, start=at, end=at + len(found))
    return [f"{job.folder}: {error}"] if error is not None else []


def _content(node: Node) -> str:
    return "" if node.content == "other" else node.content


def _owner(folder: Path) -> str | None:
    """The Unix user whose job it is."""
    try:
        return Path(folder).owner()
    except (OSError, KeyError):
        return None
