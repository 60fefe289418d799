"""What the home page, the list of projects and the list of a project's jobs show, in few and quick queries."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.orm import Session

from db.models.jobs import Job
from db.models.people import User
from db.models.projects import JobStar, JobTag, Project, ProjectView, Tag
from db.models.records import Progress
from db.repository import marks
from db.repository.sight import visible
from db.session import now
from db.words import ACTIVE, State

Jobs: TypeAlias = Select[Job, Project, User, Progress]
ELSEWHERE = "another project"
"""What a project is called for whoever does not see it."""
ATTENTION_FOR = timedelta(days=7)
"""How long the home page speaks of a failed job."""
STARRED_SHOWN = 12
"""How many starred jobs the home page has, the newest."""


@dataclass(frozen=True, slots=True)
class JobLine:
    """A line of a list of jobs."""

    job: Job
    project: Project
    author: str
    progress: Progress | None
    tags: Sequence[Tag]
    is_starred: bool


@dataclass(frozen=True, slots=True)
class ProjectLine:
    """A line of the list of projects; the best resolution is that of finished jobs."""

    project: Project
    jobs: int
    at_work: int
    best_resolution_A: float | None
    changed_at: datetime
    opened_at: datetime | None
    is_starred: bool


@dataclass(frozen=True, slots=True)
class Home:
    """The home page: what runs and waits, what went wrong in the user's projects, starred jobs, where to go on.

    Jobs of projects that the user does not see run and wait as well: only who holds what is told of them.
    """

    running: Sequence[JobLine]
    waiting: Sequence[JobLine]
    attention: Sequence[JobLine]
    starred: Sequence[JobLine]
    recent: Sequence[ProjectLine]


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs of a list are wanted; everything by default."""

    states: Collection[State] = ()
    types: Collection[str] = ()
    tag: str = ""
    author_id: int | None = None
    text: str = ""
    starred_only: bool = False


EVERYTHING = JobFilter()


def job_list(
    session: Session,
    project_id: int,
    *,
    user_id: int | None = None,
    wanted: JobFilter = EVERYTHING,
    before_number: int | None = None,
    limit: int = 200,
) -> list[JobLine]:
    """The jobs of a project, newest first; `before_number` pages on. `user_id` is whose stars count."""
    query = job_query().where(Job.project_id == project_id, Job.deleted_at.is_(None))
    query = query.where(*_conditions(wanted, user_id))
    if before_number is not None:
        query = query.where(Job.number < before_number)
    return job_lines(session, query.order_by(Job.number.desc()).limit(limit), user_id)


def jobs(
    session: Session,
    user_id: int,
    *,
    wanted: JobFilter = EVERYTHING,
    before_id: int | None = None,
    limit: int = 100,
) -> list[JobLine]:
    """The jobs of all projects that a user sees, newest first; `before_id` pages on."""
    query = job_query().where(
        Job.deleted_at.is_(None), Project.deleted_at.is_(None), visible(session, user_id)
    )
    query = query.where(*_conditions(wanted, user_id))
    if before_id is not None:
        query = query.where(Job.id < before_id)
    return job_lines(session, query.order_by(Job.id.desc()).limit(limit), user_id)


def projects(
    session: Session, user_id: int, *, text: str = "", in_bin: bool = False, limit: int = 500
) -> list[ProjectLine]:
    """The projects that a user sees: starred ones first, then last opened or changed."""
    in_or_out = Project.deleted_at.is_not(None) if in_bin else Project.deleted_at.is_(None)
    conditions = [in_or_out, visible(session, user_id)]
    if text:
        conditions.append(Project.name.icontains(text, autoescape=True))
    return project_lines(session, user_id, conditions, limit)


def home(session: Session, user_id: int, *, projects_shown: int = 8) -> Home:
    """What the home page shows to a user."""
    alive = (Job.deleted_at.is_(None), Project.deleted_at.is_(None))
    is_seen = visible(session, user_id)
    running = job_query().where(*alive, Job.state.in_(ACTIVE)).order_by(Job.id)
    waiting = job_query().where(*alive, Job.state == State.WAITING)
    waiting = waiting.order_by(Job.priority.desc(), Job.submitted_at, Job.id).limit(50)
    failed = job_query().where(
        *alive,
        Job.state == State.FAILED,
        Job.ended_at > now(session) - ATTENTION_FOR,
        is_seen,
    )
    failed = failed.order_by(Job.ended_at.desc()).limit(10)
    own_stars = select(JobStar.job_id).where(JobStar.user_id == user_id)
    starred = job_query().where(*alive, Job.id.in_(own_stars), is_seen)
    starred = starred.order_by(Job.id.desc()).limit(STARRED_SHOWN)
    queries = (running, waiting, failed, starred)
    found = job_lines_of(session, queries, user_id)
    ids = {line.project.id for line in (*found[0], *found[1])}
    seen = set(session.scalars(select(Project.id).where(Project.id.in_(ids), is_seen)))
    return Home(
        running=[line if line.project.id in seen else masked(line) for line in found[0]],
        waiting=[line if line.project.id in seen else masked(line) for line in found[1]],
        attention=found[2],
        starred=found[3],
        recent=project_lines(
            session, user_id, [Project.deleted_at.is_(None), is_seen], projects_shown
        ),
    )


def versions(session: Session, project_id: int) -> dict[int, int]:
    """The version of every job of a project: what has another number than before has changed."""
    query = select(Job.id, Job.version).where(Job.project_id == project_id)
    return dict(session.execute(query).all())


def running_count(session: Session) -> int:
    """How many jobs are at work."""
    return session.scalar(select(func.count()).where(Job.state.in_(ACTIVE))) or 0


def job_query() -> Jobs:
    """Jobs with what their lines show."""
    return (
        select(Job, Project, User, Progress)
        .join(Project, Job.project_id == Project.id)
        .outerjoin(User, Job.created_by == User.id)
        .outerjoin(Progress, Progress.job_id == Job.id)
    )


def job_lines(session: Session, query: Jobs, user_id: int | None) -> list[JobLine]:
    """The lines of one list of jobs."""
    return job_lines_of(session, [query], user_id)[0]


def job_lines_of(
    session: Session, queries: Sequence[Jobs], user_id: int | None
) -> list[list[JobLine]]:
    """The lines of several lists; tags and stars of all are read together."""
    lists = [session.execute(query).all() for query in queries]
    ids = list({job.id for found in lists for job, _, _, _ in found})
    tags = marks.tags_of_jobs(session, ids)
    starred: set[int] = set()
    if user_id is not None:
        stars = select(JobStar.job_id).where(JobStar.user_id == user_id, JobStar.job_id.in_(ids))
        starred = set(session.scalars(stars))
    return [
        [
            JobLine(
                job=job,
                project=project,
                author=user.name if user else "",
                progress=progress,
                tags=tags.get(job.id, []),
                is_starred=job.id in starred,
            )
            for job, project, user, progress in found
        ]
        for found in lists
    ]


def masked(line: JobLine) -> JobLine:
    """A line that tells who has a job, what it takes and since when, and nothing of what it is."""
    kept = ("id", "number", "state", "ranks", "cores", "gpus", "memory_GB", "priority")
    times = ("created_at", "submitted_at", "started_at", "version")
    job = Job(**{name: getattr(line.job, name) for name in (*kept, *times)})
    job.type, job.title, job.folder, job.reason, job.parameters = "job", "", "", "", {}
    project = Project(id=line.project.id, name=ELSEWHERE, folder="", notes="")
    return JobLine(job, project, line.author, None, (), False)


def _conditions(wanted: JobFilter, user_id: int | None) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.states:
        found.append(Job.state.in_(wanted.states))
    if wanted.types:
        found.append(Job.type.in_(wanted.types))
    if wanted.author_id is not None:
        found.append(Job.created_by == wanted.author_id)
    if wanted.tag:
        tagged = select(JobTag.job_id).join(Tag).where(Tag.name == wanted.tag.lstrip("#"))
        found.append(Job.id.in_(tagged))
    if wanted.starred_only:
        found.append(Job.id.in_(select(JobStar.job_id).where(JobStar.user_id == user_id)))
    if wanted.text:
        columns = (Job.title, Job.alias, Job.notes, Job.folder)
        found.append(or_(*(one.icontains(wanted.text, autoescape=True) for one in columns)))
    return found


def project_lines(
    session: Session, user_id: int, conditions: Sequence[ColumnElement[bool]], limit: int
) -> list[ProjectLine]:
    """Counts are made for the projects that are shown only."""
    view = and_(ProjectView.project_id == Project.id, ProjectView.user_id == user_id)
    last = func.coalesce(ProjectView.opened_at, Project.changed_at)
    query = (
        select(Project, ProjectView)
        .outerjoin(ProjectView, view)
        .where(*conditions)
        .order_by(func.coalesce(ProjectView.is_starred, False).desc(), last.desc(), Project.id)
        .limit(limit)
    )
    found = session.execute(query).all()
    at_work = func.count().filter(Job.state.in_(ACTIVE))
    best = func.min(Job.resolution_A).filter(Job.state == State.FINISHED)
    counted = (
        select(Job.project_id, func.count(), at_work, best)
        .where(Job.project_id.in_([project.id for project, _ in found]), Job.deleted_at.is_(None))
        .group_by(Job.project_id)
    )
    counts = {row[0]: row for row in session.execute(counted)}
    return [
        ProjectLine(
            project=project,
            jobs=counts[project.id][1] if project.id in counts else 0,
            at_work=counts[project.id][2] if project.id in counts else 0,
            best_resolution_A=counts[project.id][3] if project.id in counts else None,
            changed_at=project.changed_at,
            opened_at=seen.opened_at if seen else None,
            is_starred=seen.is_starred if seen else False,
        )
        for project, seen in found
    ]
