"""Machines on which jobs are started directly: what they have, and what of it jobs hold."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models.jobs import Job
from db.models.projects import Project
from db.models.queue import GpuHold, Hold, Machine
from db.session import now


@dataclass(frozen=True, slots=True)
class Held:
    """What one job holds of a machine."""

    job: Job
    project: Project
    cores: int
    memory_GB: float | None
    gpus: tuple[int, ...]


def register(
    session: Session,
    name: str,
    *,
    cores: int,
    memory_GB: float | None = None,
    gpus: Sequence[dict[str, Any]] = (),
    load: dict[str, Any] | None = None,
) -> Machine:
    """Record what a machine has (each GPU with `index`, `name`, `memory_GB`) and, with `load`, what it is doing now."""
    machine = session.get(Machine, name, with_for_update=True, populate_existing=True)
    if machine is None:
        machine = Machine(name=name, cores=cores)
        session.add(machine)
    machine.cores, machine.memory_GB, machine.gpus = cores, memory_GB, list(gpus)
    if load is not None:
        machine.load = load
    machine.seen_at = now(session)
    session.flush()
    return machine


def machines(session: Session) -> Sequence[Machine]:
    """All machines by name."""
    return session.scalars(select(Machine).order_by(Machine.name)).all()


def held(session: Session, machine: str) -> list[Held]:
    """What jobs hold of a machine, oldest first."""
    query = select(Hold, Job, Project).join(Job, Hold.job_id == Job.id).join(Project)
    found = session.execute(query.where(Hold.machine == machine).order_by(Hold.since, Hold.job_id))
    gpus: dict[int, list[int]] = {}
    holds = select(GpuHold).where(GpuHold.machine == machine).order_by(GpuHold.gpu)
    for one in session.scalars(holds):
        gpus.setdefault(one.job_id, []).append(one.gpu)
    return [
        Held(job, project, hold.cores, hold.memory_GB, tuple(gpus.get(job.id, ())))
        for hold, job, project in found
    ]


def gpus_of(session: Session, job_id: int) -> tuple[int, ...]:
    """The GPUs that a job holds, by their index."""
    query = select(GpuHold.gpu).where(GpuHold.job_id == job_id).order_by(GpuHold.gpu)
    return tuple(session.scalars(query))
