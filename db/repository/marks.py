"""What people attach to jobs: tags and stars. What they say is in `talk`."""

from collections.abc import Mapping, Sequence

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from db.errors import NotFound, Refused
from db.models.projects import JobStar, JobTag, Tag
from db.repository import audit, rows

LONGEST = 60
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
    name = " ".join(name.lstrip("# ").split())
    if not name or len(name) > LONGEST or "/" in name or not name.isprintable():
        raise Refused(f"a tag needs a name of at most {LONGEST} characters, without '/'")
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


def is_starred(session: Session, job_id: int, user_id: int) -> bool:
    """Whether a job has a user's star."""
    return session.get(JobStar, (job_id, user_id)) is not None
