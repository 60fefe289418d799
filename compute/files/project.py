"""A RELION project folder of versions 3.0 to 5, read without touching it.

`read_project` gives a `Project`: the pipeline and, for each job, its folder, form, notes, marker and times.
What cannot be read of one job is told in its `problems`; the others are read all the same.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from compute.files.errors import InputError
from compute.files.job_star import JobForm, read_job_form
from compute.files.pipeline import (
    PIPELINE,
    Node,
    Pipeline,
    Process,
    Tree,
    read_pipeline,
)
from compute.files.pipeline_lock import Owner, lock_owner
from compute.files.pipeline_types import State, job_type_of
from compute.files.relion import Outcome, read_exit_marker
from compute.files.relion_forms import named_options

NOTE: Final = "note.txt"
_MARKED: Final[Mapping[Outcome, State]] = {
    "success": "Succeeded",
    "failure": "Failed",
    "aborted": "Aborted",
}


@dataclass(frozen=True, slots=True)
class ProjectJob:
    """A job of a project: what the pipeline says of it, and what its folder holds.

    `state` is that of the pipeline, but the exit marker's where the pipeline still says Running.
    `ours` is our own job of the kind, empty where there is none. `options` are by RELION's names of
    the form's fields. `alias` is the short name alone. Times (UTC) are those of the folder's files.
    """

    process: Process
    folder: Path
    state: State
    inputs: tuple[Node, ...]
    outputs: tuple[Node, ...]
    parents: tuple[str, ...]
    form: JobForm | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    started: datetime | None = None
    ended: datetime | None = None
    problems: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The job without the last slash, `Refine3D/job019`."""
        return self.process.name.rstrip("/")

    @property
    def alias(self) -> str:
        """The short name that a user gave it; empty where there is none."""
        return self.process.alias.rstrip("/").rpartition("/")[2]

    @property
    def ours(self) -> str:
        """Our own job of the kind; empty where there is none."""
        found = job_type_of(self.process.label)
        return found.ours if found else ""

    @property
    def run_out(self) -> Path:
        """What the job has printed; the file may be missing."""
        return self.folder / "run.out"

    @property
    def run_err(self) -> Path:
        """What the job has warned of; the file may be missing."""
        return self.folder / "run.err"


@dataclass(frozen=True, slots=True)
class Project:
    """A project folder: its pipeline, its jobs by number, who holds its lock, and remarks on the whole."""

    path: Path
    pipeline: Pipeline
    jobs: tuple[ProjectJob, ...]
    lock: Owner | None
    remarks: tuple[str, ...] = ()

    def job(self, name: str) -> ProjectJob:
        """The job with this name, alias or number (`Refine3D/job019`, `job019`, `first_try`); KeyError if none."""
        for one in self.jobs:
            if name.rstrip("/") in (one.name, one.name.rpartition("/")[2]):
                return one
            if one.alias and name.rstrip("/") in (one.alias, one.process.alias.rstrip("/")):
                return one
        raise KeyError(name)


def read_project(path: Path | str) -> Project:
    """The project in a folder; nothing in it is written, not even a lock is taken.

    Raises InputError for a folder without a readable pipeline.
    """
    path = Path(path)
    if not (path / PIPELINE).is_file():
        raise InputError(f"{path} is no RELION project: it has no {PIPELINE}.")
    pipeline = read_pipeline(path / PIPELINE)
    tree = Tree(pipeline)
    jobs = tuple(_job(path, tree, one) for one in pipeline.processes)
    return Project(
        path=path,
        pipeline=pipeline,
        jobs=tuple(sorted(jobs, key=lambda job: (job.process.number, job.name))),
        lock=lock_owner(path),
        remarks=tuple(_remarks(path, pipeline)),
    )


def _job(project: Path, tree: Tree, process: Process) -> ProjectJob:
    folder = project / process.name
    problems: list[str] = []
    form: JobForm | None = None
    options: dict[str, str] = {}
    try:
        form = read_job_form(folder)
        options = named_options(form) if form else {}
    except InputError as error:
        problems.append(str(error))
    if not folder.is_dir():
        problems.append(f"The folder {folder} does not exist.")
    elif form is None and not problems:
        problems.append(f"{folder} has no job.star; what was asked for is not known.")
    started, ended = _times(folder)
    return ProjectJob(
        process=process,
        folder=folder,
        state=_state(process, folder),
        inputs=tree.inputs_of(process.name),
        outputs=tree.outputs_of(process.name),
        parents=tree.parents_of(process.name),
        form=form,
        options=options,
        note=_text(folder / NOTE),
        started=started,
        ended=ended,
        problems=tuple(problems),
    )


def _state(process: Process, folder: Path) -> State:
    marker = read_exit_marker(folder)
    return _MARKED[marker] if marker and process.state == "Running" else process.state


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def _times(folder: Path) -> tuple[datetime | None, datetime | None]:
    """When a job was asked for and when it ended, as its files tell it."""
    try:
        entries = {entry.name: entry.stat().st_mtime for entry in os.scandir(folder)}
    except OSError:
        return None, None
    starts = [entries[name] for name in ("job.star", "run.job", NOTE) if name in entries]
    ends = [when for name, when in entries.items() if name.startswith("RELION_JOB_EXIT_")]
    return _moment(min(starts, default=None)), _moment(max(ends, default=None))


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, tz=UTC)


def _remarks(path: Path, pipeline: Pipeline) -> Iterator[str]:
    """What a user should know of the project as a whole."""
    text = _text(path / PIPELINE)
    has_labels = "_rlnPipeLineProcessTypeLabel" in text
    has_numbers = "_rlnPipeLineProcessType " in text
    if has_labels and not has_numbers:
        yield f"{PIPELINE} has only labels, as version 4 and later write it; 3.1 cannot open it."
    if has_numbers and not has_labels:
        yield f"{PIPELINE} has only numbers, as versions until 3.1 write it."
    highest = max((one.number for one in pipeline.processes), default=0)
    if highest >= pipeline.counter:
        yield (
            f"The job counter is {pipeline.counter}, but job {highest} exists; the next job takes "
            f"{highest + 1}."
        )
    known = {one.name for one in pipeline.processes}
    lost = {edge.process for edge in (*pipeline.inputs, *pipeline.outputs)} - known
    if lost:
        yield f"Edges name {len(lost)} jobs that are not in the table, such as {min(lost)}."
