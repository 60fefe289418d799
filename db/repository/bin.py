"""The bin of jobs: what goes along with a deletion, deleting, restoring, and removing for good."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from db.errors import Refused
from db.models.jobs import Job, JobInput, Node
from db.repository import audit, nodes, rows
from db.session import now
from db.words import ACTIVE, State


@dataclass(frozen=True, slots=True)
class DeletionPreview:
    """What the deletion of some jobs means: what goes, what would lose its inputs, and why it is not allowed, if so."""

    goes: Sequence[Job]
    left_without_input: Sequence[Job]
    refusals: Sequence[str]
    disk_bytes: int


def preview(
    session: Session, job_ids: Sequence[int], *, with_descendants: bool = False
) -> DeletionPreview:
    """What would happen if these jobs (of one project), and with `with_descendants` all that follow from them, went."""
    chosen = [rows.job(session, job_id) for job_id in job_ids]
    tree = nodes.tree(session, chosen[0].project_id) if chosen else nodes.EMPTY
    below = tree.below(job.id for job in chosen)
    others = [rows.job(session, job_id) for job_id in sorted(below)]
    goes = [*chosen, *others] if with_descendants else chosen
    left = [] if with_descendants else others
    going = {job.id for job in goes}
    return DeletionPreview(
        goes=goes,
        left_without_input=left,
        refusals=[*_refusals(session, goes, tree), *_users(left, going)],
        disk_bytes=sum(job.disk_bytes or 0 for job in goes),
    )


def move_to_bin(
    session: Session, job_ids: Sequence[int], *, who: int | None, with_descendants: bool = False
) -> Sequence[Job]:
    """Put jobs into the bin and return them; their files are the caller's to move.

    Raises Refused with the first reason of the preview that speaks against it.
    """
    for job_id in job_ids:
        rows.job(session, job_id, lock=True)
    found = preview(session, job_ids, with_descendants=with_descendants)
    if found.refusals:
        raise Refused(found.refusals[0])
    for job in found.goes:
        job = rows.job(session, job.id, lock=True)
        job.deleted_at, job.deleted_by = now(session), who
        rows.changed_for_relion(job)
        audit.note(session, who, "deleted job", job=job)
    session.flush()
    return found.goes


def restore(session: Session, job_id: int, *, who: int | None) -> Job:
    """Take a job out of the bin."""
    job = rows.job(session, job_id, lock=True, in_bin=True)
    if job.deleted_at is not None:
        job.deleted_at = job.deleted_by = None
        rows.changed_for_relion(job)
        audit.note(session, who, "restored job", job=job)
    return job


def purge(session: Session, job_id: int, *, who: int | None, **details: Any) -> None:
    """Remove a job of the bin with all its rows, for good; its number is not used again, its files are the caller's.

    Files of it that other jobs have read stay known, as files from outside. `details` go into the audit list. Raises
    Refused for a job that is not in the bin or is at work.
    """
    job = rows.job(session, job_id, lock=True, in_bin=True)
    if refusal := purge_refusal(job):
        raise Refused(refusal)
    audit.note(session, who, "purged job", job=job, folder=job.folder, type=job.type, **details)
    session.flush()
    read = select(JobInput.node_id)
    session.execute(delete(Node).where(Node.job_id == job_id, Node.id.not_in(read)))
    session.delete(job)
    session.flush()


def purge_refusal(job: Job) -> str:
    """Why a job cannot be removed for good; empty where it can."""
    if job.deleted_at is None:
        return f"{job.name} is not in the bin: delete it first"
    if job.state in (State.WAITING, *ACTIVE):
        return f"{job.name} is {job.state}: stop it first"
    return ""


def readers(session: Session, job_id: int) -> Sequence[Job]:
    """The other jobs that read what a job has made, in the bin or not, by number."""
    query = (
        select(Job)
        .join(JobInput, JobInput.job_id == Job.id)
        .join(Node, Node.id == JobInput.node_id)
        .where(Node.job_id == job_id, Job.id != job_id)
        .distinct()
        .order_by(Job.number)
    )
    return session.scalars(query).all()


def content(session: Session, project_id: int) -> Sequence[Job]:
    """The jobs of a project that are in the bin, last deleted first."""
    query = select(Job).where(Job.project_id == project_id, Job.deleted_at.is_not(None))
    return session.scalars(query.order_by(Job.deleted_at.desc(), Job.number.desc())).all()


def _refusals(session: Session, goes: Sequence[Job], tree: nodes.Tree) -> list[str]:
    sentences = []
    for job in goes:
        if job.state in (State.WAITING, *ACTIVE):
            where = " in RELION" if job.is_foreign else ""
            sentences.append(f"{job.name} is {job.state}: stop it first{where}")
        if job.is_final or job.is_protected:
            word = "final" if job.is_final else "protected"
            sentences.append(f"{job.name} is {word}: take that mark off first")
        finals = [one for one in tree.below([job.id]) if rows.job(session, one).is_final]
        if finals and not job.is_final:
            final = rows.job(session, min(finals))
            sentences.append(f"{final.name}, which is final, is made of {job.name}")
    return sentences


def _users(left: Sequence[Job], going: set[int]) -> list[str]:
    """Jobs at work must not lose their inputs."""
    busy = [job for job in left if job.state in (State.WAITING, *ACTIVE) and job.id not in going]
    return [f"{job.name} is {job.state} and needs it: stop that one first" for job in busy]
