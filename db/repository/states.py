"""Changes of a job's state, each checked against the table of allowed steps; and requests to stop."""

from sqlalchemy import delete
from sqlalchemy.orm import Session

from db.errors import Refused
from db.models.jobs import Job
from db.models.queue import GpuHold, Hold
from db.repository import audit, notices, rows
from db.session import now
from db.words import ACTIVE, ENDED, Ending, News, State, StopRequest, check_step


def set_state(
    session: Session,
    job_id: int,
    state: State,
    *,
    who: int | None = None,
    reason: str = "",
    ending: Ending | None = None,
) -> Job:
    """Take a job to another state; `reason` is the sentence that pages show with it.

    `ending` says which kind of finished (COMPLETED where it is not given). Raises Refused for a step that
    `db.words.STEPS` does not have. What an ended job held of its machine is free at once, and its author is told.
    """
    job = rows.job(session, job_id, lock=True, in_bin=True)
    before = job.state
    check_step(before, state, job.name)
    job.state, job.reason = state, reason
    job.ending = (ending or Ending.COMPLETED) if state == State.FINISHED else None
    if state == State.RUNNING:
        job.started_at = now(session)
    if state in ENDED:
        job.ended_at, job.stop_request, job.continue_after_iteration = now(session), None, None
    if state in (State.WAITING, State.DRAFT):
        job.ended_at, job.stop_request = None, None
    if state not in ACTIVE:
        free(session, job_id)
    if before == State.WAITING:
        notices.forget_waiting(session, job)
    if state in ENDED:
        notices.job_ended(session, job, _news(job), who=who)
    rows.changed_for_relion(job)
    audit.note(
        session, who, f"job {state}", job=job, before=before, reason=reason, ending=job.ending
    )
    session.flush()
    return job


def request_stop(session: Session, job_id: int, request: StopRequest, *, who: int | None) -> Job:
    """Ask a job to stop. One that only waits is finished at once; one at work is stopping until its processes are gone.

    "now" may follow "after this iteration", not the other way round. Raises Refused where nothing is to be stopped.
    """
    job = rows.job(session, job_id, lock=True)
    if job.is_foreign:
        raise Refused(f"{job.name} belongs to RELION: stop it there")
    if job.state == State.WAITING:
        return set_state(
            session,
            job_id,
            State.FINISHED,
            who=who,
            reason="stopped before it was started",
            ending=Ending.STOPPED,
        )
    if job.state not in ACTIVE:
        raise Refused(f"{job.name} is {job.state}: there is nothing to stop")
    if job.stop_request == StopRequest.NOW:
        return job
    if job.state != State.STOPPING:
        set_state(session, job_id, State.STOPPING, who=who, reason=f"asked to stop {request}")
    job.stop_request = request
    job.reason = f"asked to stop {request}"
    rows.changed(job)
    audit.note(session, who, "asked job to stop", job=job, request=request)
    return job


def set_reason(session: Session, job_id: int, reason: str, *, is_expected: bool = False) -> Job:
    """Say in a sentence what holds a job up, without a change of its state; the same sentence twice changes nothing.

    The author of a job that waits is told, but where that is as asked for (`is_expected`).
    """
    job = rows.job(session, job_id, lock=True, in_bin=True)
    if job.reason != reason:
        job.reason = reason
        rows.changed(job)
        if job.state == State.WAITING and not is_expected:
            notices.job_waits(session, job)
    return job


def _news(job: Job) -> News:
    """How the author of an ended job is told of it."""
    if job.state == State.FAILED:
        return News.FAILED
    return News.STOPPED if job.ending == Ending.STOPPED else News.FINISHED


def free(session: Session, job_id: int) -> None:
    """Give back what a job holds of a machine."""
    session.execute(delete(GpuHold).where(GpuHold.job_id == job_id))
    session.execute(delete(Hold).where(Hold.job_id == job_id))
