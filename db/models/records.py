"""What running jobs report: iterations with their curves, events, and how far each job is now."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import NEVER_REUSED, Base, Json, Packed, UtcTime


class IterationRow(Base):
    """Every figure of one finished iteration; the names are those of `compute.files.events.Iteration`.

    A row whose job went on from an earlier iteration is superseded: kept, and not part of the job's table.
    """

    __tablename__ = "iterations"
    __table_args__ = (
        UniqueConstraint("attempt_id", "iteration"),
        Index("ix_iterations_table", "job_id", "iteration"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    job_id: Mapped[int] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempts.id", ondelete="CASCADE"))
    is_superseded: Mapped[bool] = mapped_column(default=False)
    time: Mapped[datetime] = mapped_column(UtcTime)
    iteration: Mapped[int]
    is_final: Mapped[bool]

    resolution_fsc05_A: Mapped[float | None]
    resolution_fsc0143_A: Mapped[float | None]
    best_resolution_A: Mapped[float | None]
    is_solvent_corrected: Mapped[bool]
    fsc_mask: Mapped[str | None] = mapped_column(String(20))
    resolution_unmasked_A: Mapped[float | None]
    has_dip: Mapped[bool]
    resolution_after_dip_A: Mapped[float | None]
    iterations_without_gain: Mapped[int]

    change_angles_deg: Mapped[float | None]
    change_offsets_A: Mapped[float | None]
    iterations_without_change: Mapped[int]
    accuracy_angles_deg: Mapped[float | None]
    accuracy_offsets_A: Mapped[float | None]

    healpix_order: Mapped[int | None]
    coarse_step_deg: Mapped[float | None]
    fine_step_deg: Mapped[float | None]
    required_step_deg: Mapped[float | None]
    is_local_search: Mapped[bool]
    offset_range_A: Mapped[float | None]
    coarse_offset_step_A: Mapped[float | None]
    fine_offset_step_A: Mapped[float | None]
    oversampling: Mapped[int | None]
    coarse_orientations: Mapped[int | None] = mapped_column(BigInteger)
    coarse_translations: Mapped[int | None] = mapped_column(BigInteger)
    fine_orientations: Mapped[int | None] = mapped_column(BigInteger)
    fine_translations: Mapped[int | None] = mapped_column(BigInteger)
    current_size: Mapped[int | None]
    coarse_size: Mapped[int | None]

    mean_pmax: Mapped[float | None]
    median_significant_samples: Mapped[float | None]
    mean_norm_correction: Mapped[float | None]
    scale_min: Mapped[float | None]
    scale_max: Mapped[float | None]
    sigma_offset_A: Mapped[list[float | None]] = mapped_column(Json)
    log_likelihood: Mapped[float | None]

    is_fine_enough: Mapped[bool]
    has_converged: Mapped[bool]
    explanation: Mapped[str] = mapped_column(Text)

    seconds: Mapped[float | None]
    phase_seconds: Mapped[dict[str, float | None]] = mapped_column(Json)
    peak_memory_GB: Mapped[list[float | None]] = mapped_column(Json)
    peak_gpu_memory_GB: Mapped[list[float | None]] = mapped_column(Json)
    extent_A: Mapped[float | None]


class IterationCurves(Base):
    """The curves of an iteration, apart from its figures so that the table of figures is quick to read."""

    __tablename__ = "iteration_curves"

    iteration_id: Mapped[int] = mapped_column(
        ForeignKey("iterations.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    fsc: Mapped[list[float | None]] = mapped_column(Packed)
    fsc_unmasked: Mapped[list[float | None] | None] = mapped_column(Packed)
    ssnr: Mapped[list[float | None]] = mapped_column(Packed)
    noise_power: Mapped[list[dict[str, Any]]] = mapped_column(Packed)
    orientability: Mapped[list[float | None]] = mapped_column(Packed)
    orientations: Mapped[dict[str, Any] | None] = mapped_column(Packed)
    orientation_files: Mapped[list[str]] = mapped_column(Json)
    files: Mapped[list[str]] = mapped_column(Json)


class EventRow(Base):
    """What a job reported, apart from iterations and signs of life: starts, phases, warnings, memory, ends."""

    __tablename__ = "events"
    __table_args__ = (Index("ix_events_job", "job_id", "id"), NEVER_REUSED)

    id: Mapped[int] = mapped_column(primary_key=True)
    job_id: Mapped[int] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    attempt_id: Mapped[int] = mapped_column(
        ForeignKey("attempts.id", ondelete="CASCADE"), index=True
    )
    time: Mapped[datetime] = mapped_column(UtcTime)
    kind: Mapped[str] = mapped_column(String(20))
    iteration: Mapped[int | None]
    message: Mapped[str] = mapped_column(Text, default="")
    code: Mapped[str | None] = mapped_column(String(20))
    data: Mapped[dict[str, Any]] = mapped_column(Json)


class Progress(Base):
    """How far a job is: its newest sign of life, and up to which byte its records have been read."""

    __tablename__ = "progress"

    job_id: Mapped[int] = mapped_column(
        ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    offset: Mapped[int] = mapped_column(BigInteger, default=0)
    heartbeat_at: Mapped[datetime | None] = mapped_column(UtcTime)
    phase: Mapped[str] = mapped_column(String(100), default="")
    phase_began_at: Mapped[datetime | None] = mapped_column(UtcTime)
    iteration: Mapped[int | None]
    done: Mapped[int] = mapped_column(BigInteger, default=0)
    total: Mapped[int] = mapped_column(BigInteger, default=0)
    seconds_left: Mapped[float | None]
    memory_GB: Mapped[float | None]
    cpu_percent: Mapped[float | None]
    warnings: Mapped[int] = mapped_column(default=0)
