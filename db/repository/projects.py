"""Projects: made, found, renamed, put into the bin and taken out again."""

from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from compute.files.given_text import is_one_line
from db.errors import Conflict, NotFound, Refused
from db.models.jobs import Job
from db.models.projects import Project, ProjectMember
from db.repository import audit, notices, people, rows
from db.repository.sight import role_of
from db.session import now
from db.words import ACTIVE, Role, State


def create(
    session: Session,
    name: str,
    folder: Path | str,
    *,
    who: int | None,
    group_id: int | None = None,
    group_role: Role = Role.VIEWER,
    next_job_number: int = 1,
) -> Project:
    """A new project in `folder` (absolute), owned by `who`; open to a lab group if one is given.

    The folder itself is made by `db.folders.make_shared`. Raises Conflict where another project has the folder.
    """
    project = Project(
        name=check_name(name),
        folder=_free_folder(session, folder),
        group_id=group_id,
        group_role=group_role,
        next_job_number=next_job_number,
        created_at=now(session),
        changed_at=now(session),
        created_by=who,
    )
    session.add(project)
    session.flush()
    if who is not None:
        owner = ProjectMember(
            project_id=project.id, user_id=who, role=Role.OWNER, added_at=now(session)
        )
        session.add(owner)
    audit.note(session, who, "created project", project=project, folder=project.folder)
    return project


def get(session: Session, project_id: int, *, in_bin: bool = False) -> Project:
    """The project. Raises NotFound."""
    return rows.project(session, project_id, in_bin=in_bin)


def find(session: Session, words: str, *, user_id: int | None = None) -> Project:
    """The project that a person means by its number, its folder or its name; a user's own view of names with `user_id`.

    Raises NotFound, or Conflict where several projects have the name.
    """
    if words.isdigit():
        return rows.project(session, int(words))
    query = select(Project).where(Project.deleted_at.is_(None))
    if "/" in words:
        folder = str(Path(words).expanduser().absolute())
        found = session.scalars(query.where(Project.folder == folder)).all()
    else:
        found = session.scalars(query.where(Project.name == words).order_by(Project.id)).all()
    if user_id is not None:
        found = [one for one in found if role_of(session, one.id, user_id) is not None]
    if not found:
        raise NotFound(f"there is no project '{words}'")
    if len(found) > 1:
        numbers = ", ".join(str(one.id) for one in found)
        raise Conflict(f"several projects are called '{words}': name one by its number ({numbers})")
    return found[0]


def closed_folders(session: Session, user_id: int) -> list[str]:
    """The folders of the projects that a user does not see, those in the bin included."""
    query = select(Project.id, Project.folder)
    return [
        folder
        for project_id, folder in session.execute(query)
        if role_of(session, project_id, user_id) is None
    ]


def folders(session: Session) -> dict[str, str]:
    """The names of all projects by their folders, without those in the bin."""
    query = select(Project.folder, Project.name).where(Project.deleted_at.is_(None))
    return {row.folder: row.name for row in session.execute(query)}


def in_folder(session: Session, folder: Path | str) -> Project | None:
    """The project that has a folder, if there is one."""
    query = select(Project).where(Project.folder == str(folder), Project.deleted_at.is_(None))
    return session.scalar(query)


def rename(session: Session, project_id: int, name: str, *, who: int | None) -> Project:
    """Give a project another name; its folder stays."""
    project = rows.project(session, project_id, lock=True)
    before, project.name = project.name, check_name(name)
    rows.changed(project)
    audit.note(session, who, "renamed project", project=project, before=before)
    return project


def set_notes(
    session: Session, project_id: int, notes: str, *, seen: str, who: int | None
) -> Project:
    """Replace a project's notes. `seen` are those that the editor started from; raises Conflict where they are old."""
    project = rows.project(session, project_id, lock=True)
    if project.notes != seen:
        raise Conflict("somebody else has changed the notes meanwhile: look at theirs first")
    project.notes = notes
    rows.changed(project)
    audit.note(session, who, "changed notes of project", project=project)
    return project


def set_defaults(
    session: Session, project_id: int, job_type: str, parameters: dict[str, Any], *, who: int | None
) -> Project:
    """Set the values with which forms of a job type begin in this project."""
    project = rows.project(session, project_id, lock=True)
    project.default_parameters = project.default_parameters | {job_type: parameters}
    rows.changed(project)
    audit.note(session, who, "changed defaults of project", project=project, job_type=job_type)
    return project


def set_group(
    session: Session, project_id: int, group_id: int | None, role: Role, *, who: int | None
) -> Project:
    """Open a project to a lab group in a role, or close it to groups. Those in it who see it newly are told."""
    project = rows.project(session, project_id, lock=True)
    news = people.group_members(session, group_id) if group_id is not None else ()
    unaware = [user.id for user in news if role_of(session, project_id, user.id) is None]
    project.group_id, project.group_role = group_id, role
    for user_id in unaware:
        notices.shared(session, project_id, user_id, f"with your group, as {role}", who=who)
    rows.changed(project)
    audit.note(session, who, "opened project to group", project=project, group=group_id, role=role)
    return project


def set_disk_use(session: Session, project_id: int, disk_bytes: int) -> None:
    """Record the size of a project's folder, counted now."""
    project = rows.project(session, project_id, lock=True, in_bin=True)
    project.disk_bytes, project.disk_counted_at = disk_bytes, now(session)


def move_to_bin(session: Session, project_id: int, *, who: int | None) -> Project:
    """Put a project into the bin. Raises Refused while jobs of it wait or run."""
    project = rows.project(session, project_id, lock=True)
    query = select(Job).where(Job.project_id == project_id, Job.deleted_at.is_(None))
    busy = session.scalars(query.where(Job.state.in_((State.WAITING, *ACTIVE))).limit(1)).first()
    if busy is not None:
        raise Refused(f"{busy.name} of '{project.name}' is {busy.state}: stop it first")
    project.deleted_at, project.deleted_by = now(session), who
    rows.changed(project)
    audit.note(session, who, "deleted project", project=project)
    return project


def restore(session: Session, project_id: int, *, who: int | None) -> Project:
    """Take a project out of the bin. Raises Conflict where another project has its folder by now."""
    project = rows.project(session, project_id, lock=True, in_bin=True)
    if project.deleted_at is None:
        return project
    _free_folder(session, project.folder)
    project.deleted_at = project.deleted_by = None
    rows.changed(project)
    audit.note(session, who, "restored project", project=project)
    return project


def purge(session: Session, project_id: int, *, who: int | None) -> None:
    """Remove a project of the bin with all its rows, for good; its files are the caller's."""
    project = rows.project(session, project_id, lock=True, in_bin=True)
    if project.deleted_at is None:
        raise Refused(f"'{project.name}' is not in the bin: delete it first")
    audit.note(session, who, "purged project", project=project, folder=project.folder)
    session.delete(project)
    session.flush()


def check_name(name: str) -> str:
    """The name without blanks around it. Raises Refused for one that a project cannot have."""
    name = name.strip()
    if not name or name.isdigit() or "/" in name or not name.strip("."):
        raise Refused(f"'{name}' cannot be the name of a project: use words without '/'")
    return name


def _free_folder(session: Session, folder: Path | str) -> str:
    path = Path(folder)
    if not path.is_absolute():
        raise Refused(f"the folder of a project is absolute, not '{path}'")
    if not is_one_line(str(path)):
        raise Refused(f"the folder {str(path)!r} has control characters in its name: use others")
    if taken := in_folder(session, path):
        raise Conflict(f"the project '{taken.name}' is already in {path}")
    return str(path)
