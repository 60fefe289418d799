"""Jobs of ours written into a project folder as RELION keeps its own, under RELION's lock.

For the caller (the database layer), in the order of a job's life:

- `reserve_job(project, label)` gives the next job number away and makes the folder.
- `export_job(project, ExportedJob(...))` writes or replaces a job: its row, files and edges in
  `default_pipeline.star`, `job.star`, `job_pipeline.star`, the entries of `.Nodes/`, the alias as a link,
  and the exit marker of its state.
- `export_state(project, name, state)`, `export_alias(project, name, alias)` change one thing.
- `trash_job(project, name)` moves a job to `Trash/`, `restore_job` takes it back.
- `append_note` of `compute.files.project_links` adds to `note.txt` what was run.

All of them hold the lock (`compute.files.pipeline_lock`), read the pipeline anew, change it, and write it
whole or not at all, so that jobs that RELION adds meanwhile stay. They raise InputError with one
sentence: the lock is held, the project cannot be written, a name is not possible, a job is not known.
Paths of nodes are relative to the project; `node_path` makes them so. Calls can be repeated.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from compute.files.errors import InputError
from compute.files.group_rights import share
from compute.files.job_star import JOB_STAR, JobForm, write_job_form
from compute.files.pipeline import (
    PIPELINE,
    Edge,
    Node,
    Pipeline,
    Process,
    job_folder_of,
    of_job,
    read_pipeline,
    write_pipeline,
)
from compute.files.pipeline_lock import WAIT_S, locked
from compute.files.pipeline_types import EXTERNAL, State, job_type_of
from compute.files.project_links import alias_name, link_alias, remove_nodes, write_nodes
from compute.files.relion import Outcome, write_exit_marker

MARKER_OF_FOLDER: Final = ".gui_projectdir"
JOB_PIPELINE: Final = "job_pipeline.star"
DELETED: Final = "deleted_pipeline.star"
TRASH: Final = "Trash"
_JOB_NAME: Final = re.compile(r"[^/\s]+/job\d{3,}/")
_MARKERS: Final[Mapping[State, Outcome]] = {
    "Succeeded": "success",
    "Failed": "failure",
    "Aborted": "aborted",
}


@dataclass(frozen=True, slots=True)
class ExportedJob:
    """A job as RELION's project files hold it.

    `name` is `Refine3D/job019`, `label` its type (`relion.refine3d`), `options` are by RELION's names of
    the form's fields (`compute.files.relion_forms.form_of` makes them from our parameters).
    """

    name: str
    label: str
    state: State
    alias: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    inputs: tuple[Node, ...] = ()
    outputs: tuple[Node, ...] = ()
    is_continue: bool = False


@dataclass(frozen=True, slots=True)
class Waiting:
    """How long to wait for the lock, and how (tests wait without a clock)."""

    wait_s: float = WAIT_S
    sleep: Callable[[float], None] | None = None


@contextmanager
def _changing(project: Path, reason: str, waiting: Waiting) -> Iterator[Pipeline]:
    """The pipeline of a project, locked; an empty one where there is none yet."""
    more = {} if waiting.sleep is None else {"sleep": waiting.sleep}
    with locked(project, reason, waiting.wait_s, **more):
        path = project / PIPELINE
        marker = project / MARKER_OF_FOLDER
        marker.touch()
        share(project, (marker,))
        yield read_pipeline(path) if path.exists() else Pipeline()


def reserve_job(project: Path | str, label: str, waiting: Waiting = Waiting()) -> str:
    """The name of a new job of this type, `Refine3D/job019`; its folder is made and its number is taken."""
    project = Path(project)
    kind = job_type_of(label) or EXTERNAL
    with _changing(project, f"a new {label} job", waiting) as pipeline:
        number = _next_number(project, pipeline)
        name = f"{kind.folder}/job{number:03d}"
        write_pipeline(project / PIPELINE, replace(pipeline, counter=number + 1))
        (project / name).mkdir(parents=True)
    return name


def _next_number(project: Path, pipeline: Pipeline) -> int:
    """The counter, or the first number behind it that no job and no folder has."""
    number = max([pipeline.counter, *(one.number + 1 for one in pipeline.processes)])
    while any(project.glob(f"*/job{number:03d}")):
        number += 1
    return number


def export_job(project: Path | str, job: ExportedJob, waiting: Waiting = Waiting()) -> None:
    """Write a job, new or changed, into a project's files."""
    project, name = Path(project), _checked_name(job.name)
    folder = project / name
    with _changing(project, f"export of {job.name}", waiting) as pipeline:
        former = next((one for one in pipeline.processes if one.name == name), None)
        alias = _alias(pipeline, name, job.alias)
        process = Process(name, job.label, job.state, alias)
        folder.mkdir(parents=True, exist_ok=True)
        link_alias(project, process, former.alias if former else "")
        merged = merge_job(pipeline, process, job.inputs, job.outputs)
        write_job_form(folder / JOB_STAR, JobForm(job.label, job.options, job.is_continue))
        write_pipeline(folder / JOB_PIPELINE, of_job(merged, name))
        write_pipeline(project / PIPELINE, merged)
        if former is None:
            write_pipeline(folder / PIPELINE, merged)
        write_nodes(project, process, job.outputs, former.alias if former else "")
        _mark(folder, job.state)


def merge_job(
    pipeline: Pipeline, process: Process, inputs: tuple[Node, ...], outputs: tuple[Node, ...]
) -> Pipeline:
    """A pipeline with a job added, or in place of the job of the same name, and its files and edges.

    A file first seen as an input, whose path begins with a known job, becomes an output of that job.
    """
    others = [one for one in pipeline.processes if one.name != process.name]
    place = next(
        (i for i, one in enumerate(pipeline.processes) if one.name == process.name), len(others)
    )
    processes = (*others[:place], process, *others[place:])
    nodes = {node.name: node for node in pipeline.nodes}
    for node in (*inputs, *outputs):
        if node in outputs or node.name not in nodes:
            nodes[node.name] = node
    in_edges = [edge for edge in pipeline.inputs if edge.process != process.name]
    out_edges = [edge for edge in pipeline.outputs if edge.process != process.name]
    made = {edge.node for edge in out_edges}
    names = {one.name for one in processes}
    for node in inputs:
        maker = job_folder_of(node.name)
        if node.name not in made and maker in names and maker != process.name:
            out_edges.append(Edge(node.name, maker))
    in_edges += [Edge(node.name, process.name) for node in inputs]
    out_edges += [Edge(node.name, process.name) for node in outputs]
    used = {edge.node for edge in (*in_edges, *out_edges)}
    return Pipeline(
        counter=max(pipeline.counter, process.number + 1),
        processes=processes,
        nodes=tuple(node for node in nodes.values() if node.name in used),
        inputs=tuple(dict.fromkeys(in_edges)),
        outputs=tuple(dict.fromkeys(out_edges)),
    )


def export_state(
    project: Path | str, name: str, state: State, waiting: Waiting = Waiting()
) -> None:
    """Change the state of a job, and leave its exit marker."""
    project = Path(project)
    with _changing(project, f"state of {name}", waiting) as pipeline:
        process = replace(_known(pipeline, name), state=state)
        _write_process(project, pipeline, process)
        _mark(project / process.name, state)


def export_alias(project: Path | str, name: str, alias: str, waiting: Waiting = Waiting()) -> str:
    """Give a job another alias, or none (empty); the alias as it stands now."""
    project = Path(project)
    with _changing(project, f"alias of {name}", waiting) as pipeline:
        former = _known(pipeline, name)
        process = replace(former, alias=_alias(pipeline, former.name, alias))
        link_alias(project, process, former.alias)
        _write_process(project, pipeline, process)
        write_nodes(project, process, pipeline.outputs_of(process.name), former.alias)
    return process.alias


def _write_process(project: Path, pipeline: Pipeline, process: Process) -> None:
    processes = tuple(process if one.name == process.name else one for one in pipeline.processes)
    changed = replace(pipeline, processes=processes)
    write_pipeline(project / PIPELINE, changed)
    write_pipeline(project / process.name / JOB_PIPELINE, of_job(changed, process.name))


def trash_job(project: Path | str, name: str, waiting: Waiting = Waiting()) -> Path:
    """Move a job to `Trash/`, with its part of the pipeline; the folder it is in now.

    Raises InputError where other jobs read its files, or something of its name is in the bin already.
    """
    project = Path(project)
    with _changing(project, f"removal of {name}", waiting) as pipeline:
        process = _known(pipeline, name)
        if children := pipeline.children_of(process.name):
            raise InputError(
                f"{process.name} cannot be removed: {', '.join(children)} read its files."
            )
        target = project / TRASH / process.name
        if target.exists():
            raise InputError(f"{target} exists; empty the bin first.")
        small = of_job(pipeline, process.name)
        target.parent.mkdir(parents=True, exist_ok=True)
        (project / process.name).mkdir(parents=True, exist_ok=True)
        write_pipeline(project / process.name / DELETED, small)
        (project / process.name).rename(target)
        try:
            write_pipeline(project / PIPELINE, without_job(pipeline, process.name))
        except BaseException:
            target.rename(project / process.name)
            raise
        link_alias(project, replace(process, alias=""), process.alias)
        remove_nodes(project, process)
    return target


def without_job(pipeline: Pipeline, name: str) -> Pipeline:
    """A pipeline without a job, its edges, and the files that nothing else names; the counter stays."""
    inputs = tuple(edge for edge in pipeline.inputs if edge.process != name)
    outputs = tuple(edge for edge in pipeline.outputs if edge.process != name)
    used = {edge.node for edge in (*inputs, *outputs)}
    return replace(
        pipeline,
        processes=tuple(one for one in pipeline.processes if one.name != name),
        nodes=tuple(node for node in pipeline.nodes if node.name in used),
        inputs=inputs,
        outputs=outputs,
    )


def restore_job(project: Path | str, name: str, waiting: Waiting = Waiting()) -> None:
    """Take a job back from `Trash/`. Raises InputError where it is not there, or its place is taken."""
    project, name = Path(project), _checked_name(name)
    source = project / TRASH / name
    with _changing(project, f"return of {name}", waiting) as pipeline:
        if not (source / DELETED).is_file():
            raise InputError(f"{source} has no {DELETED}; this job cannot be taken back.")
        if (project / name).exists():
            raise InputError(f"{project / name} exists; the job in the bin cannot take its place.")
        small = read_pipeline(source / DELETED)
        process = small.process(name)
        taken = [one.alias for one in pipeline.processes]
        process = replace(process, alias="" if process.alias in taken else process.alias)
        outputs = small.outputs_of(name)
        source.rename(project / name)
        link_alias(project, process)
        merged = merge_job(pipeline, process, small.inputs_of(name), outputs)
        write_pipeline(project / PIPELINE, merged)
        (project / name / DELETED).unlink()
        write_nodes(project, process, outputs)


def _checked_name(name: str) -> str:
    full = name.rstrip("/") + "/"
    if not _JOB_NAME.fullmatch(full):
        raise InputError(f"'{name}' is no job of a project; names are like Refine3D/job019.")
    return full


def _known(pipeline: Pipeline, name: str) -> Process:
    try:
        return pipeline.process(name)
    except KeyError:
        raise InputError(f"The project has no job {name}.") from None


def _alias(pipeline: Pipeline, name: str, alias: str) -> str:
    """The alias as the pipeline writes it, `Refine3D/first_try/`; empty for none."""
    if not alias:
        return ""
    folder = name.partition("/")[0]
    others = (one.alias for one in pipeline.processes if one.name != name and one.alias)
    taken = [one.rstrip("/").rpartition("/")[2] for one in others if one.startswith(f"{folder}/")]
    return f"{folder}/{alias_name(alias.rstrip('/').removeprefix(f'{folder}/'), taken)}/"


def _mark(folder: Path, state: State) -> None:
    if (outcome := _MARKERS.get(state)) is not None:
        write_exit_marker(folder, outcome)


def node_path(project: Path | str, path: Path | str) -> str:
    """A file's name in a pipeline: relative to the project where it lies inside, else absolute."""
    root, full = Path(project).absolute(), Path(project).absolute() / path
    return str(full.relative_to(root)) if full.is_relative_to(root) else str(full)
