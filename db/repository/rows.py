"""Single rows by their id, for reading or locked for a change; a missing one is said in a sentence."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.errors import NotFound
from db.models.jobs import Attempt, Job
from db.models.people import User
from db.models.projects import Project


def project(
    session: Session, project_id: int, *, lock: bool = False, in_bin: bool = False
) -> Project:
    """The project; one in the bin only with `in_bin`. With `lock` nobody else changes it meanwhile. Raises NotFound."""
    found = session.get(Project, project_id, populate_existing=lock, with_for_update=lock or None)
    if found is None:
        raise NotFound(f"there is no project {project_id}")
    if found.deleted_at is not None and not in_bin:
        raise NotFound(f"the project '{found.name}' was deleted: it is in the bin")
    return found


def job(session: Session, job_id: int, *, lock: bool = False, in_bin: bool = False) -> Job:
    """The job; one in the bin only with `in_bin`. With `lock` nobody else changes it meanwhile. Raises NotFound."""
    found = session.get(Job, job_id, populate_existing=lock, with_for_update=lock or None)
    if found is None:
        raise NotFound("there is no such job: it may have been purged")
    if found.deleted_at is not None and not in_bin:
        raise NotFound(f"{found.name} was deleted on {found.deleted_at:%Y-%m-%d}: it is in the bin")
    return found


def changed(row: Job | Project) -> None:
    """Count a change, so that whoever shows the row knows that it is not the same any more."""
    row.version += 1


def changed_for_relion(job: Job) -> None:
    """Count a change of something that RELION's files of the project show too: they are to be written again."""
    job.is_exported = False
    changed(job)


def attempt(session: Session, attempt_id: int, *, lock: bool = False) -> Attempt:
    """The attempt. Raises NotFound."""
    found = session.get(Attempt, attempt_id, populate_existing=lock, with_for_update=lock or None)
    if found is None:
        raise NotFound(f"there is no attempt {attempt_id}")
    return found


def latest_attempt(session: Session, job_id: int) -> Attempt | None:
    """The newest attempt of a job, if it ever had one."""
    query = select(Attempt).where(Attempt.job_id == job_id).order_by(Attempt.number.desc()).limit(1)
    return session.scalar(query)


def user(session: Session, user_id: int, *, lock: bool = False) -> User:
    """The user. Raises NotFound."""
    found = session.get(User, user_id, populate_existing=lock, with_for_update=lock or None)
    if found is None:
        raise NotFound(f"there is no user {user_id}")
    return found
