"""What running jobs report, recorded once however often it is read."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from compute.files import events
from db.models.jobs import Attempt, Job
from db.models.records import EventRow, IterationCurves, IterationRow, Progress
from db.repository import nodes, rows, states
from db.session import now
from db.words import State

CURVES = frozenset(
    {
        "fsc",
        "fsc_unmasked",
        "ssnr",
        "noise_power",
        "orientability",
        "orientations",
        "orientation_files",
        "files",
    }
)
"""The fields of an Iteration that are kept apart from its figures."""


def offset(session: Session, job_id: int) -> int:
    """The byte of a job's `progress.jsonl` up to which its records are in the database."""
    return session.scalar(select(Progress.offset).where(Progress.job_id == job_id)) or 0


def record(
    session: Session,
    job_id: int,
    found: Sequence[events.AnyEvent],
    *,
    start: int,
    end: int,
) -> bool:
    """Record the events that stand in a job's `progress.jsonl` between the bytes `start` and `end`.

    Event and offset are stored together or not at all. False, and nothing is recorded, where `start` is not the
    offset of the database: somebody has recorded these already; read again from `offset`. A Start record makes a
    starting job running; an End record is kept with the attempt, and the job's state stays until `attempts.settle`.
    """
    job = rows.job(session, job_id, lock=True, in_bin=True)
    progress = _locked_progress(session, job_id)
    if progress.offset != start:
        return False
    attempt = _attempt_at(session, job, start, found)
    for event in found:
        if isinstance(event, events.Start):
            attempt = _attempt_of_start(session, job, attempt, event)
            _begin(session, job, attempt, event)
        if attempt is not None:
            _record_one(session, job, attempt, progress, event)
    progress.offset = end
    if found:
        rows.changed(job)
    session.flush()
    return True


def latest(session: Session, job_id: int) -> Progress | None:
    """How far a job is, by its newest sign of life."""
    return session.get(Progress, job_id, populate_existing=True)


def reset(session: Session, job_id: int) -> None:
    """Read a job's records from their beginning again, because the file is a new one."""
    _locked_progress(session, job_id).offset = 0


def event_list(
    session: Session,
    job_id: int,
    *,
    kinds: Sequence[str] = (),
    after_id: int = 0,
    limit: int = 1000,
) -> Sequence[EventRow]:
    """The events of a job in their order, of some kinds or all; `after_id` pages on."""
    query = select(EventRow).where(EventRow.job_id == job_id, EventRow.id > after_id)
    if kinds:
        query = query.where(EventRow.kind.in_(kinds))
    return session.scalars(query.order_by(EventRow.id).limit(limit)).all()


def _locked_progress(session: Session, job_id: int) -> Progress:
    found = session.get(Progress, job_id, with_for_update=True, populate_existing=True)
    if found is None:
        found = Progress(job_id=job_id, offset=0, phase="", done=0, total=0, warnings=0)
        session.add(found)
        session.flush()
    return found


def _attempt_at(
    session: Session, job: Job, start: int, found: Sequence[events.AnyEvent]
) -> Attempt | None:
    """The attempt whose records begin at or before the byte `start`; one that no launcher knows where there is none."""
    query = (
        select(Attempt)
        .where(Attempt.job_id == job.id, Attempt.progress_from <= start)
        .order_by(Attempt.number.desc())
        .limit(1)
    )
    attempt = session.scalars(query).first()
    if attempt is None and found and not isinstance(found[0], events.Start):
        return _outside(session, job, start)
    return attempt


def _attempt_of_start(
    session: Session, job: Job, attempt: Attempt | None, event: events.Start
) -> Attempt:
    """The attempt that a Start record opens: the first from `attempt` on that has not reported yet."""
    after = attempt.number if attempt is not None else 0
    query = (
        select(Attempt)
        .where(Attempt.job_id == job.id, Attempt.number >= after, ~Attempt.has_reported)
        .order_by(Attempt.number)
        .limit(1)
    )
    return session.scalars(query).first() or _outside(session, job, 0, event)


def _outside(
    session: Session, job: Job, progress_from: int, event: events.Start | None = None
) -> Attempt:
    """A new attempt for records of a run that was not started from the database."""
    last = rows.latest_attempt(session, job.id)
    attempt = Attempt(
        job_id=job.id,
        number=last.number + 1 if last else 1,
        launcher="outside",
        profile="",
        command=event.command if event else "",
        environment={},
        progress_from=progress_from,
        has_reported=False,
        message="",
        created_at=event.time if event else now(session),
    )
    session.add(attempt)
    session.flush()
    return attempt


def _begin(session: Session, job: Job, attempt: Attempt, event: events.Start) -> None:
    """A job's processes have spoken: what the attempt works with, and from where it goes on."""
    attempt.has_reported, attempt.started_at = True, event.time
    attempt.command = attempt.command or event.command
    attempt.continued_after_iteration = event.continued_after_iteration
    attempt.environment = attempt.environment | {
        "version": event.program_version,
        "seed": event.seed,
        "ranks": [rank.model_dump(mode="json") for rank in event.ranks],
    }
    job.particles = event.particles if event.particles is not None else job.particles
    kept = event.continued_after_iteration or 0
    session.execute(
        update(IterationRow)
        .where(
            IterationRow.job_id == job.id,
            IterationRow.attempt_id != attempt.id,
            IterationRow.iteration > kept,
        )
        .values(is_superseded=True)
    )
    job.last_iteration, job.resolution_A = kept or None, None
    job.resolution_criterion = None
    if job.state == State.STARTING:
        states.set_state(session, job.id, State.RUNNING)


def _record_one(
    session: Session, job: Job, attempt: Attempt, progress: Progress, event: events.AnyEvent
) -> None:
    progress.heartbeat_at = event.time
    if isinstance(event, events.Heartbeat):
        progress.phase, progress.iteration = event.phase, event.iteration
        progress.done, progress.total = event.done, event.total
        progress.seconds_left, progress.memory_GB = event.seconds_left, event.memory_GB
        progress.cpu_percent = event.cpu_percent
        return
    if isinstance(event, events.Iteration):
        _iteration(session, job, attempt, event)
        return
    if isinstance(event, events.Phase):
        progress.phase, progress.phase_began_at = event.phase, event.time
        progress.iteration, progress.done, progress.total = event.iteration, 0, event.total
        progress.seconds_left = None
    elif isinstance(event, events.Warn):
        progress.warnings += 1
    elif isinstance(event, events.End):
        _end(session, job, attempt, event)
    session.add(_event_row(job, attempt, event))


def _event_row(job: Job, attempt: Attempt, event: events.AnyEvent) -> EventRow:
    data = event.model_dump(mode="json", exclude={"kind", "time", "message", "code", "iteration"})
    return EventRow(
        job_id=job.id,
        attempt_id=attempt.id,
        time=event.time,
        kind=event.kind,
        iteration=getattr(event, "iteration", None),
        message=getattr(event, "message", ""),
        code=getattr(event, "code", None),
        data=data,
    )


def _iteration(session: Session, job: Job, attempt: Attempt, event: events.Iteration) -> None:
    """Store an iteration, or put it in the place of the same one of the same attempt."""
    figures = event.model_dump(exclude={"kind", *CURVES})
    curves: Mapping[str, Any] = event.model_dump(mode="json", include=set(CURVES))
    query = select(IterationRow).where(
        IterationRow.attempt_id == attempt.id, IterationRow.iteration == event.iteration
    )
    row = session.scalars(query).first()
    if row is None:
        row = IterationRow(job_id=job.id, attempt_id=attempt.id, is_superseded=False, **figures)
        session.add(row)
        session.flush()
        session.add(IterationCurves(iteration_id=row.id, **curves))
    else:
        kept = session.get_one(IterationCurves, row.id)
        for target, values in ((row, figures), (kept, curves)):
            for name, value in values.items():
                setattr(target, name, value)
    job.last_iteration = event.iteration
    if event.resolution_fsc0143_A is not None:
        job.resolution_A, job.resolution_criterion = event.resolution_fsc0143_A, "FSC 0.143"


def _end(session: Session, job: Job, attempt: Attempt, event: events.End) -> None:
    """A job's own last record: how it ended and what it made for others."""
    attempt.end_reason, attempt.message = event.reason, event.message
    attempt.exit_status, attempt.seconds = event.exit_status, event.seconds
    if event.resolution_A is not None:
        job.resolution_A = event.resolution_A
        job.resolution_criterion = event.resolution_criterion
    counts = []
    for output in event.outputs:
        nodes.register_output(session, job, output)
        if output.content == "particles" and output.particles is not None:
            counts.append(output.particles)
    if counts:
        job.particles = counts[0]
