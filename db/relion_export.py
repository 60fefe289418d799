"""The jobs of the database as RELION's tools see them in a project's folder, written under RELION's lock.

The database is the record; `default_pipeline.star`, `job.star`, aliases and markers follow it. What changes in the
database is marked, and `export_pending` writes what is marked.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from compute.files.errors import InputError
from compute.files.form_fields import FORMS
from compute.files.pipeline import PIPELINE, Node, Pipeline, of_job, read_pipeline, write_pipeline
from compute.files.pipeline_lock import locked
from compute.files.pipeline_types import EXTERNAL, JOB_TYPES, Content, label_for
from compute.files.pipeline_types import State as RelionState
from compute.files.project_export import (
    DELETED,
    TRASH,
    ExportedJob,
    Waiting,
    export_alias,
    export_job,
    without_job,
)
from compute.files.project_links import remove_nodes
from compute.files.relion_forms import form_of
from compute.params.named import params_named
from db.folders import job_folder, make_shared
from db.models.jobs import Job
from db.models.jobs import Node as NodeRow
from db.models.projects import Project
from db.repository import jobs, nodes, rows
from db.session import Database
from db.words import Ending, State

LOCK_WAIT_S = 20.0
"""How long the making of a job waits for RELION to let go of the project."""
AT_ONCE = Waiting(wait_s=0.0)
STATES: Mapping[State, RelionState] = {
    State.DRAFT: "Scheduled",
    State.WAITING: "Scheduled",
    State.STARTING: "Running",
    State.RUNNING: "Running",
    State.STOPPING: "Running",
    State.FINISHED: "Succeeded",
    State.FAILED: "Failed",
}
LABELS: Mapping[str, str] = {one.ours: one.label for one in JOB_TYPES if one.ours}


def create_job(
    session: Session, project_id: int, job_type: str, parameters: Mapping[str, Any], **more: Any
) -> Job:
    """What `jobs.create` does, with a number and a folder that no job of RELION in the same folder has or gets.

    Raises InputError where RELION holds the project for long, or the folder cannot be written.
    """
    project = rows.project(session, project_id, lock=True)
    number = reserve(Path(project.folder), job_type, project.next_job_number)
    return jobs.create(session, project_id, job_type, parameters, number=number, **more)


def clone_job(session: Session, job_id: int, **more: Any) -> Job:
    """What `jobs.clone` does, with a number and a folder that no job of RELION has or gets."""
    job = rows.job(session, job_id, in_bin=True)
    project = rows.project(session, job.project_id, lock=True)
    number = reserve(Path(project.folder), job.type, project.next_job_number)
    return jobs.clone(session, job_id, number=number, **more)


def reserve(project: Path, job_type: str, at_least: int, wait_s: float = LOCK_WAIT_S) -> int:
    """Take a number in a project's folder that no job has, and make the job's folder; `at_least` is the database's."""
    make_shared(project)
    with locked(project, f"a new {job_type} job", wait_s):
        pipeline = _pipeline(project)
        number = max([at_least, pipeline.counter, *(1 + one.number for one in pipeline.processes)])
        while any(project.glob(f"*/job{number:03d}")):
            number += 1
        write_pipeline(project / PIPELINE, replace(pipeline, counter=number + 1))
        make_shared(project / job_folder(job_type, number))
    return number


def export_pending(database: Database, waiting: Waiting = AT_ONCE) -> list[str]:
    """Write every job that has changed into its project's folder; a sentence for each that could not be written.

    Those stay marked and are tried again by the next call. Jobs of projects whose folder is gone are passed over.
    """
    query = (
        select(Job.id)
        .join(Project)
        .where(~Job.is_exported, Project.deleted_at.is_(None))
        .order_by(Job.project_id, Job.number)
    )
    with database.reading() as session:
        waiting_jobs = session.scalars(query).all()
    problems = []
    for job_id in waiting_jobs:
        try:
            export(database, job_id, waiting)
        except (InputError, OSError) as error:
            problems.append(str(error))
    return problems


def export(database: Database, job_id: int, waiting: Waiting = AT_ONCE) -> None:
    """Write one job into its project's folder as it is now, or take it out where it is in the bin.

    Of a job that RELION has made only the alias is written: the rest is RELION's to change.

    No transaction is open while RELION is waited for. Raises InputError where the folder cannot be written.
    """
    with database.reading() as session:
        job = rows.job(session, job_id, in_bin=True)
        project = rows.project(session, job.project_id, in_bin=True)
        exported = exported_job(session, job)
    folder = Path(project.folder)
    if folder.is_dir():
        if job.deleted_at is not None:
            _take_out(folder, job, waiting)
        elif job.is_foreign and _has(_pipeline(folder), job):
            export_alias(folder, job.folder, job.alias or "", waiting)
        else:
            export_job(folder, exported, waiting)
    with database.writing() as session:
        again = rows.job(session, job_id, lock=True, in_bin=True)
        again.is_exported = again.version == job.version


def exported_job(session: Session, job: Job) -> ExportedJob:
    """A job as RELION's files hold it."""
    label = label_of(job)
    state: RelionState = STATES[job.state]
    if job.ending == Ending.STOPPED:
        state = "Aborted"
    read = [line.node for line in nodes.inputs(session, job.id)]
    made = [one for one in nodes.outputs(session, job.id) if one.made_at or job.is_foreign]
    return ExportedJob(
        name=job.folder,
        label=label,
        state=state,
        alias=job.alias or "",
        options=options_of(job),
        inputs=_distinct(_node(session, one, label) for one in read),
        outputs=_distinct(_node(session, one, label) for one in made),
        is_continue=job.continue_after_iteration is not None,
    )


def label_of(job: Job) -> str:
    """RELION's label of a job's type; that of external jobs where it has none of the kind."""
    unknown = f"relion.{job.type}" if job.is_foreign else EXTERNAL.label
    return LABELS.get(job.type, unknown)


def options_of(job: Job) -> Mapping[str, str]:
    """What RELION's form would show for a job of ours; our own words where it has no form of the kind."""
    model = params_named(job.type)
    if model is None or job.type not in FORMS:
        return {name: str(value) for name, value in sorted(job.parameters.items())}
    try:
        return form_of(job.type, model.model_validate(job.parameters)).options
    except ValidationError:
        return {name: str(value) for name, value in sorted(job.parameters.items())}


def _node(session: Session, row: NodeRow, reader_label: str) -> Node:
    """A file with the label that the job which makes it gives it; what RELION has no word for is of unknown type."""
    maker = session.get(Job, row.job_id) if row.job_id is not None else None
    label = reader_label if maker is None else label_of(maker)
    content: Content = next((one for one in get_args(Content) if one == row.content), "other")
    return Node(row.path, label_for(content, label))


def _distinct(found: Any) -> tuple[Node, ...]:
    return tuple({node.name: node for node in found}.values())


def _take_out(project: Path, job: Job, waiting: Waiting) -> None:
    """Take a job out of the pipeline; what RELION needs to take it back stays in its folder in the bin."""
    name = f"{job.folder}/"
    more = {} if waiting.sleep is None else {"sleep": waiting.sleep}
    with locked(project, f"removal of {name}", waiting.wait_s, **more):
        pipeline = _pipeline(project)
        process = next((one for one in pipeline.processes if one.name == name), None)
        if process is None:
            return
        folder = project / TRASH / job.folder
        if folder.is_dir():
            write_pipeline(folder / DELETED, of_job(pipeline, name))
        write_pipeline(project / PIPELINE, without_job(pipeline, name))
        remove_nodes(project, process)
        link = project / process.alias.rstrip("/")
        if process.alias and link.is_symlink():
            link.unlink()


def _has(pipeline: Pipeline, job: Job) -> bool:
    return any(one.name == f"{job.folder}/" for one in pipeline.processes)


def _pipeline(project: Path) -> Pipeline:
    path = project / PIPELINE
    return read_pipeline(path) if path.exists() else Pipeline()
