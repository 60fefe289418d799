"""What the supervisor and the queue keep: leases, machines, and what running jobs hold."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, Json, UtcTime


class Lease(Base):
    """An office that one process holds at a time, until it expires. `term` grows with every new holder."""

    __tablename__ = "leases"

    name: Mapped[str] = mapped_column(String(60), primary_key=True)
    holder: Mapped[str | None] = mapped_column(String(200))
    host: Mapped[str | None] = mapped_column(String(255))
    pid: Mapped[int | None]
    term: Mapped[int] = mapped_column(default=0)
    taken_at: Mapped[datetime | None] = mapped_column(UtcTime)
    expires_at: Mapped[datetime | None] = mapped_column(UtcTime)


class Machine(Base):
    """A computer on which jobs are started directly, and what it has. `gpus` are rows with index, name, memory_GB."""

    __tablename__ = "machines"
    __table_args__ = (CheckConstraint("cores > 0", name="cores_positive"),)

    name: Mapped[str] = mapped_column(String(255), primary_key=True)
    cores: Mapped[int]
    memory_GB: Mapped[float | None]
    gpus: Mapped[list[dict[str, Any]]] = mapped_column(Json, default=list)
    load: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    seen_at: Mapped[datetime | None] = mapped_column(UtcTime)


class Hold(Base):
    """What a job holds of a machine while it is starting, running or stopping."""

    __tablename__ = "holds"

    job_id: Mapped[int] = mapped_column(
        ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    machine: Mapped[str] = mapped_column(ForeignKey("machines.name"), index=True)
    cores: Mapped[int]
    memory_GB: Mapped[float | None]
    since: Mapped[datetime] = mapped_column(UtcTime)


class GpuHold(Base):
    """A GPU that a job holds; the key allows one job per GPU."""

    __tablename__ = "gpu_holds"

    machine: Mapped[str] = mapped_column(ForeignKey("machines.name"), primary_key=True)
    gpu: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    job_id: Mapped[int] = mapped_column(ForeignKey("holds.job_id", ondelete="CASCADE"), index=True)


class QueuePause(Base):
    """While there is a row, no job is started; it says who paused the queue and why."""

    __tablename__ = "queue_pauses"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    reason: Mapped[str] = mapped_column(Text)
    since: Mapped[datetime] = mapped_column(UtcTime)
