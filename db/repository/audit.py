"""The list of who did what."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models.jobs import Job
from db.models.people import AuditEntry
from db.models.projects import Project
from db.session import now


def note(
    session: Session,
    who: int | None,
    action: str,
    *,
    project: Project | None = None,
    job: Job | None = None,
    subject: str = "",
    **details: Any,
) -> None:
    """Add an entry. `action` is a verb in the past with its object (`renamed job`), `details` what changed."""
    entry = AuditEntry(
        time=now(session),
        user_id=who,
        action=action,
        project_id=project.id if project else (job.project_id if job else None),
        job_id=job.id if job else None,
        subject=subject or (job.name if job else "") or (project.name if project else ""),
        details=details,
    )
    session.add(entry)


def entries(
    session: Session,
    *,
    project_id: int | None = None,
    job_id: int | None = None,
    user_id: int | None = None,
    before_id: int | None = None,
    limit: int = 100,
) -> Sequence[AuditEntry]:
    """The newest entries of a project, a job or a user (all of them without), newest first; `before_id` pages on."""
    query = select(AuditEntry).order_by(AuditEntry.id.desc()).limit(limit)
    if project_id is not None:
        query = query.where(AuditEntry.project_id == project_id)
    if job_id is not None:
        query = query.where(AuditEntry.job_id == job_id)
    if user_id is not None:
        query = query.where(AuditEntry.user_id == user_id)
    if before_id is not None:
        query = query.where(AuditEntry.id < before_id)
    return session.scalars(query).all()


def open_jobs(session: Session, found: Sequence[AuditEntry]) -> dict[int, str]:
    """The jobs of entries that have a page, in the bin or not: their ids, with the names of their projects."""
    query = (
        select(Job.id, Project.name)
        .join(Project, Project.id == Job.project_id)
        .where(
            Job.id.in_({one.job_id for one in found if one.job_id is not None}),
            Project.deleted_at.is_(None),
        )
    )
    return {row.id: row.name for row in session.execute(query)}
