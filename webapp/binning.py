"""The bin of a project, in the name of one user: viewers look, editors put in and take out, owners empty it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy.orm import Session

from db.errors import Closed, NotFound, Refused
from db.models.jobs import Job
from db.models.projects import Project
from db.repository import bin, jobs, members, people, projects, sight
from db.repository.bin import DeletionPreview
from db.words import Role, may
from webapp import actions, purging
from webapp.store import Store


@dataclass(frozen=True, slots=True)
class Binned:
    """A job of the bin, and who put it there."""

    job: Job
    by: str


@dataclass(frozen=True, slots=True)
class Bin:
    """The bin of a project as somebody with this role sees it, last put in first."""

    project: Project
    role: Role
    jobs: Sequence[Binned]

    @property
    def can_take_out(self) -> bool:
        """Whether whoever asks may take jobs out."""
        return may(self.role, Role.EDITOR)

    @property
    def can_empty(self) -> bool:
        """Whether whoever asks may remove jobs for good."""
        return may(self.role, Role.OWNER)


def content(store: Store, project_id: int) -> Bin:
    """What is in the bin of a project. Raises Closed."""
    with store.database.reading() as session:
        return _bin(session, store, project_id, bin.content(session, project_id))


def job_in_bin(store: Store, job_id: int) -> Bin | None:
    """A job as the only one of its bin; None where it is not in the bin or the user does not see it."""
    with store.database.reading() as session:
        try:
            job = jobs.get(session, job_id, in_bin=True)
            return _bin(session, store, job.project_id, [job]) if job.deleted_at else None
        except NotFound:
            return None


def preview(store: Store, job_id: int, with_descendants: bool = False) -> DeletionPreview:
    """What it would mean to put a job into the bin. Raises NotAllowed but for editors."""
    with store.database.reading() as session:
        _check_job(session, store, job_id, Role.EDITOR)
        return bin.preview(session, [job_id], with_descendants=with_descendants)


def delete(store: Store, job_id: int, with_descendants: bool = False) -> Sequence[Job]:
    """Put a job into the bin. Raises NotAllowed but for editors, Refused where a rule of the bin speaks against it."""
    with store.database.writing() as session, _files_told():
        _check_job(session, store, job_id, Role.EDITOR)
        wide = with_descendants
        return actions.delete(session, [job_id], who=store.user_id, with_descendants=wide)


def restore(store: Store, job_id: int) -> Job:
    """Take a job out of the bin. Raises NotAllowed but for editors."""
    with store.database.writing() as session, _files_told():
        _check_job(session, store, job_id, Role.EDITOR)
        return actions.restore(session, job_id, who=store.user_id)


def remains(store: Store, job_ids: Sequence[int]) -> list[purging.Remains]:
    """What would go for good with these jobs of the bin. Raises NotAllowed but for owners."""
    with store.database.reading() as session:
        for job_id in job_ids:
            _check_job(session, store, job_id, Role.OWNER)
        return purging.remains(session, job_ids)


def purge(store: Store, job_ids: Sequence[int], is_forced: bool = False) -> list[purging.Remains]:
    """Remove jobs of the bin for good. Raises NotAllowed but for owners, Refused as `purging.purge` does."""
    with store.database.writing() as session, _files_told():
        for job_id in job_ids:
            _check_job(session, store, job_id, Role.OWNER)
        return purging.purge(session, job_ids, who=store.user_id, is_forced=is_forced)


def _bin(session: Session, store: Store, project_id: int, found: Sequence[Job]) -> Bin:
    role = sight.role_of(session, project_id, store.user_id)
    if role is None:
        raise Closed(f"there is no project {project_id}")
    names = {user.id: user.name for user in people.users(session)}
    lines = [Binned(job, names.get(job.deleted_by or 0, "")) for job in found]
    return Bin(projects.get(session, project_id), role, lines)


def _check_job(session: Session, store: Store, job_id: int, needed: Role) -> None:
    job = jobs.get(session, job_id, in_bin=True)
    members.check_role(session, job.project_id, store.user_id, needed)


@contextmanager
def _files_told() -> Iterator[None]:
    """What the disk refuses is told in a sentence."""
    try:
        yield
    except OSError as error:
        place = error.filename or "the folder"
        raise Refused(f"{place} cannot be moved or removed: {error.strerror or error}") from None
