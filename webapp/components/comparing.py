"""Several jobs side by side: their figures as a table, what differs in their parameters, and their maps' difference."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32

from compute.files.mrc import MapFile
from webapp.components.headline import duration
from webapp.components.job_cells import job_cells
from webapp.records import JobRecords
from webapp.views import JobView

MOST_JOBS = 6
OF_THE_PLACE = frozenset(
    {"output", "continue_from", "random_seed", "mpi", "threads", "gpu", "scratch_dir"}
)
"""Parameters that say where and how a job ran, not what it asked for; the seed is compared like them: last."""

COLUMNS: list[dict[str, Any]] = [
    {"key": "number", "label": "Job", "kind": "number", "link": "url"},
    {"key": "title", "label": "Title", "link": "url"},
    {"key": "type", "label": "Type"},
    {"key": "state", "label": "State", "kind": "status"},
    {"key": "resolution", "label": "Res. 0.143", "unit": "Å", "digits": 2, "kind": "number"},
    {"key": "without_mask", "label": "Without mask", "unit": "Å", "digits": 2, "kind": "number"},
    {"key": "particles", "label": "Particles", "kind": "number"},
    {"key": "box", "label": "Box", "unit": "px", "kind": "number"},
    {"key": "pixel", "label": "Pixel", "unit": "Å", "digits": 4, "kind": "number"},
    {"key": "accuracy", "label": "Acc. angles", "unit": "°", "digits": 2, "kind": "number"},
    {"key": "iterations", "label": "Iterations", "kind": "number"},
    {"key": "seconds", "label": "Time", "kind": "number", "text": "took"},
]


@dataclass(frozen=True, slots=True)
class Compared:
    """One of the jobs: what is known of it, and what it has reported."""

    view: JobView
    records: JobRecords

    @property
    def name(self) -> str:
        """How legends call it."""
        return f"job {self.view.job.number}"


def job_rows(jobs: Sequence[Compared]) -> list[dict[str, Any]]:
    """One row of figures for each job, under the keys of `COLUMNS`."""
    return [_row(one) for one in jobs]


def _row(one: Compared) -> dict[str, Any]:
    job, records = one.view.job, one.records
    start, newest = records.start, records.newest
    seconds = sum(two.seconds or 0.0 for two in one.view.attempts) or None
    return {
        **job_cells(job),
        "resolution": job.resolution_A,
        "without_mask": newest.resolution_unmasked_A if newest is not None else None,
        "particles": job.particles or (start.particles if start is not None else None),
        "box": start.box_size if start is not None else None,
        "pixel": start.pixel_size_A if start is not None else None,
        "accuracy": newest.accuracy_angles_deg if newest is not None else None,
        "iterations": newest.iteration if newest is not None else None,
        "seconds": seconds,
        "took": duration(seconds),
    }


def different_parameters(
    jobs: Sequence[Compared], labels: Mapping[str, str], shows_all: bool = False
) -> list[dict[str, Any]]:
    """A row for each parameter that is not the same in all jobs (or for all), a column for each job.

    `labels` are the words for parameters; those of where a job ran come last. What a job does not have stays empty.
    """
    names = list(dict.fromkeys(name for one in jobs for name in used(one)))
    names.sort(key=lambda name: name in OF_THE_PLACE)
    rows = []
    for name in names:
        if name == "output":
            continue
        values = [used(one).get(name) for one in jobs]
        if shows_all or any(value != values[0] for value in values):
            cells = {one.name: _text(value) for one, value in zip(jobs, values, strict=True)}
            rows.append({"parameter": labels.get(name, name.replace("_", " ")), **cells})
    return rows


def used(one: Compared) -> Mapping[str, Any]:
    """The parameters as the job used them, its defaults among them once it has started."""
    start = one.records.start
    return {**one.view.job.parameters, **(start.parameters if start is not None else {})}


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def difference(
    first: MapFile, second: MapFile, names: tuple[str, str] = ("the first", "the second")
) -> tuple[Float32[np.ndarray, "z y x"] | None, str]:
    """Second minus first, scaled to it by least squares, and in words what was done; or none, and why not."""
    boxes = first.volume.shape[0], second.volume.shape[0]
    pixels = first.pixel_size_A, second.pixel_size_A
    if boxes[0] != boxes[1] or not np.isclose(*pixels, rtol=1e-4, atol=0.0):
        return None, (
            f"No difference: the boxes are {boxes[0]} px of {pixels[0]:.4g} Å and {boxes[1]} px of {pixels[1]:.4g} Å. "
            "Rescale one map to the other first."
        )
    a, b = (one.volume - one.volume.mean() for one in (first, second))
    power = float(np.vdot(b, b))
    if power <= 0 or not a.any():
        return None, "No difference: one of the maps is empty."
    scale = float(np.vdot(a, b)) / power
    correlation = scale * (power / float(np.vdot(a, a))) ** 0.5
    if correlation <= 0:
        return None, (
            f"No difference: the maps do not match (correlation {correlation:.2f}). They may lie differently in their "
            "boxes, or one has the other hand."
        )
    words = (
        f"The difference is {names[1]}, multiplied with {scale:.3g} to fit, less {names[0]}; "
        f"the maps correlate by {correlation:.3f}."
    )
    return (scale * b - a).astype(np.float32), words
