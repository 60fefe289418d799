"""Who may see and change a project, and what has happened in it: asked for in the name of one user.

Members look; owners change. Whoever is no member is told that there is no such project.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from db.errors import NotFound
from db.models.people import LabGroup, User
from db.repository import audit, members, people, projects
from db.words import Role
from webapp.store import Store


@dataclass(frozen=True, slots=True)
class Members:
    """The people of a project: users with a role of their own, and the lab group that it is open to."""

    role: Role
    """The role of whoever asks."""
    members: Sequence[tuple[User, Role]]
    group: LabGroup | None
    group_role: Role
    users: Sequence[User]
    """Everybody who could be added; only owners are told."""
    groups: Sequence[LabGroup]

    @property
    def can_change(self) -> bool:
        """Whether whoever asks may change who the members are."""
        return self.role == Role.OWNER


@dataclass(frozen=True, slots=True)
class Happening:
    """An entry of the list of who did what in a project."""

    id: int
    time: datetime
    who: str
    action: str
    subject: str
    job_id: int | None = None
    """The job that it is about, where that has a page: it was not removed for good."""


def show(store: Store, project_id: int) -> Members:
    """The people of a project. Raises Closed."""
    project, role = store.project(project_id)
    is_owner = role == Role.OWNER
    with store.database.reading() as session:
        groups = people.groups(session)
        return Members(
            role,
            members.members(session, project_id),
            next((one for one in groups if one.id == project.group_id), None),
            project.group_role,
            people.users(session, active_only=True) if is_owner else (),
            groups if is_owner else (),
        )


def set_role(store: Store, project_id: int, name: str, role: Role | None) -> None:
    """Give somebody a role in a project, or (None) take it away. Raises NotAllowed but for owners."""
    with store.database.writing() as session:
        members.check_role(session, project_id, store.user_id, Role.OWNER)
        user = people.find_user(session, name)
        if user is None:
            raise NotFound(f"there is no user '{name}'")
        members.set_role(session, project_id, user.id, role, who=store.user_id)


def set_group(store: Store, project_id: int, group_name: str, role: Role) -> None:
    """Open a project to a lab group in a role, or (no name) close it to groups. Raises NotAllowed but for owners."""
    with store.database.writing() as session:
        members.check_role(session, project_id, store.user_id, Role.OWNER)
        found = [one for one in people.groups(session) if one.name == group_name]
        if group_name and not found:
            raise NotFound(f"there is no group '{group_name}'")
        group_id = found[0].id if found else None
        projects.set_group(session, project_id, group_id, role, who=store.user_id)


def activity(
    store: Store, project_id: int, *, before_id: int | None = None, limit: int = 100
) -> list[Happening]:
    """What has happened in a project, newest first; `before_id` pages on. Raises Closed."""
    with store.database.reading() as session:
        members.check_role(session, project_id, store.user_id, Role.VIEWER)
        names = {user.id: user.name for user in people.users(session)}
        found = audit.entries(session, project_id=project_id, before_id=before_id, limit=limit)
        open_jobs = audit.open_jobs(session, found)
        return [
            Happening(
                one.id,
                one.time,
                names.get(one.user_id or 0, "Halfmap"),
                one.action,
                one.subject,
                one.job_id if one.job_id in open_jobs else None,
            )
            for one in found
        ]
