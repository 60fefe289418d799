"""`default_pipeline.star`: the tree of a RELION project's jobs, read from every version and written for all.

A `Pipeline` holds processes (jobs), nodes (files) and the edges between them as plain frozen values.
`read_pipeline` reads the tables of versions 3.0 to 5; `pipeline_tables` makes tables with the columns
of both generations (numbers and labels), so that 3.1 and later versions can open the project.
Changing a project's pipeline under its lock is the matter of `compute.files.project_export`.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import numpy as np

from compute.files.errors import InputError
from compute.files.labels import star_label
from compute.files.own_tables import list_table, loop_table
from compute.files.pipeline_tree import Edge, Node, Pipeline, Process, Tree, job_folder_of, of_job
from compute.files.pipeline_types import (
    STATES,
    State,
    job_label,
    job_number,
    node_label,
    node_number,
)
from compute.files.star import read_star, write_star
from compute.files.table import Table

__all__ = [
    "PIPELINE",
    "Edge",
    "Node",
    "Pipeline",
    "Process",
    "Tree",
    "job_folder_of",
    "newest_backup",
    "of_job",
    "pipeline_tables",
    "read_pipeline",
    "write_pipeline",
]

PIPELINE: Final = "default_pipeline.star"
NO_ALIAS: Final = "None"


def read_pipeline(path: Path | str) -> Pipeline:
    """The pipeline of a file of versions 3.0 to 5.

    Raises InputError for what is no pipeline, with the newest backup copy where the file is empty
    (a full disk empties it), and for states that are not known.
    """
    path = Path(path)
    try:
        is_empty = path.stat().st_size == 0
    except OSError:
        is_empty = False  # read_star says why
    if is_empty:
        backup = newest_backup(path.parent)
        hint = f"; the newest copy is {backup}" if backup else ""
        raise InputError(f"{path} is empty, as a full disk leaves it{hint}.")
    tables = read_star(path)
    counter = tables.get("pipeline_general")
    label = star_label("pipeline_job_counter")
    if counter is None or label not in counter.columns:
        raise InputError(f"{path} has no data_pipeline_general with {label}; it is no pipeline.")
    return pipeline_of(tables, str(path))


def pipeline_of(tables: Mapping[str, Table], where: str) -> Pipeline:
    """The pipeline that these blocks hold; blocks without rows may be missing."""
    general = tables["pipeline_general"].columns
    return Pipeline(
        counter=int(general[star_label("pipeline_job_counter")][0]),
        processes=tuple(_processes(tables.get("pipeline_processes"), where)),
        nodes=tuple(_nodes(tables.get("pipeline_nodes"))),
        inputs=tuple(_edges(tables.get("pipeline_input_edges"), "pipeline_edge_from_node")),
        outputs=tuple(_edges(tables.get("pipeline_output_edges"), "pipeline_edge_to_node")),
    )


def _processes(table: Table | None, where: str) -> Iterable[Process]:
    for row in _rows(table):
        name = row.get("pipeline_process_name", "").rstrip("/") + "/"
        label = row.get("pipeline_process_type_label") or job_label(
            int(row.get("pipeline_process_type", "-1")), name.split("/")[0]
        )
        alias = row.get("pipeline_process_alias", NO_ALIAS)
        yield Process(name, label, _state(row, name, where), "" if alias == NO_ALIAS else alias)


def _state(row: Mapping[str, str], name: str, where: str) -> State:
    text = row.get("pipeline_process_status_label")
    number = row.get("pipeline_process_status", "")
    for i, state in enumerate(STATES):
        if text == state or (text is None and number == str(i)):
            return state
    given = number if text is None else text
    known = ", ".join(f"{state} ({i})" for i, state in enumerate(STATES))
    raise InputError(f"{where}: {name} has the state '{given}'; known are {known}.")


def _nodes(table: Table | None) -> Iterable[Node]:
    for row in _rows(table):
        label = row.get("pipeline_node_type_label")
        number = row.get("pipeline_node_type", "-1")
        yield Node(row.get("pipeline_node_name", ""), label or node_label(int(number)))


def _edges(table: Table | None, node: str) -> Iterable[Edge]:
    for row in _rows(table):
        yield Edge(row.get(node, ""), row.get("pipeline_edge_process", "").rstrip("/") + "/")


def _rows(table: Table | None) -> Iterable[dict[str, str]]:
    """The rows of a table with our names of its columns, all values as texts."""
    if table is None:
        return
    names = (
        *("pipeline_process_name", "pipeline_process_alias", "pipeline_process_type_label"),
        *("pipeline_process_status_label", "pipeline_process_type", "pipeline_process_status"),
        *("pipeline_node_name", "pipeline_node_type_label", "pipeline_node_type"),
        *("pipeline_edge_from_node", "pipeline_edge_to_node", "pipeline_edge_process"),
    )
    found = {name: table.columns.get(star_label(name)) for name in names}
    columns = {name: values.tolist() for name, values in found.items() if values is not None}
    for row in range(len(table)):
        yield {name: str(values[row]) for name, values in columns.items()}


def pipeline_tables(pipeline: Pipeline) -> list[Table]:
    """The blocks of a pipeline with the columns of all versions: numbers until 3.1, labels from 4 on."""
    processes, nodes = pipeline.processes, pipeline.nodes
    return [
        list_table("pipeline_general", {"pipeline_job_counter": pipeline.counter}),
        loop_table(
            "pipeline_processes",
            {
                "pipeline_process_name": _texts(one.name for one in processes),
                "pipeline_process_alias": _texts(one.alias or NO_ALIAS for one in processes),
                "pipeline_process_type": _numbers(job_number(one.label) for one in processes),
                "pipeline_process_status": _numbers(STATES.index(one.state) for one in processes),
                "pipeline_process_type_label": _texts(one.label for one in processes),
                "pipeline_process_status_label": _texts(one.state for one in processes),
            },
        ),
        loop_table(
            "pipeline_nodes",
            {
                "pipeline_node_name": _texts(one.name for one in nodes),
                "pipeline_node_type": _numbers(node_number(one.label) for one in nodes),
                "pipeline_node_type_label": _texts(one.label for one in nodes),
                "pipeline_node_type_label_depth": _numbers(1 for _ in nodes),
            },
        ),
        loop_table(
            "pipeline_input_edges",
            {
                "pipeline_edge_from_node": _texts(edge.node for edge in pipeline.inputs),
                "pipeline_edge_process": _texts(edge.process for edge in pipeline.inputs),
            },
        ),
        loop_table(
            "pipeline_output_edges",
            {
                "pipeline_edge_process": _texts(edge.process for edge in pipeline.outputs),
                "pipeline_edge_to_node": _texts(edge.node for edge in pipeline.outputs),
            },
        ),
    ]


def _texts(values: Iterable[str]) -> np.ndarray:
    return np.array(list(values), dtype=object)


def _numbers(values: Iterable[int]) -> np.ndarray:
    return np.array(list(values), dtype=np.int64)


def write_pipeline(path: Path | str, pipeline: Pipeline) -> None:
    """Write a pipeline for all versions, at once or not at all; only the holder of the lock may."""
    write_star(path, pipeline_tables(pipeline))


def newest_backup(project: Path) -> Path | None:
    """The newest copy of the pipeline that a job of a project holds; None where there is none."""
    copies = [path for path in project.glob(f"*/job*/{PIPELINE}") if path.stat().st_size > 0]
    return max(copies, key=lambda path: (path.stat().st_mtime_ns, path.parent.name), default=None)
