"""Everything that a report says of a job: what was asked, with what, on what, and what came out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from compute.files.events import Iteration, Rank
from db.models.jobs import Attempt, Job, Node
from db.models.projects import Project
from db.repository import attempts, nodes
from webapp.job_names import name_of
from webapp.records import JobRecords, RecordReader


@dataclass(frozen=True, slots=True)
class FileFact:
    """A file that a job read or made. `path` is relative to the project, or absolute outside it."""

    name: str
    path: str
    checksum: str | None
    made_by: str = ""
    particles: int | None = None
    box_size: int | None = None
    pixel_size_A: float | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """A job as a document tells it."""

    job: Job
    project: Project
    records: JobRecords
    attempts: Sequence[Attempt]
    inputs: Sequence[FileFact]
    outputs: Sequence[FileFact]
    parameters: Mapping[str, Any]

    @property
    def title(self) -> str:
        """What people call the job, with the project's name."""
        return f"{name_of(self.job)} · job {self.job.number} of {self.project.name}"

    @property
    def folder(self) -> Path:
        """Where the job's files are."""
        return Path(self.project.folder) / self.job.folder

    @property
    def root(self) -> Path:
        """Folder and first part of the names of the job's files."""
        return Path(self.project.folder) / str(self.parameters.get("output", ""))

    @property
    def newest(self) -> Iteration | None:
        """The last finished iteration."""
        return self.records.newest

    @property
    def environment(self) -> Mapping[str, Any]:
        """Versions, commit and system of the last attempt."""
        return self.attempts[-1].environment if self.attempts else {}

    @property
    def ranks(self) -> Sequence[Rank]:
        """The processes of the last attempt."""
        return self.records.start.ranks if self.records.start is not None else ()

    @property
    def seconds(self) -> float | None:
        """Wall seconds of all attempts together, as far as they are known."""
        known = [one.seconds for one in self.attempts if one.seconds is not None]
        if known:
            return sum(known)
        return self.records.end.seconds if self.records.end is not None else None


def gather(session: Session, job: Job, project: Project) -> Facts:
    """The facts of a job. Raises InputError for records that cannot be understood."""
    records = RecordReader().read(Path(project.folder) / job.folder)
    tried, read, made = (
        attempts.of_job(session, job.id),
        nodes.inputs(session, job.id),
        nodes.outputs(session, job.id),
    )
    return facts_of(job, project, records, tried, read, made)


def facts_of(
    job: Job,
    project: Project,
    records: JobRecords,
    tried: Sequence[Attempt],
    read: Sequence[nodes.InputLine],
    made: Sequence[Node],
) -> Facts:
    """The facts of a job from its records, attempts, and the files that it read and made."""
    inputs = [
        _fact(
            one.parameter,
            one.node,
            one.checksum,
            f"job {one.made_by.number}" if one.made_by is not None else "",
        )
        for one in read
    ]
    outputs = [_fact(one.content, one, one.checksum) for one in made]
    start = records.start
    used = {**job.parameters, **(start.parameters if start is not None else {})}
    return Facts(job, project, records, tried, inputs, outputs, used)


def _fact(name: str, node: Node, checksum: str | None, made_by: str = "") -> FileFact:
    return FileFact(
        name, node.path, checksum, made_by, node.particles, node.box_size, node.pixel_size_A
    )
