"""What people attach to jobs: tags, stars and comments."""

from collections.abc import Mapping, Sequence

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from db.errors import Conflict, NotFound, Refused
from db.models.jobs import Job
from db.models.people import User
from db.models.projects import Comment, JobStar, JobTag, Tag
from db.repository import audit, rows
from db.session import now

COLOURS = "grey red orange amber yellow lime green teal cyan blue indigo violet pink".split()


def tags(session: Session, project_id: int) -> Sequence[Tag]:
    """The tags of a project by name."""
    query = select(Tag).where(Tag.project_id == project_id).order_by(Tag.name)
    return session.scalars(query).all()


def tags_of_jobs(session: Session, job_ids: Sequence[int]) -> Mapping[int, list[Tag]]:
    """The tags of each of some jobs, by name; jobs without tags have no entry."""
    query = select(JobTag.job_id, Tag).join(Tag).where(JobTag.job_id.in_(job_ids))
    found: dict[int, list[Tag]] = {}
    for job_id, tag in session.execute(query.order_by(Tag.name)):
        found.setdefault(job_id, []).append(tag)
    return found


def add_tag(
    session: Session, job_id: int, name: str, *, who: int | None, colour: str | None = None
) -> Tag:
    """Put a tag on a job; a new one gets `colour`, or grey. Nothing changes where the job has it."""
    job = rows.job(session, job_id, lock=True)
    name = name.strip().lstrip("#")
    if not name:
        raise Refused("a tag needs a name")
    if colour is not None and colour not in COLOURS:
        raise Refused(f"'{colour}' is not a colour of tags: use one of {', '.join(COLOURS)}")
    rows.project(session, job.project_id, lock=True)
    query = select(Tag).where(Tag.project_id == job.project_id, Tag.name == name)
    tag = session.scalars(query).first()
    if tag is None:
        tag = Tag(project_id=job.project_id, name=name, colour=colour or COLOURS[0])
        session.add(tag)
        session.flush()
    elif colour is not None:
        tag.colour = colour
    if session.get(JobTag, (job_id, tag.id)) is None:
        session.add(JobTag(job_id=job_id, tag_id=tag.id))
        rows.changed(job)
        audit.note(session, who, "tagged job", job=job, tag=name)
    session.flush()
    return tag


def remove_tag(session: Session, job_id: int, name: str, *, who: int | None) -> None:
    """Take a tag off a job; a tag that no job has any more is gone."""
    job = rows.job(session, job_id, lock=True)
    query = select(Tag).where(Tag.project_id == job.project_id, Tag.name == name.lstrip("#"))
    tag = session.scalars(query).first()
    if tag is None:
        raise NotFound(f"there is no tag '{name}' in this project")
    session.execute(delete(JobTag).where(JobTag.job_id == job_id, JobTag.tag_id == tag.id))
    if session.scalar(select(JobTag.job_id).where(JobTag.tag_id == tag.id).limit(1)) is None:
        session.delete(tag)
    rows.changed(job)
    audit.note(session, who, "untagged job", job=job, tag=tag.name)
    session.flush()


def set_star(session: Session, job_id: int, user_id: int, is_starred: bool) -> None:
    """Give a job a user's star, or take it away."""
    job = rows.job(session, job_id, lock=True)
    star = session.get(JobStar, (job_id, user_id))
    if is_starred and star is None:
        session.add(JobStar(job_id=job_id, user_id=user_id))
    elif not is_starred and star is not None:
        session.delete(star)
    rows.changed(job)
    session.flush()


def comments(session: Session, job_id: int) -> list[tuple[Comment, User | None]]:
    """What was said about a job and by whom, oldest first."""
    query = select(Comment, User).outerjoin(User, Comment.user_id == User.id)
    found = session.execute(query.where(Comment.job_id == job_id).order_by(Comment.id))
    return [(comment, user) for comment, user in found]


def add_comment(session: Session, job_id: int, text: str, *, who: int | None) -> Comment:
    """Say something about a job."""
    job = rows.job(session, job_id, lock=True)
    if not text.strip():
        raise Refused("a comment needs words")
    comment = Comment(job_id=job_id, user_id=who, text=text, written_at=now(session))
    session.add(comment)
    rows.changed(job)
    audit.note(session, who, "commented on job", job=job)
    session.flush()
    return comment


def change_comment(session: Session, comment_id: int, text: str | None, *, who: int | None) -> None:
    """Replace a comment's words, or (None) remove it. Raises Refused where it is not the user's own."""
    comment = session.get(Comment, comment_id, with_for_update=True, populate_existing=True)
    if comment is None:
        raise NotFound("there is no such comment: it was removed")
    if comment.user_id != who:
        raise Refused("only the author changes a comment")
    job: Job = rows.job(session, comment.job_id, lock=True)
    if text is None:
        session.delete(comment)
    elif not text.strip():
        raise Conflict("a comment needs words: remove it instead")
    else:
        comment.text, comment.changed_at = text, now(session)
    rows.changed(job)
    audit.note(session, who, "changed comment" if text else "removed comment", job=job)
    session.flush()
