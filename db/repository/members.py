"""Who may do what in a project, and what users have marked on projects."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.errors import Closed, NotAllowed, Refused
from db.models.people import User
from db.models.projects import ProjectMember, ProjectView
from db.repository import audit, notices, rows
from db.repository.sight import role_of
from db.session import now
from db.words import ROLES, Role, may


def check_role(session: Session, project_id: int, user_id: int, needed: Role) -> None:
    """Raise Refused where a user may not do in a project what takes the role `needed`.

    Who may not even look is told that there is no such project.
    """
    role = role_of(session, project_id, user_id)
    if role is None:
        raise Closed(f"there is no project {project_id}")
    if not may(role, needed):
        owners = ", ".join(
            user.name for user, role in members(session, project_id) if role == Role.OWNER
        )
        raise NotAllowed(
            f"this takes the role {needed}, you are {role}: ask {owners or 'an admin'}"
        )


def members(session: Session, project_id: int) -> Sequence[tuple[User, Role]]:
    """The users with a role of their own in a project, owners first, then by name."""
    query = select(User, ProjectMember.role).join(ProjectMember)
    found = session.execute(query.where(ProjectMember.project_id == project_id)).all()
    pairs = [(user, role) for user, role in found]
    return sorted(pairs, key=lambda pair: (-ROLES.index(pair[1]), pair[0].name))


def set_role(
    session: Session, project_id: int, user_id: int, role: Role | None, *, who: int | None
) -> None:
    """Give a user a role in a project, or (None) take it away. The last owner stays; a new member is told."""
    project = rows.project(session, project_id, lock=True)
    user = rows.user(session, user_id)
    is_new = role is not None and role_of(session, project_id, user_id) is None
    member = session.get(ProjectMember, (project_id, user_id))
    before = member.role if member else None
    if before == role:
        return
    if before == Role.OWNER and not _other_owner(session, project_id, user_id):
        raise Refused(
            f"'{user.name}' is the last owner of '{project.name}': name another one first"
        )
    if member is not None and role is None:
        session.delete(member)
    elif member is not None and role is not None:
        member.role = role
    elif role is not None:
        session.add(
            ProjectMember(project_id=project_id, user_id=user_id, role=role, added_at=now(session))
        )
    session.flush()
    if is_new:
        notices.shared(session, project_id, user_id, f"as {role}", who=who)
    rows.changed(project)
    audit.note(
        session, who, "changed member", project=project, user=user.name, before=before, after=role
    )


def set_star(session: Session, project_id: int, user_id: int, is_starred: bool) -> None:
    """Give a project a user's star, or take it away."""
    rows.project(session, project_id)
    view_of(session, project_id, user_id).is_starred = is_starred


def is_starred(session: Session, project_id: int, user_id: int) -> bool:
    """Whether a project has a user's star."""
    view = session.get(ProjectView, (user_id, project_id))
    return view is not None and view.is_starred


def view_of(session: Session, project_id: int, user_id: int) -> ProjectView:
    """What is kept of a user and a project, made where there is nothing yet."""
    view = session.get(ProjectView, (user_id, project_id))
    if view is None:
        rows.project(session, project_id, lock=True)
        view = session.get(ProjectView, (user_id, project_id), populate_existing=True)
    if view is None:
        view = ProjectView(user_id=user_id, project_id=project_id)
        session.add(view)
        session.flush()
    return view


def _other_owner(session: Session, project_id: int, user_id: int) -> bool:
    query = select(ProjectMember.user_id).where(
        ProjectMember.project_id == project_id,
        ProjectMember.role == Role.OWNER,
        ProjectMember.user_id != user_id,
    )
    return session.scalar(query.limit(1)) is not None
