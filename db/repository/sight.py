"""Which projects a user sees: the role in one of them, and a condition for queries of many."""

from sqlalchemy import ColumnElement, and_, exists, or_
from sqlalchemy.orm import Session

from db.models.people import LabGroupMember
from db.models.projects import Project, ProjectMember
from db.repository import rows
from db.words import ROLES, Role


def visible(session: Session, user_id: int) -> ColumnElement[bool]:
    """Whether a project is open to a user: an admin sees all, others those of their own and of their groups."""
    if rows.user(session, user_id).is_admin:
        return Project.id.is_not(None)
    own = exists().where(ProjectMember.project_id == Project.id, ProjectMember.user_id == user_id)
    of_group = exists().where(
        and_(LabGroupMember.group_id == Project.group_id, LabGroupMember.user_id == user_id)
    )
    return or_(own, of_group)


def role_of(session: Session, project_id: int, user_id: int) -> Role | None:
    """The role of a user in a project: the higher of the own and the lab group's; an admin is an owner everywhere."""
    user, project = rows.user(session, user_id), rows.project(session, project_id, in_bin=True)
    if not user.is_active:
        return None
    if user.is_admin:
        return Role.OWNER
    found = []
    member = session.get(ProjectMember, (project_id, user_id))
    if member is not None:
        found.append(member.role)
    if (
        project.group_id is not None
        and session.get(LabGroupMember, (project.group_id, user_id)) is not None
    ):
        found.append(project.group_role)
    return max(found, key=ROLES.index, default=None)
