"""Which waiting job is started next, and in words why the others wait."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from db.errors import NotFound
from db.models.jobs import Job, JobInput, Node
from db.models.queue import GpuHold, Hold, Machine
from db.repository import queue, rows, states
from db.repository.machines import Held, held
from db.session import now
from db.words import Ending, State

IN_TURN = "to finish"
"""How the reason ends of a job that waits for another one as it was asked to."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A job that is to be started now, and the GPUs of the machine that are its own."""

    job: Job
    gpus: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Room:
    """What of a machine nobody has: held by no job, and not kept for one that came first."""

    cores: int
    gpus: tuple[int, ...]
    memory_GB: float | None

    def fits(self, job: Job) -> bool:
        """Whether the job could start in it."""
        return not self.lacks(job)

    def lacks(self, job: Job) -> list[str]:
        """What the job needs more than there is."""
        short = []
        if job.gpus > len(self.gpus):
            short.append(_count(job.gpus, "GPU"))
        if job.cores > self.cores:
            short.append(_count(job.cores, "core"))
        if self.memory_GB is not None and (job.memory_GB or 0) > self.memory_GB:
            short.append(f"{job.memory_GB:.1f} GB of memory")
        return short

    def without(self, job: Job) -> "Room":
        """What is left when the job has, or has been promised, its part."""
        memory = self.memory_GB
        if memory is not None:
            memory = max(0.0, memory - (job.memory_GB or 0.0))
        return Room(max(0, self.cores - job.cores), self.gpus[job.gpus :], memory)


def claim_next(
    session: Session, *, profiles: Collection[str], machine: str | None = None
) -> Claim | None:
    """Take the next job of these launcher profiles out of the queue: it is starting, and nobody else can take it.

    Order: higher priority, then who came first. A job starts when the jobs that make its inputs have finished, and,
    where a machine is named, when its cores, GPUs and memory are free there; they are held for it from now on. Room
    that a job cannot use yet is kept for it, so that smaller jobs do not overtake it for ever. Every job that has to
    wait is told why (`Job.reason`). None when no job can start.
    """
    site = _site(session, machine) if machine is not None else None
    query = select(Job).where(
        Job.state == State.WAITING, Job.deleted_at.is_(None), Job.profile.in_(profiles)
    )
    candidates = session.scalars(query.order_by(*queue.ORDER)).all()
    paused = queue.pause_sentence(session)
    if paused is not None:
        for job in candidates:
            _tell(session, job, paused)
        return None
    blocked = _blocked(session, [job.id for job in candidates])
    room = _free_room(session, site) if site is not None else None
    holders = held(session, site.name) if site is not None else []
    first: Job | None = None
    for job in candidates:
        if reason := blocked.get(job.id):
            _tell(session, job, reason, is_expected=reason.endswith(IN_TURN))
        elif room is None or site is None:
            if claim := _take(session, job, None, ()):
                return claim
        elif short := _whole(site).lacks(job):
            words = f"needs {' and '.join(short)}, which {site.name} does not have"
            _tell(session, job, words)
        elif room.fits(job):
            if claim := _take(session, job, site, room.gpus[: job.gpus]):
                return claim
        else:
            _tell(session, job, _waits_for(job, room, holders, first))
            room, first = room.without(job), first or job
    return None


def _take(session: Session, job: Job, site: Machine | None, gpus: tuple[int, ...]) -> Claim | None:
    """The claim on a job, or None where somebody else has taken or withdrawn it meanwhile."""
    job = rows.job(session, job.id, lock=True, in_bin=True)
    if job.state != State.WAITING or job.deleted_at is not None:
        return None
    states.set_state(session, job.id, State.STARTING)
    if site is not None:
        hold = Hold(
            job_id=job.id,
            machine=site.name,
            cores=job.cores,
            memory_GB=job.memory_GB,
            since=now(session),
        )
        session.add(hold)
        session.flush()
        session.add_all(GpuHold(machine=site.name, gpu=gpu, job_id=job.id) for gpu in gpus)
    session.flush()
    return Claim(job, gpus)


def _tell(session: Session, job: Job, reason: str, is_expected: bool = False) -> None:
    """Say why a job waits, where that is news."""
    if job.reason != reason:
        states.set_reason(session, job.id, reason, is_expected=is_expected)


def _site(session: Session, name: str) -> Machine:
    """The machine, locked: its room is given away by one at a time."""
    machine = session.get(Machine, name, with_for_update=True, populate_existing=True)
    if machine is None:
        raise NotFound(f"the machine {name} is not known: register it first")
    return machine


def _whole(machine: Machine) -> Room:
    """A machine on which nothing runs."""
    gpus = tuple(sorted(int(gpu["index"]) for gpu in machine.gpus))
    return Room(machine.cores, gpus, machine.memory_GB)


def _free_room(session: Session, machine: Machine) -> Room:
    whole, holds = _whole(machine), held(session, machine.name)
    taken = {gpu for hold in holds for gpu in hold.gpus}
    memory = whole.memory_GB
    if memory is not None:
        memory = max(0.0, memory - sum(hold.memory_GB or 0.0 for hold in holds))
    cores = max(0, whole.cores - sum(hold.cores for hold in holds))
    return Room(cores, tuple(gpu for gpu in whole.gpus if gpu not in taken), memory)


def _blocked(session: Session, job_ids: Iterable[int]) -> Mapping[int, str]:
    """For each job that has to wait for another one, the reason in words."""
    maker = aliased(Job)
    query = (
        select(JobInput.job_id, Node, maker)
        .join(Node, JobInput.node_id == Node.id)
        .join(maker, Node.job_id == maker.id)
        .where(JobInput.job_id.in_(list(job_ids)), JobInput.waits, maker.id != JobInput.job_id)
        .order_by(JobInput.job_id, maker.number)
    )
    reasons: dict[int, str] = {}
    for job_id, node, made_by in session.execute(query):
        if (reason := _not_ready(node, made_by)) and job_id not in reasons:
            reasons[job_id] = reason
    return reasons


def _not_ready(node: Node, maker: Job) -> str | None:
    """Why a file cannot be read yet, or None."""
    name = f"{maker.name} ({maker.type})"
    if maker.deleted_at is not None:
        return f"needs {node.path} of {name}, which was deleted"
    if maker.state == State.FINISHED:
        is_missing = maker.ending == Ending.STOPPED and node.made_at is None
        return f"{name} was stopped before it made {node.path}" if is_missing else None
    if maker.state == State.FAILED:
        return f"waits for {name}, which failed: continue it, or choose other inputs"
    if maker.state == State.DRAFT:
        return f"waits for {name}, which has not been submitted"
    return f"waits for {name} {IN_TURN}"


def _waits_for(job: Job, room: Room, holders: Iterable[Held], first: Job | None) -> str:
    """What a job needs and who has it."""
    short = room.lacks(job)
    wants_gpu = job.gpus > len(room.gpus)
    names = []
    for hold in holders:
        if hold.gpus or not wants_gpu:
            is_same = hold.project.id == job.project_id
            names.append(hold.job.name if is_same else f"{hold.job.name} of {hold.project.name}")
    if first is not None:
        names.append(f"{first.name}, which came first, waits for them")
        return f"needs {' and '.join(short)}: {' and '.join(names[-2:])}"
    verb = "holds" if len(names) == 1 else "hold"
    return f"needs {' and '.join(short)}, {' and '.join(names)} {verb} them"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
