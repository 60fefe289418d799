"""Projects, who may see them, and what people have marked in them."""

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
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import NEVER_REUSED, Base, Json, UtcTime, words
from db.words import Role


class Project(Base):
    """A folder of jobs that belong together. `next_job_number` only grows: numbers are not reused.

    `changed_at` is when the newest job was made.
    """

    __tablename__ = "projects"
    __table_args__ = (
        CheckConstraint("next_job_number > 0", name="next_job_number_positive"),
        Index(
            "uq_projects_folder",
            "folder",
            unique=True,
            sqlite_where=text("deleted_at IS NULL"),
            postgresql_where=text("deleted_at IS NULL"),
        ),
        NEVER_REUSED,
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    folder: Mapped[str] = mapped_column(Text)
    notes: Mapped[str] = mapped_column(Text, default="")
    next_job_number: Mapped[int] = mapped_column(default=1)
    default_parameters: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    group_id: Mapped[int | None] = mapped_column(
        ForeignKey("lab_groups.id", ondelete="SET NULL"), index=True
    )
    group_role: Mapped[Role] = mapped_column(words(Role, "group_role"), default=Role.VIEWER)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    created_by: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    changed_at: Mapped[datetime] = mapped_column(UtcTime)
    disk_bytes: Mapped[int | None] = mapped_column(BigInteger)
    disk_counted_at: Mapped[datetime | None] = mapped_column(UtcTime)
    version: Mapped[int] = mapped_column(default=1)
    deleted_at: Mapped[datetime | None] = mapped_column(UtcTime)
    deleted_by: Mapped[int | None] = mapped_column(ForeignKey("users.id"))


class ProjectMember(Base):
    """A user's role in a project."""

    __tablename__ = "project_members"

    project_id: Mapped[int] = mapped_column(
        ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True
    )
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True, index=True)
    role: Mapped[Role] = mapped_column(words(Role, "role"))
    added_at: Mapped[datetime] = mapped_column(UtcTime)


class ProjectView(Base):
    """When a user was last at a project, when the visit before this one ended, and whether it has the user's star."""

    __tablename__ = "project_views"

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)
    project_id: Mapped[int] = mapped_column(
        ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    opened_at: Mapped[datetime | None] = mapped_column(UtcTime)
    last_visit_at: Mapped[datetime | None] = mapped_column(UtcTime)
    is_starred: Mapped[bool] = mapped_column(default=False)


class Tag(Base):
    """A coloured word for jobs of a project."""

    __tablename__ = "tags"
    __table_args__ = (UniqueConstraint("project_id", "name"), NEVER_REUSED)

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(60))
    colour: Mapped[str] = mapped_column(String(20), default="grey")


class JobTag(Base):
    """A tag on a job."""

    __tablename__ = "job_tags"

    job_id: Mapped[int] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    tag_id: Mapped[int] = mapped_column(
        ForeignKey("tags.id", ondelete="CASCADE"), primary_key=True, index=True
    )


class JobStar(Base):
    """A user's star on a job."""

    __tablename__ = "job_stars"

    job_id: Mapped[int] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True, index=True)


class Comment(Base):
    """What somebody said about a job, or (`job_id` empty) about its project."""

    __tablename__ = "comments"
    __table_args__ = (Index("ix_comments_project", "project_id", "job_id", "id"), NEVER_REUSED)

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    job_id: Mapped[int | None] = mapped_column(
        ForeignKey("jobs.id", ondelete="CASCADE"), index=True
    )
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    text: Mapped[str] = mapped_column(Text)
    written_at: Mapped[datetime] = mapped_column(UtcTime)
    changed_at: Mapped[datetime | None] = mapped_column(UtcTime)
