"""The iteration table: every figure that a refinement reports, one row for each iteration."""

from collections.abc import Sequence
from typing import Any

from compute.files.events import Iteration
from webapp.components.table import Table

COLUMNS: list[dict[str, Any]] = [
    {"key": "iteration", "label": "It", "kind": "number", "help": "Iteration"},
    {
        "key": "resolution_0143",
        "label": "Res. 0.143",
        "unit": "Å",
        "digits": 2,
        "kind": "number",
        "help": "First crossing of the half-map FSC with 0.143: the resolution to report",
    },
    {
        "key": "resolution_05",
        "label": "Res. 0.5",
        "unit": "Å",
        "digits": 2,
        "kind": "number",
        "help": "First crossing with 0.5: the working value that the schedule goes by",
    },
    {"key": "change_deg", "label": "Δ angles", "unit": "°", "digits": 2, "kind": "number"},
    {"key": "change_A", "label": "Δ offsets", "unit": "Å", "digits": 2, "kind": "number"},
    {
        "key": "accuracy_deg",
        "label": "Acc. angles",
        "unit": "°",
        "digits": 2,
        "kind": "number",
        "help": "Estimated accuracy, from the signal-to-noise of the map",
    },
    {"key": "accuracy_A", "label": "Acc. offsets", "unit": "Å", "digits": 2, "kind": "number"},
    {
        "key": "step_deg",
        "label": "Step",
        "unit": "°",
        "digits": 3,
        "kind": "number",
        "help": "Angular step after oversampling",
    },
    {"key": "range_A", "label": "Range", "unit": "Å", "digits": 1, "kind": "number"},
    {"key": "offset_step_A", "label": "Offset step", "unit": "Å", "digits": 2, "kind": "number"},
    {"key": "local", "label": "Local", "help": "Local search around each particle's pose"},
    {
        "key": "pmax",
        "label": "Pmax",
        "digits": 3,
        "kind": "number",
        "help": "Mean over particles of the largest probability of a pose: 1 means certain",
    },
    {"key": "seconds", "label": "Time", "unit": "s", "digits": 1, "kind": "number"},
    {"key": "memory_GB", "label": "Memory", "unit": "GB", "digits": 2, "kind": "number"},
    {"key": "gpu_GB", "label": "GPU", "unit": "GB", "digits": 2, "kind": "number"},
]


def iteration_rows(rows: Sequence[Iteration]) -> list[dict[str, Any]]:
    """One dict of plain values for each iteration, under the keys of `COLUMNS`."""
    return [
        {
            "iteration": row.iteration,
            "resolution_0143": row.resolution_fsc0143_A,
            "resolution_05": row.resolution_fsc05_A,
            "change_deg": row.change_angles_deg,
            "change_A": row.change_offsets_A,
            "accuracy_deg": row.accuracy_angles_deg,
            "accuracy_A": row.accuracy_offsets_A,
            "step_deg": row.fine_step_deg,
            "range_A": row.offset_range_A,
            "offset_step_A": row.fine_offset_step_A,
            "local": "yes" if row.is_local_search else "no",
            "pmax": row.mean_pmax,
            "seconds": row.seconds,
            "memory_GB": _sum(row.peak_memory_GB),
            "gpu_GB": _sum(row.peak_gpu_memory_GB),
        }
        for row in rows
    ]


def iteration_table(rows: Sequence[Iteration], file_name: str) -> Table:
    """The table for these iterations; a click on a row chooses it."""
    has_gpu = any(row.peak_gpu_memory_GB for row in rows)
    columns = [column for column in COLUMNS if has_gpu or column["key"] != "gpu_GB"]
    return Table(
        columns=columns,
        rows=iteration_rows(rows),
        can_choose=True,
        caption="iterations",
        file_name=file_name,
        empty="No iteration has finished yet.",
        scroll_height=420,
        sizing_mode="stretch_width",
    )


def _sum(values: Sequence[float | None]) -> float | None:
    """The processes' sum, or None where none is known."""
    found = [value for value in values if value is not None]
    return sum(found) if found else None
