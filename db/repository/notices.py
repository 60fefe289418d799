"""What users are told in the dashboard: their jobs have ended or wait, others speak to them or share projects."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import ColumnElement, Select, delete, func, or_, select, update
from sqlalchemy.orm import Session

from db.models.jobs import Job
from db.models.notices import Notice
from db.models.people import User
from db.models.projects import Comment, Project
from db.repository import rows
from db.repository.sight import role_of, visible
from db.session import now
from db.words import News

KEPT_FOR = timedelta(days=90)
"""After which a notice that was read is forgotten."""
LONGEST = 500
NAME = re.compile(r"(?<![\w@.])@([A-Za-z0-9][A-Za-z0-9._@-]*)")
MOST_NAMES = 20
"""How many people one comment may call."""


@dataclass(frozen=True, slots=True)
class NoticeLine:
    """A notice with what it is about and whose doing it is."""

    notice: Notice
    project: Project
    job: Job | None
    by: str


def add(
    session: Session,
    user_id: int,
    news: News,
    project_id: int,
    *,
    job_id: int | None = None,
    comment_id: int | None = None,
    by: int | None = None,
    text: str = "",
) -> Notice:
    """Tell a user something; what they read long ago is forgotten meanwhile."""
    old = (Notice.user_id == user_id, Notice.read_at < now(session) - KEPT_FOR)
    session.execute(delete(Notice).where(*old))
    notice = Notice(
        user_id=user_id,
        news=news,
        project_id=project_id,
        job_id=job_id,
        comment_id=comment_id,
        by_user_id=by,
        text=text if len(text) <= LONGEST else text[:LONGEST] + " …",
        made_at=now(session),
    )
    session.add(notice)
    session.flush()
    return notice


def job_ended(session: Session, job: Job, news: News, *, who: int | None) -> None:
    """Tell a job's author how it has ended, unless it was the author's own doing."""
    forget_waiting(session, job)
    if job.created_by is not None and job.created_by != who:
        add(session, job.created_by, news, job.project_id, job_id=job.id, text=job.reason)


def job_waits(session: Session, job: Job) -> None:
    """Tell a job's author what it waits for. Only the newest reason stands, and is told once where it was read."""
    if job.created_by is None or not job.reason:
        return
    query = select(Notice).where(Notice.job_id == job.id, Notice.news == News.WAITS)
    known = session.scalars(query.limit(1)).first()
    if known is None:
        add(session, job.created_by, News.WAITS, job.project_id, job_id=job.id, text=job.reason)
    else:
        known.text = job.reason


def forget_waiting(session: Session, job: Job) -> None:
    """Drop what was told of a job's waiting: it is over."""
    session.execute(delete(Notice).where(Notice.job_id == job.id, Notice.news == News.WAITS))


def names_in(text: str) -> list[str]:
    """The names that a text calls with `@`, in order, each once."""
    found = (match.group(1).rstrip(".-@_") for match in NAME.finditer(text))
    return list(dict.fromkeys(name for name in found if name))[:MOST_NAMES]


def mentions(session: Session, comment: Comment, *, already: Collection[str] = ()) -> list[User]:
    """Tell those whom a comment calls by name that it does: users who see its project, but not its author."""
    told = []
    known = {name.lower() for name in already}
    names = {name.lower() for name in names_in(comment.text)} - known
    query = select(User).where(func.lower(User.name).in_(names), User.is_active)
    for user in session.scalars(query.order_by(User.id)):
        if user.id == comment.user_id or role_of(session, comment.project_id, user.id) is None:
            continue
        add(
            session,
            user.id,
            News.MENTIONED,
            comment.project_id,
            job_id=comment.job_id,
            comment_id=comment.id,
            by=comment.user_id,
            text=comment.text,
        )
        told.append(user)
    return told


def shared(session: Session, project_id: int, user_id: int, text: str, *, who: int | None) -> None:
    """Tell a user that somebody has opened a project to them."""
    if user_id != who and rows.user(session, user_id).is_active:
        add(session, user_id, News.SHARED, project_id, by=who, text=text)


def newest(
    session: Session, user_id: int, *, before_id: int | None = None, limit: int = 50
) -> list[NoticeLine]:
    """The notices of a user, newest first; `before_id` pages on. Those of projects not seen any more are left out."""
    query = _seen(session, user_id, select(Notice, Project, Job, User))
    if before_id is not None:
        query = query.where(Notice.id < before_id)
    found = session.execute(query.order_by(Notice.id.desc()).limit(limit))
    return [
        NoticeLine(notice, project, job, user.name if user is not None else "")
        for notice, project, job, user in found
    ]


def unread(session: Session, user_id: int) -> int:
    """How many notices a user has not read."""
    query = _seen(session, user_id, select(func.count(Notice.id))).where(Notice.read_at.is_(None))
    return session.scalar(query) or 0


def mark_read(
    session: Session,
    user_id: int,
    *,
    ids: Sequence[int] | None = None,
    job_id: int | None = None,
    up_to: int | None = None,
) -> None:
    """Note that a user has read these notices, those of a job, or all up to one; all of them without."""
    chosen: list[ColumnElement[bool]] = [Notice.user_id == user_id, Notice.read_at.is_(None)]
    if ids is not None:
        chosen.append(Notice.id.in_(ids))
    if job_id is not None:
        chosen.append(Notice.job_id == job_id)
    if up_to is not None:
        chosen.append(Notice.id <= up_to)
    session.execute(update(Notice).where(*chosen).values(read_at=now(session)))


def _seen(session: Session, user_id: int, query: Select) -> Select:
    """The notices of a user about what is there and open to the user."""
    return (
        query.select_from(Notice)
        .join(Project, Notice.project_id == Project.id)
        .outerjoin(Job, Notice.job_id == Job.id)
        .outerjoin(User, Notice.by_user_id == User.id)
        .where(
            Notice.user_id == user_id,
            Project.deleted_at.is_(None),
            or_(Notice.job_id.is_(None), Job.deleted_at.is_(None)),
            visible(session, user_id),
        )
    )
