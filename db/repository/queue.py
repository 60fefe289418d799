"""The queue: jobs are submitted, continued, withdrawn, put in order; and paused as a whole. `claims` takes them out."""

from collections.abc import Sequence

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from db.errors import Refused
from db.models.jobs import Job
from db.models.people import User
from db.models.queue import QueuePause
from db.models.records import IterationRow
from db.repository import audit, rows, states
from db.session import now
from db.words import ENDED, State

ORDER = (Job.priority.desc(), Job.submitted_at, Job.id)
"""Higher priority first, then who came first."""


def submit(session: Session, job_id: int, *, who: int | None) -> Job:
    """Let a draft wait for its turn. Raises Refused where the job is in another state."""
    job = rows.job(session, job_id, lock=True)
    if job.state != State.DRAFT:
        raise Refused(f"{job.name} is {job.state}: only a draft is submitted")
    return _wait(session, job, who)


def continue_job(
    session: Session, job_id: int, *, who: int | None, after_iteration: int | None = None
) -> Job:
    """Let an ended job wait for another attempt that goes on after an iteration, or from where the last one was.

    Raises Refused where the job has not ended or has not finished that iteration.
    """
    job = rows.job(session, job_id, lock=True)
    if job.state not in ENDED:
        raise Refused(f"{job.name} is {job.state}: only a job that has ended is continued")
    if after_iteration is not None and after_iteration > 0:
        query = select(IterationRow.id).where(
            IterationRow.job_id == job_id,
            IterationRow.iteration == after_iteration,
            ~IterationRow.is_superseded,
        )
        if session.scalar(query.limit(1)) is None:
            raise Refused(f"{job.name} has not finished an iteration {after_iteration}")
    _wait(session, job, who)
    job.continue_after_iteration = after_iteration
    return job


def withdraw(session: Session, job_id: int, *, who: int | None) -> Job:
    """Make a draft of a job that waits."""
    job = rows.job(session, job_id, lock=True)
    if job.state != State.WAITING:
        raise Refused(f"{job.name} is {job.state}: only a job that waits is withdrawn")
    return states.set_state(session, job_id, State.DRAFT, who=who)


def set_priority(session: Session, job_id: int, priority: int, *, who: int | None) -> Job:
    """Set a job's place in the queue: a higher priority goes first."""
    job = rows.job(session, job_id, lock=True)
    before, job.priority = job.priority, priority
    rows.changed(job)
    audit.note(session, who, "changed priority of job", job=job, before=before, after=priority)
    return job


def waiting(session: Session) -> Sequence[Job]:
    """All jobs that wait, in their order."""
    query = select(Job).where(Job.state == State.WAITING, Job.deleted_at.is_(None))
    return session.scalars(query.order_by(*ORDER)).all()


def pause(session: Session, reason: str, *, who: int | None) -> None:
    """Start no job until `resume`; `reason` is shown to everybody. What runs goes on."""
    session.execute(delete(QueuePause))
    session.add(QueuePause(user_id=who, reason=reason, since=now(session)))
    audit.note(session, who, "paused queue", subject="queue", reason=reason)
    session.flush()


def resume(session: Session, *, who: int | None) -> None:
    """Start jobs again."""
    session.execute(delete(QueuePause))
    audit.note(session, who, "resumed queue", subject="queue")


def pause_sentence(session: Session) -> str | None:
    """Who has paused the queue and why, or None where it is not paused."""
    query = select(QueuePause, User.name).outerjoin(User, QueuePause.user_id == User.id)
    found = session.execute(query.order_by(QueuePause.id.desc()).limit(1)).first()
    if found is None:
        return None
    pause, name = found
    return f"the queue was paused{f' by {name}' if name else ''}: {pause.reason}"


def _wait(session: Session, job: Job, who: int | None) -> Job:
    if job.is_foreign:
        raise Refused(f"{job.name} belongs to RELION: clone it to run the same here")
    states.set_state(session, job.id, State.WAITING, who=who)
    job.submitted_at = now(session)
    return job
