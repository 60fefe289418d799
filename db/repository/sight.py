"""What a user sees: the role in a project, those of many users, a condition for queries, and what tells of changes."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, exists, or_, select
from sqlalchemy.orm import Session

from db.models.jobs import Job
from db.models.people import LabGroupMember, User
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
    member = session.get(ProjectMember, (project_id, user_id))
    is_in_group = (
        project.group_id is not None
        and session.get(LabGroupMember, (project.group_id, user_id)) is not None
    )
    return _highest(user, project, member.role if member is not None else None, is_in_group)


def roles(session: Session, pairs: Collection[tuple[int, int]]) -> dict[tuple[int, int], Role]:
    """The roles of many users in many projects, by project and user, in as many queries as for one.

    What is not there has no role.
    """
    in_projects = {project_id for project_id, _ in pairs}
    of_users = {user_id for _, user_id in pairs}
    projects = session.scalars(select(Project).where(Project.id.in_(in_projects)))
    users = session.scalars(select(User).where(User.id.in_(of_users)))
    own = session.scalars(
        select(ProjectMember).where(
            ProjectMember.project_id.in_(in_projects), ProjectMember.user_id.in_(of_users)
        )
    )
    groups = session.scalars(select(LabGroupMember).where(LabGroupMember.user_id.in_(of_users)))
    project_by_id, user_by_id = {one.id: one for one in projects}, {one.id: one for one in users}
    own_roles = {(one.project_id, one.user_id): one.role for one in own}
    in_groups = {(one.group_id, one.user_id) for one in groups}
    found = {}
    for project_id, user_id in pairs:
        user, project = user_by_id.get(user_id), project_by_id.get(project_id)
        if user is not None and project is not None:
            is_in_group = (project.group_id, user_id) in in_groups
            role = _highest(user, project, own_roles.get((project_id, user_id)), is_in_group)
            if role is not None:
                found[project_id, user_id] = role
    return found


@dataclass(frozen=True, slots=True)
class Glimpse:
    """What tells whether a job has changed for a user: the counts of changes of job and project, and the role."""

    job_version: int
    project_version: int
    role: Role


def glimpses(
    session: Session, pairs: Collection[tuple[int, int]]
) -> dict[tuple[int, int], Glimpse]:
    """A glimpse of many jobs, by job and user; those that a user does not see, or that are in the bin, are left out.

    Open pages ask for them all the time: while a glimpse is the same, nothing else of the job need be read.
    """
    query = select(Job.id, Job.version, Project.id, Project.version).join(Project)
    query = query.where(Job.id.in_({job_id for job_id, _ in pairs}))
    alive = query.where(Job.deleted_at.is_(None), Project.deleted_at.is_(None))
    found = {row[0]: row for row in session.execute(alive)}
    seen = [(job_id, user_id) for job_id, user_id in pairs if job_id in found]
    held = roles(session, {(found[job_id][2], user_id) for job_id, user_id in seen})
    return {
        (job_id, user_id): Glimpse(found[job_id][1], found[job_id][3], role)
        for job_id, user_id in seen
        if (role := held.get((found[job_id][2], user_id))) is not None
    }


def _highest(user: User, project: Project, own: Role | None, is_in_group: bool) -> Role | None:
    """The role that counts, of those that a user has."""
    if not user.is_active:
        return None
    if user.is_admin:
        return Role.OWNER
    of_group = project.group_role if is_in_group else None
    return max((one for one in (own, of_group) if one is not None), key=ROLES.index, default=None)
