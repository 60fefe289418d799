"""Stars, tags and comments, set in the name of one user: viewers give stars and speak, editors tag."""

from collections.abc import Mapping, Sequence

from sqlalchemy.orm import Session

from db.errors import NotFound
from db.models.jobs import Job
from db.models.projects import Comment, Tag
from db.repository import jobs, marks, members, projects, sight, talk
from db.repository.talk import Said
from db.words import Role
from webapp.store import Store


def star_project(store: Store, project_id: int, is_starred: bool) -> None:
    """Give a project the user's star, or take it away. Raises Closed."""
    with store.database.writing() as session:
        members.check_role(session, project_id, store.user_id, Role.VIEWER)
        members.set_star(session, project_id, store.user_id, is_starred)


def star_job(store: Store, job_id: int, is_starred: bool) -> None:
    """Give a job the user's star, or take it away. Raises Closed."""
    with store.database.writing() as session:
        _check_job(session, store, job_id, Role.VIEWER)
        marks.set_star(session, job_id, store.user_id, is_starred)


def tags(store: Store, project_id: int) -> Sequence[Tag]:
    """The tags of a project. Raises Closed."""
    with store.database.reading() as session:
        members.check_role(session, project_id, store.user_id, Role.VIEWER)
        projects.get(session, project_id)
        return marks.tags(session, project_id)


def job_marks(store: Store, job_id: int) -> Mapping[str, object]:
    """A job's star and tags, and the tags that its project has. Raises Closed."""
    with store.database.reading() as session:
        job = _check_job(session, store, job_id, Role.VIEWER)
        own = marks.tags_of_jobs(session, [job_id]).get(job_id, [])
        role = sight.role_of(session, job.project_id, store.user_id)
        return {
            "is_starred": marks.is_starred(session, job_id, store.user_id),
            "tags": [{"name": tag.name, "colour": tag.colour} for tag in own],
            "known": [tag.name for tag in marks.tags(session, job.project_id)],
            "can_tag": role in (Role.EDITOR, Role.OWNER),
        }


def add_tag(store: Store, job_id: int, name: str, colour: str | None = None) -> None:
    """Put a tag on a job. Raises NotAllowed but for editors."""
    with store.database.writing() as session:
        _check_job(session, store, job_id, Role.EDITOR)
        marks.add_tag(session, job_id, name, who=store.user_id, colour=colour)


def remove_tag(store: Store, job_id: int, name: str) -> None:
    """Take a tag off a job. Raises NotAllowed but for editors."""
    with store.database.writing() as session:
        _check_job(session, store, job_id, Role.EDITOR)
        marks.remove_tag(session, job_id, name, who=store.user_id)


def job_comments(store: Store, job_id: int) -> Said:
    """What was said about a job. Raises Closed."""
    with store.database.reading() as session:
        _check_job(session, store, job_id, Role.VIEWER)
        return talk.comments(session, job_id)


def project_comments(store: Store, project_id: int) -> Said:
    """What was said about a project. Raises Closed."""
    with store.database.reading() as session:
        members.check_role(session, project_id, store.user_id, Role.VIEWER)
        projects.get(session, project_id)
        return talk.project_comments(session, project_id)


def comment_on_job(store: Store, job_id: int, text: str) -> Comment:
    """Say something about a job. Raises Closed."""
    with store.database.writing() as session:
        _check_job(session, store, job_id, Role.VIEWER)
        return talk.add_comment(session, job_id, text, who=store.user_id)


def comment_on_project(store: Store, project_id: int, text: str) -> Comment:
    """Say something about a project. Raises Closed."""
    with store.database.writing() as session:
        members.check_role(session, project_id, store.user_id, Role.VIEWER)
        return talk.add_project_comment(session, project_id, text, who=store.user_id)


def remove_comment(store: Store, comment_id: int) -> None:
    """Take back what the user has said. Raises Refused where somebody else said it."""
    with store.database.writing() as session:
        found = talk.find(session, comment_id)
        if sight.role_of(session, found.project_id, store.user_id) is None:
            raise NotFound("there is no such comment: it was removed")
        talk.change_comment(session, comment_id, None, who=store.user_id)


def is_project_starred(store: Store, project_id: int) -> bool:
    """Whether a project has the user's star."""
    with store.database.reading() as session:
        return members.is_starred(session, project_id, store.user_id)


def _check_job(session: Session, store: Store, job_id: int, needed: Role) -> Job:
    """The job; whoever may not see it is not told either that it is in the bin."""
    job = jobs.get(session, job_id, in_bin=True)
    members.check_role(session, job.project_id, store.user_id, needed)
    return jobs.get(session, job_id)
