"""A RELION project's jobs, files and the edges between them, as plain frozen values."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

from compute.files.pipeline_types import Content, State, node_content


@dataclass(frozen=True, slots=True)
class Process:
    """A job: its folder (`Refine3D/job019/`), its alias (`Refine3D/first_try/` or empty), type and state."""

    name: str
    label: str
    state: State
    alias: str = ""

    @property
    def number(self) -> int:
        """The number of the job, 19 for `Refine3D/job019/`; 0 where the name has none."""
        digits = self.name.rstrip("/").rpartition("/job")[2]
        return int(digits) if digits.isdecimal() else 0


@dataclass(frozen=True, slots=True)
class Node:
    """A file that a job reads or has made: its path in the project, and the label of its type."""

    name: str
    label: str

    @property
    def content(self) -> Content:
        """What the file holds, in our words."""
        return node_content(self.label)


class Edge(NamedTuple):
    """A file that a job reads (input edges) or has made (output edges)."""

    node: str
    process: str


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The whole tree. `counter` is the number of the next job; edges name nodes and processes."""

    counter: int = 1
    processes: tuple[Process, ...] = ()
    nodes: tuple[Node, ...] = ()
    inputs: tuple[Edge, ...] = ()
    outputs: tuple[Edge, ...] = ()

    def process(self, name: str) -> Process:
        """The job with this name or alias (with or without the last slash); KeyError if there is none."""
        wanted = name.rstrip("/") + "/"
        for one in self.processes:
            if wanted in (one.name, one.alias):
                return one
        raise KeyError(name)

    def inputs_of(self, process: str) -> tuple[Node, ...]:
        """The files that a job reads."""
        return Tree(self).inputs_of(process)

    def outputs_of(self, process: str) -> tuple[Node, ...]:
        """The files that a job has made."""
        return Tree(self).outputs_of(process)

    def parents_of(self, process: str) -> tuple[str, ...]:
        """The jobs that made what a job reads, in order of its inputs."""
        return Tree(self).parents_of(process)

    def children_of(self, process: str) -> tuple[str, ...]:
        """The jobs that read what a job has made, in the pipeline's order."""
        tree = Tree(self)
        return tuple(one.name for one in self.processes if process in tree.parents_of(one.name))


class Tree:
    """A pipeline's edges by job and by file, for many questions to one pipeline."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._nodes = {node.name: node for node in pipeline.nodes}
        self._names = {one.name for one in pipeline.processes}
        self._makers = {edge.node: edge.process for edge in pipeline.outputs}
        self._inputs: dict[str, list[str]] = {}
        self._outputs: dict[str, list[str]] = {}
        for found, edges in ((self._inputs, pipeline.inputs), (self._outputs, pipeline.outputs)):
            for edge in edges:
                found.setdefault(edge.process, []).append(edge.node)

    def inputs_of(self, process: str) -> tuple[Node, ...]:
        """The files that a job reads."""
        return self._known(self._inputs.get(process, []))

    def outputs_of(self, process: str) -> tuple[Node, ...]:
        """The files that a job has made."""
        return self._known(self._outputs.get(process, []))

    def parents_of(self, process: str) -> tuple[str, ...]:
        """The jobs that made what a job reads; a file's job may also be told by its path."""
        found: list[str] = []
        for name in self._inputs.get(process, []):
            maker = self._makers.get(name) or job_folder_of(name)
            if maker in self._names and maker != process and maker not in found:
                found.append(maker)
        return tuple(found)

    def _known(self, names: Iterable[str]) -> tuple[Node, ...]:
        return tuple(self._nodes.get(name) or Node(name, "Unknown") for name in names)


def job_folder_of(path: str) -> str:
    """The job folder at the beginning of a path in a project, `Extract/job018/`; empty if there is none."""
    parts = path.split("/")
    if len(parts) > 2 and parts[1].startswith("job") and parts[1][3:].isdecimal():
        return f"{parts[0]}/{parts[1]}/" if len(parts[1]) >= 6 else ""
    return ""


def of_job(pipeline: Pipeline, name: str) -> Pipeline:
    """The small pipeline of one job: itself, its files and the edges between them."""
    process = pipeline.process(name)
    inputs = tuple(edge for edge in pipeline.inputs if edge.process == process.name)
    outputs = tuple(edge for edge in pipeline.outputs if edge.process == process.name)
    used = {edge.node for edge in (*inputs, *outputs)}
    nodes = tuple(node for node in pipeline.nodes if node.name in used)
    return replace(pipeline, processes=(process,), nodes=nodes, inputs=inputs, outputs=outputs)
