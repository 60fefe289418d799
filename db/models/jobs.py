"""Jobs, their attempts, and the files that pass between them."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    String,
    Text,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import NEVER_REUSED, Base, Json, UtcTime, words
from db.words import Ending, State, StopRequest


class Job(Base):
    """One job of a project: what was asked for, where it is, and what it needs to run.

    `folder` is relative to the project's (`Refine3D/job019`). `reason` says in one sentence why the job waits,
    stopped or failed. `version` grows with every change, so that pages need to compare one number. A foreign job was
    made by RELION in the same folder. `is_exported` says that RELION's files of the project show the job as it is.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        UniqueConstraint("project_id", "number"),
        CheckConstraint("number > 0", name="number_positive"),
        CheckConstraint("(state = 'finished') = (ending IS NOT NULL)", name="ending_of_finished"),
        CheckConstraint("cores > 0 AND gpus >= 0", name="resources"),
        Index("ix_jobs_list", "project_id", "deleted_at", "number"),
        Index("ix_jobs_counts", "project_id", "deleted_at", "state", "resolution_A"),
        Index(
            "ix_jobs_export",
            "project_id",
            sqlite_where=text("NOT is_exported"),
            postgresql_where=text("NOT is_exported"),
        ),
        Index("ix_jobs_queue", "state", "priority", "submitted_at"),
        Index("ix_jobs_ends", "state", "ended_at"),
        NEVER_REUSED,
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    number: Mapped[int]
    type: Mapped[str] = mapped_column(String(40), index=True)
    title: Mapped[str] = mapped_column(String(300), default="")
    alias: Mapped[str | None] = mapped_column(String(100))
    folder: Mapped[str] = mapped_column(String(300))
    parameters: Mapped[dict[str, Any]] = mapped_column(Json)
    notes: Mapped[str] = mapped_column(Text, default="")

    state: Mapped[State] = mapped_column(words(State, "state"), default=State.DRAFT)
    ending: Mapped[Ending | None] = mapped_column(words(Ending, "ending"))
    reason: Mapped[str] = mapped_column(Text, default="")
    stop_request: Mapped[StopRequest | None] = mapped_column(words(StopRequest, "stop_request"))
    continue_after_iteration: Mapped[int | None]
    priority: Mapped[int] = mapped_column(default=0)

    profile: Mapped[str] = mapped_column(String(60), default="local")
    ranks: Mapped[int] = mapped_column(default=1)
    cores: Mapped[int] = mapped_column(default=1)
    gpus: Mapped[int] = mapped_column(default=0)
    memory_GB: Mapped[float | None]

    created_by: Mapped[int | None] = mapped_column(ForeignKey("users.id"), index=True)
    unix_user: Mapped[str | None] = mapped_column(String(64))
    is_final: Mapped[bool] = mapped_column(default=False)
    is_protected: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    submitted_at: Mapped[datetime | None] = mapped_column(UtcTime)
    started_at: Mapped[datetime | None] = mapped_column(UtcTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcTime, index=True)

    last_iteration: Mapped[int | None]
    resolution_A: Mapped[float | None]
    resolution_criterion: Mapped[str | None] = mapped_column(String(200))
    particles: Mapped[int | None]
    disk_bytes: Mapped[int | None] = mapped_column(BigInteger)
    is_foreign: Mapped[bool] = mapped_column(default=False, server_default=false())
    is_exported: Mapped[bool] = mapped_column(default=False, server_default=false())
    version: Mapped[int] = mapped_column(default=1)
    deleted_at: Mapped[datetime | None] = mapped_column(UtcTime)
    deleted_by: Mapped[int | None] = mapped_column(ForeignKey("users.id"))

    @property
    def name(self) -> str:
        """How sentences call it: job 19."""
        return f"job {self.number}"


class Attempt(Base):
    """One run of a job's processes. A continued job keeps its number and gets another attempt.

    `progress_from` is the size of `progress.jsonl` when the attempt was launched: what follows is its own.
    """

    __tablename__ = "attempts"
    __table_args__ = (UniqueConstraint("job_id", "number"), NEVER_REUSED)

    id: Mapped[int] = mapped_column(primary_key=True)
    job_id: Mapped[int] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    number: Mapped[int]
    launcher: Mapped[str] = mapped_column(String(40))
    profile: Mapped[str] = mapped_column(String(60), default="")
    host: Mapped[str | None] = mapped_column(String(255))
    pid: Mapped[int | None]
    pid_started_at: Mapped[float | None]
    slurm_id: Mapped[str | None] = mapped_column(String(60), index=True)
    command: Mapped[str] = mapped_column(Text, default="")
    environment: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    continued_after_iteration: Mapped[int | None]
    progress_from: Mapped[int] = mapped_column(BigInteger, default=0)
    has_reported: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    started_at: Mapped[datetime | None] = mapped_column(UtcTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcTime)
    end_reason: Mapped[str | None] = mapped_column(String(40))
    exit_status: Mapped[int | None]
    message: Mapped[str] = mapped_column(Text, default="")
    seconds: Mapped[float | None]


class Node(Base):
    """A file that jobs hand on: made by a job of the project, or brought from outside (`job_id` empty).

    `path` is relative to the project, or absolute where the file lies elsewhere. `made_at` is empty until the
    job that makes it has reported it.
    """

    __tablename__ = "nodes"
    __table_args__ = (UniqueConstraint("project_id", "path"), NEVER_REUSED)

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    job_id: Mapped[int | None] = mapped_column(
        ForeignKey("jobs.id", ondelete="SET NULL"), index=True
    )
    path: Mapped[str] = mapped_column(String(1000))
    content: Mapped[str] = mapped_column(String(40), default="")
    particles: Mapped[int | None]
    box_size: Mapped[int | None]
    pixel_size_A: Mapped[float | None]
    checksum: Mapped[str | None] = mapped_column(String(128))
    size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    made_at: Mapped[datetime | None] = mapped_column(UtcTime)


class JobInput(Base):
    """A job reads a node, named by a parameter. With `waits` it starts only when the node's job has finished."""

    __tablename__ = "job_inputs"

    job_id: Mapped[int] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    node_id: Mapped[int] = mapped_column(
        ForeignKey("nodes.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    parameter: Mapped[str] = mapped_column(String(60), primary_key=True)
    waits: Mapped[bool] = mapped_column(default=True)
    checksum: Mapped[str | None] = mapped_column(String(128))
