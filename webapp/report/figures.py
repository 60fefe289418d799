"""The figures of a report, with their values as tables."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from compute.files.errors import InputError
from compute.files.events import Iteration
from compute.files.labels import star_label
from compute.files.star import read_star
from webapp.report import svg
from webapp.report.facts import Facts

COLOURS = (svg.BLUE, svg.ORANGE, svg.GREEN, svg.VERMILION)
THRESHOLDS = ((0.143, "0.143"), (0.5, "0.5"))


@dataclass(frozen=True, slots=True)
class Figure:
    """A plot with its caption, and the same values as columns of one table."""

    name: str
    caption: str
    drawing: str
    columns: Sequence[tuple[str, Sequence[float | None]]]


def figures(facts: Facts) -> list[Figure]:
    """The figures that a job's records and files allow."""
    made = [_refined_fsc(facts), _history(facts), _accuracy(facts), _post_processed(facts)]
    return [one for one in made if one is not None]


def fsc_figure(
    name: str, caption: str, curves: Sequence[tuple[str, Sequence[float | None]]], extent_A: float
) -> Figure:
    """FSC curves against frequency; the first is the one to read."""
    shells = max(len(values) for _, values in curves)
    frequency = [shell / extent_A for shell in range(shells)]
    drawn = [
        svg.Curve(words, frequency[: len(values)], values, colour, is_dashed=row > 0)
        for row, ((words, values), colour) in enumerate(zip(curves, COLOURS, strict=False))
    ]
    lowest = min([0.0, *(one for _, values in curves for one in values if one is not None)])
    axes = svg.Axes(
        name,
        "Spatial frequency (1/Å)",
        "Fourier shell correlation",
        (0.0, frequency[-1]),
        (max(-1.0, math.floor(lowest * 5) / 5), 1.0),
        THRESHOLDS,
        shows_resolution=True,
    )
    padded = [(words, [*values, *[None] * (shells - len(values))]) for words, values in curves]
    return Figure(name, caption, svg.line_plot(drawn, axes), [("1/Å", frequency), *padded])


def _refined_fsc(facts: Facts) -> Figure | None:
    row = facts.newest
    if row is None or not row.fsc or not row.extent_A:
        return None
    masks = {"given": "inside the mask, corrected", "envelope": "inside the envelope, corrected"}
    curves = [(masks.get(row.fsc_mask, "without mask"), row.fsc)]
    if row.is_solvent_corrected and row.fsc_unmasked:
        curves.append(("without mask", row.fsc_unmasked))
    which = "final" if row.is_final else f"iteration {row.iteration}"
    caption = f"Fourier shell correlation of the two independent half-maps ({which})."
    return fsc_figure("Half-map FSC", caption, curves, row.extent_A)


def _history(facts: Facts) -> Figure | None:
    rows = facts.records.iterations
    values = {
        "FSC 0.143": [row.resolution_fsc0143_A for row in rows],
        "FSC 0.5 (working value)": [row.resolution_fsc05_A for row in rows],
    }
    return _by_iteration(
        rows, "Resolution by iteration", "Resolution (Å)", values, is_resolution=True
    )


def _accuracy(facts: Facts) -> Figure | None:
    rows = facts.records.iterations
    values = {
        "estimated accuracy": [row.accuracy_angles_deg for row in rows],
        "angular step": [row.fine_step_deg for row in rows],
        "mean change": [row.change_angles_deg for row in rows],
    }
    return _by_iteration(rows, "Angles by iteration", "Degrees", values)


def _by_iteration(
    rows: Sequence[Iteration],
    name: str,
    unit: str,
    values: dict[str, list[float | None]],
    is_resolution: bool = False,
) -> Figure | None:
    known = [one for line in values.values() for one in line if one is not None and one < 900]
    if len(rows) < 2 or not known:
        return None
    numbers = [float(row.iteration) for row in rows]
    shown = {
        words: [None if one is None or one >= 900 else one for one in line]
        for words, line in values.items()
    }
    curves = [
        svg.Curve(words, numbers, line, colour, has_points=True)
        for (words, line), colour in zip(shown.items(), COLOURS, strict=False)
    ]
    bounds = (0.94 * min(known), 1.06 * max(known)) if is_resolution else (0.0, 1.08 * max(known))
    across = (numbers[0], numbers[-1])
    axes = svg.Axes(
        name, "Iteration", unit, across, bounds, is_y_resolution=is_resolution, has_whole_x=True
    )
    caption = f"{name} of the refinement."
    return Figure(
        name, caption, svg.line_plot(curves, axes), [("iteration", numbers), *shown.items()]
    )


def _post_processed(facts: Facts) -> Figure | None:
    """The FSC curves that post-processing wrote, by the table of its STAR file."""
    path = facts.root.with_suffix(".star")
    if facts.job.type != "postprocess" or not path.is_file():
        return None
    try:
        table = read_star(path).get("fsc")
    except InputError:
        return None
    if table is None:
        return None
    names = {
        "corrected for the mask": "fourier_shell_correlation_corrected",
        "without mask": "fourier_shell_correlation_unmasked_maps",
        "inside the mask": "fourier_shell_correlation_masked_maps",
        "phases randomised": "corrected_fourier_shell_correlation_phase_randomized_masked_maps",
    }
    columns = table.columns
    curves = [
        (words, [float(one) for one in columns[star_label(key)]])
        for words, key in names.items()
        if star_label(key) in columns
    ]
    frequency = [float(one) for one in columns[star_label("resolution_per_A")]]
    if not curves or len(frequency) < 2:
        return None
    caption = "Fourier shell correlation of the half-maps after post-processing."
    return fsc_figure("Post-processed FSC", caption, curves, 1.0 / frequency[1])
