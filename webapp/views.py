"""What pages show of a job and of the queue, and what may be asked of a job in its present state."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.orm import Session

from db.models.jobs import Attempt, Job, Node
from db.models.projects import Project
from db.models.queue import Machine
from db.repository import attempts, jobs, machines, members, nodes, overview, projects
from db.words import ENDED, Role, State
from webapp.job_names import title_of
from webapp.records import JobRecords


@dataclass(frozen=True, slots=True)
class JobView:
    """A job as its page shows it."""

    job: Job
    project: Project
    author: str
    role: Role
    attempts: Sequence[Attempt] = ()
    inputs: Sequence[nodes.InputLine] = ()
    outputs: Sequence[Node] = ()

    @property
    def versions(self) -> tuple[int, int]:
        """The counts of changes of the job and its project: while they are the same, so is the view."""
        return self.job.version, self.project.version

    @property
    def folder(self) -> Path:
        """Where the job's files are."""
        return Path(self.project.folder) / self.job.folder

    @property
    def root(self) -> Path:
        """Folder and first part of the names of the job's files."""
        return Path(self.project.folder) / str(self.job.parameters.get("output", ""))

    @property
    def title(self) -> str:
        """What people call the job."""
        return title_of(self.job)

    @property
    def can_edit(self) -> bool:
        """Whether the user may change the job."""
        return self.role in (Role.EDITOR, Role.OWNER)


@dataclass(frozen=True, slots=True)
class QueueView:
    """Who holds what, who waits and why."""

    running: Sequence[overview.JobLine]
    waiting: Sequence[overview.JobLine]
    machines: Sequence[tuple[Machine, Sequence[machines.Held]]]
    pause: str | None


def job_view(session: Session, job_id: int, role: Role) -> JobView:
    """A job as the database knows it, for whoever has this role in its project. Raises NotFound."""
    job = jobs.get(session, job_id)
    authors = members.members(session, job.project_id)
    return JobView(
        job=job,
        project=projects.get(session, job.project_id),
        author=next((user.name for user, _ in authors if user.id == job.created_by), ""),
        role=role,
        attempts=attempts.of_job(session, job_id),
        inputs=nodes.inputs(session, job_id),
        outputs=nodes.outputs(session, job_id),
    )


def can_stop(view: JobView) -> bool:
    """Whether there is something to stop."""
    return view.can_edit and view.job.state in (State.WAITING, State.STARTING, State.RUNNING)


def can_continue(view: JobView, records: JobRecords) -> bool:
    """Whether the job can go on after an iteration."""
    newest = records.newest
    has_rest = newest is not None and not newest.is_final
    return view.can_edit and view.job.type == "refine" and view.job.state in ENDED and has_rest
