"""Attempts: one for each time that a job's processes were started."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.errors import Refused
from db.models.jobs import Attempt, Job
from db.repository import rows, states
from db.session import now
from db.words import ACTIVE, Ending, State

FINISHED = ("converged", "iteration limit", "finished")
"""The reasons of an End record with which a job has done what it was asked for."""


def begin(
    session: Session,
    job_id: int,
    *,
    launcher: str,
    profile: str = "",
    host: str | None = None,
    command: str = "",
    environment: dict[str, Any] | None = None,
    progress_from: int = 0,
) -> Attempt:
    """The next attempt of a job that is starting; to be stored before any process is started.

    `progress_from` is the size that `progress.jsonl` has now. Raises Refused where the job is in another state, or
    its last attempt has not ended: a job never runs twice.
    """
    job = rows.job(session, job_id, lock=True)
    if job.state != State.STARTING:
        raise Refused(f"{job.name} is {job.state}: only a job that is starting gets an attempt")
    before = rows.latest_attempt(session, job_id)
    if before is not None and before.ended_at is None:
        raise Refused(f"attempt {before.number} of {job.name} has not ended")
    attempt = Attempt(
        job_id=job_id,
        number=before.number + 1 if before else 1,
        launcher=launcher,
        profile=profile or job.profile,
        host=host,
        command=command,
        environment=environment or {},
        continued_after_iteration=job.continue_after_iteration,
        progress_from=progress_from,
        created_at=now(session),
    )
    session.add(attempt)
    session.flush()
    job.unix_user = job.unix_user or attempt.environment.get("unix_user")
    rows.changed(job)
    return attempt


def identify(
    session: Session,
    attempt_id: int,
    *,
    host: str | None = None,
    pid: int | None = None,
    pid_started_at: float | None = None,
    slurm_id: str | None = None,
    environment: dict[str, Any] | None = None,
) -> Attempt:
    """Record where an attempt's processes are, as soon as that is known; what is not given stays.

    A process is known by its number and its start time (seconds since 1970); `environment` is added to.
    """
    attempt = rows.attempt(session, attempt_id, lock=True)
    attempt.host = host if host is not None else attempt.host
    attempt.pid = pid if pid is not None else attempt.pid
    attempt.pid_started_at = (
        pid_started_at if pid_started_at is not None else attempt.pid_started_at
    )
    attempt.slurm_id = slurm_id if slurm_id is not None else attempt.slurm_id
    attempt.environment = attempt.environment | (environment or {})
    return attempt


def settle(
    session: Session,
    attempt_id: int,
    *,
    reason: str = "failed",
    message: str = "",
    exit_status: int | None = None,
) -> Job:
    """End an attempt whose processes are gone, and with it its job: finished, stopped by its user, or failed.

    The job's own last record decides where there is one; `reason` (a word of `events.End.reason`), `message` and
    `exit_status` are for a job that left none. A second call changes nothing.
    """
    attempt = rows.attempt(session, attempt_id, lock=True)
    job = rows.job(session, attempt.job_id, lock=True, in_bin=True)
    if attempt.end_reason is None:
        attempt.end_reason, attempt.message = reason, message
    if attempt.exit_status is None:
        attempt.exit_status = exit_status
    if attempt.ended_at is None:
        attempt.ended_at = now(session)
    latest = rows.latest_attempt(session, job.id)
    if job.state not in ACTIVE or latest is None or latest.id != attempt.id:
        return job
    if attempt.end_reason in FINISHED:
        return states.set_state(session, job.id, State.FINISHED, reason=attempt.message)
    if attempt.end_reason == "stopped":
        return states.set_state(
            session, job.id, State.FINISHED, reason=attempt.message, ending=Ending.STOPPED
        )
    return states.set_state(session, job.id, State.FAILED, reason=attempt.message)


def abandon(session: Session, attempt_id: int, message: str) -> Job:
    """End an attempt of which no process was started, and let its job wait again; `message` says why."""
    attempt = rows.attempt(session, attempt_id, lock=True)
    attempt.end_reason, attempt.message, attempt.ended_at = "not started", message, now(session)
    return states.set_state(session, attempt.job_id, State.WAITING, reason=message)


def latest(session: Session, job_id: int) -> Attempt | None:
    """The newest attempt of a job, if it ever had one."""
    return rows.latest_attempt(session, job_id)


def of_job(session: Session, job_id: int) -> Sequence[Attempt]:
    """All attempts of a job, oldest first."""
    query = select(Attempt).where(Attempt.job_id == job_id).order_by(Attempt.number)
    return session.scalars(query).all()


def at_work(session: Session) -> list[tuple[Job, Attempt | None]]:
    """Every job whose processes may be alive, with its newest attempt (None: it was claimed and not yet launched)."""
    query = select(Job).where(Job.state.in_(ACTIVE), ~Job.is_foreign).order_by(Job.id)
    jobs = session.scalars(query).all()
    return [(job, rows.latest_attempt(session, job.id)) for job in jobs]
