"""What people say about jobs and projects; whoever is called by name is told."""

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from db.errors import Conflict, NotFound, Refused
from db.models.jobs import Job
from db.models.people import User
from db.models.projects import Comment, Project
from db.repository import audit, notices, rows
from db.session import now

LONGEST = 10_000
Said = list[tuple[Comment, User | None]]
"""Comments with their authors, oldest first."""


def comments(session: Session, job_id: int) -> Said:
    """What was said about a job."""
    return _said(session, Comment.job_id == job_id)


def project_comments(session: Session, project_id: int) -> Said:
    """What was said about a project as a whole."""
    return _said(session, Comment.project_id == project_id, Comment.job_id.is_(None))


def add_comment(session: Session, job_id: int, text: str, *, who: int | None) -> Comment:
    """Say something about a job."""
    job = rows.job(session, job_id, lock=True)
    comment = _added(session, job.project_id, job, text, who)
    rows.changed(job)
    audit.note(session, who, "commented on job", job=job)
    return comment


def add_project_comment(
    session: Session, project_id: int, text: str, *, who: int | None
) -> Comment:
    """Say something about a project."""
    project = rows.project(session, project_id, lock=True)
    comment = _added(session, project_id, None, text, who)
    rows.changed(project)
    audit.note(session, who, "commented on project", project=project)
    return comment


def find(session: Session, comment_id: int) -> Comment:
    """A comment. Raises NotFound."""
    comment = session.get(Comment, comment_id)
    if comment is None:
        raise NotFound("there is no such comment: it was removed")
    return comment


def change_comment(session: Session, comment_id: int, text: str | None, *, who: int | None) -> None:
    """Replace a comment's words, or (None) remove it. Raises Refused where it is not the user's own."""
    comment = session.get(Comment, comment_id, with_for_update=True, populate_existing=True)
    if comment is None:
        raise NotFound("there is no such comment: it was removed")
    if comment.user_id != who:
        raise Refused("only the author changes a comment")
    about: Job | Project
    if comment.job_id is not None:
        about = rows.job(session, comment.job_id, lock=True)
    else:
        about = rows.project(session, comment.project_id, lock=True)
    if text is None:
        session.delete(comment)
    elif not text.strip():
        raise Conflict("a comment needs words: remove it instead")
    else:
        already = notices.names_in(comment.text)
        comment.text, comment.changed_at = _checked(text), now(session)
        notices.mentions(session, comment, already=already)
    rows.changed(about)
    audit.note(
        session,
        who,
        "changed comment" if text else "removed comment",
        job=about if isinstance(about, Job) else None,
        project=about if isinstance(about, Project) else None,
    )
    session.flush()


def _said(session: Session, *conditions: ColumnElement[bool]) -> Said:
    query = select(Comment, User).outerjoin(User, Comment.user_id == User.id)
    found = session.execute(query.where(*conditions).order_by(Comment.id))
    return [(comment, user) for comment, user in found]


def _added(
    session: Session, project_id: int, job: Job | None, text: str, who: int | None
) -> Comment:
    comment = Comment(
        project_id=project_id,
        job_id=job.id if job is not None else None,
        user_id=who,
        text=_checked(text),
        written_at=now(session),
    )
    session.add(comment)
    session.flush()
    notices.mentions(session, comment)
    return comment


def _checked(text: str) -> str:
    text = text.strip()
    if not text or len(text) > LONGEST:
        raise Refused(f"a comment needs words, at most {LONGEST} characters")
    return text
