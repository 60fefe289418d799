"""When users were at projects, and what has happened there since their last visit."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models.jobs import Job
from db.models.people import User
from db.models.projects import Comment, Project, ProjectMember, ProjectView
from db.repository import members
from db.repository.sight import visible
from db.session import now
from db.words import ACTIVE, ENDED, Ending, State

AWAY = timedelta(minutes=30)
"""Whoever comes back later than this begins another visit."""
NOTED_EVERY = timedelta(minutes=1)
MOST = 100


@dataclass(frozen=True, slots=True)
class Change:
    """Something that happened: a job started, finished, failed or was stopped, somebody commented or joined."""

    what: str
    time: datetime
    job: Job | None
    who: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Since:
    """What happened in a project since a moment, newest first."""

    project: Project
    moment: datetime
    changes: Sequence[Change]


def is_noted(session: Session, project_id: int, user_id: int) -> bool:
    """Whether it is known already that a user is at a project at this minute."""
    view = session.get(ProjectView, (user_id, project_id))
    opened_at = view.opened_at if view is not None else None
    return opened_at is not None and now(session) - opened_at < NOTED_EVERY


def note(session: Session, project_id: int, user_id: int) -> None:
    """Remember that a user is at a project now; after a while away that is another visit."""
    view, moment = members.view_of(session, project_id, user_id), now(session)
    if view.opened_at is not None and moment - view.opened_at > AWAY:
        view.last_visit_at = view.opened_at
    view.opened_at = moment
    session.flush()


def last_visit(session: Session, project_id: int, user_id: int) -> datetime | None:
    """When the user's visit before the present one ended; None where there was none."""
    view = session.get(ProjectView, (user_id, project_id))
    if view is None or view.opened_at is None:
        return None
    is_over = now(session) - view.opened_at > AWAY
    return view.opened_at if is_over else view.last_visit_at


def since_last_visit(session: Session, project_id: int, user_id: int) -> Since | None:
    """What happened in a project since the user's last visit; None before there was one."""
    moment = last_visit(session, project_id, user_id)
    if moment is None:
        return None
    project = session.get_one(Project, project_id)
    return Since(project, moment, changes(session, project_id, user_id, moment))


def everywhere(session: Session, user_id: int, *, projects: int = 8) -> list[Since]:
    """What happened in each project that the user has been at, since the user left; only those with news."""
    query = (
        select(Project, ProjectView.opened_at)
        .join(ProjectView, ProjectView.project_id == Project.id)
        .where(
            ProjectView.user_id == user_id,
            ProjectView.opened_at.is_not(None),
            Project.deleted_at.is_(None),
            visible(session, user_id),
        )
        .order_by(ProjectView.is_starred.desc(), ProjectView.opened_at.desc(), Project.id)
        .limit(projects)
    )
    found = [
        Since(project, moment, changes(session, project.id, user_id, moment))
        for project, moment in session.execute(query)
        if moment is not None
    ]
    return [one for one in found if one.changes]


def changes(session: Session, project_id: int, user_id: int, after: datetime) -> list[Change]:
    """What happened in a project after a moment, newest first; what the user has said is no news to the user."""
    found = [
        *_of_jobs(session, project_id, after),
        *_said(session, project_id, user_id, after),
        *_joined(session, project_id, user_id, after),
    ]
    return sorted(found, key=lambda one: one.time, reverse=True)[:MOST]


def _of_jobs(session: Session, project_id: int, after: datetime) -> list[Change]:
    query = (
        select(Job, User)
        .outerjoin(User, Job.created_by == User.id)
        .where(Job.project_id == project_id, Job.deleted_at.is_(None))
    )
    ended = query.where(Job.state.in_(ENDED), Job.ended_at > after)
    begun = query.where(Job.state.in_(ACTIVE), Job.started_at > after)
    told = []
    for job, user in session.execute(ended.order_by(Job.ended_at.desc()).limit(MOST)):
        what = "stopped" if job.ending == Ending.STOPPED else str(job.state)
        text = job.reason if job.state == State.FAILED else ""
        told.append(Change(what, job.ended_at or after, job, user.name if user else "", text))
    for job, user in session.execute(begun.order_by(Job.started_at.desc()).limit(MOST)):
        told.append(Change("started", job.started_at or after, job, user.name if user else ""))
    return told


def _said(session: Session, project_id: int, user_id: int, after: datetime) -> list[Change]:
    query = (
        select(Comment, Job, User)
        .outerjoin(Job, Comment.job_id == Job.id)
        .outerjoin(User, Comment.user_id == User.id)
        .where(
            Comment.project_id == project_id,
            Comment.written_at > after,
            Comment.user_id.is_distinct_from(user_id),
            Job.deleted_at.is_(None),
        )
        .order_by(Comment.id.desc())
        .limit(MOST)
    )
    return [
        Change("commented", comment.written_at, job, user.name if user else "", comment.text)
        for comment, job, user in session.execute(query)
    ]


def _joined(session: Session, project_id: int, user_id: int, after: datetime) -> list[Change]:
    query = (
        select(ProjectMember, User)
        .join(User, ProjectMember.user_id == User.id)
        .where(
            ProjectMember.project_id == project_id,
            ProjectMember.added_at > after,
            ProjectMember.user_id != user_id,
        )
        .order_by(ProjectMember.added_at.desc())
        .limit(MOST)
    )
    return [
        Change("joined", member.added_at, None, user.name, f"as {member.role}")
        for member, user in session.execute(query)
    ]
