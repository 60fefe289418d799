"""Files between jobs: what a job reads, what it has made, and the tree of jobs that follows from both."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from compute.files.events import Output
from db.models.jobs import Job, JobInput, Node
from db.models.projects import Project
from db.session import now


@dataclass(frozen=True, slots=True)
class Input:
    """A file that a job reads: the parameter that names it, and its path (absolute, or relative to the project).

    Without `waits` the file exists already, and the job may start while the job that makes it is still running.
    """

    parameter: str
    path: str
    waits: bool = True
    checksum: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class InputLine:
    """A file that a job reads, with the job that made it, if one of the project did."""

    parameter: str
    node: Node
    made_by: Job | None
    checksum: str | None


@dataclass(frozen=True, slots=True)
class Tree:
    """The jobs of a project (those not in the bin), and which follows from which, by their ids."""

    edges: frozenset[tuple[int, int]]

    def parents(self, job_id: int) -> set[int]:
        """The jobs whose files the job reads."""
        return {parent for parent, child in self.edges if child == job_id}

    def children(self, job_id: int) -> set[int]:
        """The jobs that read the job's files."""
        return {child for parent, child in self.edges if parent == job_id}

    def below(self, job_ids: Iterable[int]) -> set[int]:
        """All jobs that follow from these, directly or not, without these themselves."""
        start = set(job_ids)
        found: set[int] = set()
        new = set(start)
        while new:
            new = {child for parent, child in self.edges if parent in new} - found
            found |= new
        return found - start

    def above(self, job_ids: Iterable[int]) -> set[int]:
        """All jobs that these are made of, directly or not, without these themselves."""
        start = set(job_ids)
        turned = Tree(frozenset((child, parent) for parent, child in self.edges))
        return turned.below(start)


EMPTY = Tree(frozenset())


def set_inputs(session: Session, job: Job, inputs: Sequence[Input]) -> None:
    """Make these the files that a job reads. A file below the folder of a job is one that that job makes."""
    session.execute(delete(JobInput).where(JobInput.job_id == job.id))
    for one in inputs:
        node = _node(session, job.project_id, one.path)
        for name, value in one.facts.items():
            setattr(node, name, value)
        session.flush()
        session.merge(
            JobInput(
                job_id=job.id,
                node_id=node.id,
                parameter=one.parameter,
                waits=one.waits,
                checksum=one.checksum,
            )
        )
    session.flush()


def as_inputs(session: Session, job_id: int) -> list[Input]:
    """The files that a job reads, to give them to another one."""
    query = select(JobInput, Node.path).join(Node).where(JobInput.job_id == job_id)
    found = session.execute(query.order_by(JobInput.parameter, Node.path))
    return [Input(row.parameter, path, row.waits) for row, path in found]


def inputs(session: Session, job_id: int) -> list[InputLine]:
    """The files that a job reads, by parameter."""
    query = (
        select(JobInput, Node, Job)
        .join(Node, JobInput.node_id == Node.id)
        .outerjoin(Job, Node.job_id == Job.id)
        .where(JobInput.job_id == job_id)
        .order_by(JobInput.parameter, Node.path)
    )
    return [
        InputLine(row.parameter, node, made_by, row.checksum)
        for row, node, made_by in session.execute(query)
    ]


def set_input_checksums(session: Session, job_id: int, checksums: dict[str, str]) -> None:
    """Record the checksums (by the path of the node) that a job's input files had when it was started."""
    query = select(JobInput, Node.path).join(Node).where(JobInput.job_id == job_id)
    for row, path in session.execute(query).all():
        row.checksum = checksums.get(path, row.checksum)


def set_output_checksums(session: Session, job_id: int, checksums: dict[str, str]) -> None:
    """Record the checksums (by the path of the node) of the files that a job has made."""
    for node in outputs(session, job_id):
        node.checksum = checksums.get(node.path, node.checksum)


def register_output(session: Session, job: Job, output: Output) -> Node:
    """Record a file that a job has made; `output.path` is relative to the job's folder."""
    node = _node(session, job.project_id, str(PurePosixPath(job.folder) / output.path))
    job.is_exported = False
    node.job_id = job.id
    node.content = output.content
    node.particles, node.box_size = output.particles, output.box_size
    node.pixel_size_A, node.made_at = output.pixel_size_A, now(session)
    node.checksum = None
    session.flush()
    return node


def register(session: Session, job: Job, path: str, content: str, made_at: datetime | None) -> Node:
    """Record a file that a job of RELION has made; `path` is relative to the project."""
    node = _node(session, job.project_id, path)
    node.job_id, node.content, node.made_at = job.id, content, made_at
    session.flush()
    return node


def outputs(session: Session, job_id: int) -> Sequence[Node]:
    """The files that a job has made, or is to make because another job wants to read them."""
    return session.scalars(select(Node).where(Node.job_id == job_id).order_by(Node.id)).all()


def choices(session: Session, project_id: int, contents: Sequence[str]) -> list[tuple[Node, Job]]:
    """The files of a project that a form may offer for an input, newest jobs first."""
    query = (
        select(Node, Job)
        .join(Job, Node.job_id == Job.id)
        .where(
            Node.project_id == project_id,
            Node.content.in_(contents),
            Node.made_at.is_not(None),
            Job.deleted_at.is_(None),
        )
        .order_by(Job.number.desc(), Node.id)
    )
    return [(node, job) for node, job in session.execute(query)]


def tree(session: Session, project_id: int) -> Tree:
    """Which job follows from which in a project, without those in the bin."""
    reader, maker = Job.__table__.alias("reader"), Job.__table__.alias("maker")
    query = (
        select(Node.job_id, JobInput.job_id)
        .join(JobInput, JobInput.node_id == Node.id)
        .join(reader, reader.c.id == JobInput.job_id)
        .join(maker, maker.c.id == Node.job_id)
        .where(
            Node.project_id == project_id,
            reader.c.deleted_at.is_(None),
            maker.c.deleted_at.is_(None),
        )
        .distinct()
    )
    pairs = session.execute(query)
    return Tree(frozenset((one, two) for one, two in pairs if one is not None and one != two))


def _node(session: Session, project_id: int, path: str) -> Node:
    """The node of a path in a project, made where it is new."""
    path = _in_project(session, project_id, path)
    query = select(Node).where(Node.project_id == project_id, Node.path == path)
    found = session.scalars(query).first()
    if found is None:
        found = Node(project_id=project_id, path=path, job_id=_maker(session, project_id, path))
        session.add(found)
        session.flush()
    return found


def _in_project(session: Session, project_id: int, path: str) -> str:
    """A path as nodes have it: relative to the project where it lies inside."""
    pure = PurePosixPath(path)
    if pure.is_absolute():
        project = session.get_one(Project, project_id)
        if pure.is_relative_to(project.folder):
            return str(pure.relative_to(project.folder))
    return str(pure)


def _maker(session: Session, project_id: int, path: str) -> int | None:
    """The job in whose folder (or under whose alias) a path lies."""
    parts = PurePosixPath(path).parts
    if len(parts) < 3:
        return None
    folder, name = parts[0], parts[1]
    query = select(Job.id).where(Job.project_id == project_id)
    by_folder = session.scalar(query.where(Job.folder == f"{folder}/{name}").limit(1))
    if by_folder is not None:
        return by_folder
    return session.scalar(
        query.where(Job.alias == name, Job.folder.startswith(f"{folder}/job")).limit(1)
    )
