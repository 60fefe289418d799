"""What an iteration says of single particles: histograms, and the list of those far from the others."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from bokeh.events import SelectionGeometry
from bokeh.models import BoxAnnotation, BoxSelectTool, Span
from bokeh.plotting import figure
from jaxtyping import Float64, Int64

from compute.files.labels import star_label
from compute.files.star import read_star
from webapp.components.look import Data, Look, Plot, hover, new_figure, sources

BINS = 40
FAR = 5.0
"""Robust standard deviations beyond which a particle is listed."""
MOST_LISTED = 200
DIGITS = 4
"""Of a bound that is drawn, of the width of the range."""
FIGURES = {
    "pmax": "largest pose probability (Pmax)",
    "norm": "noise amplitude (norm correction)",
    "log_likelihood": "log-likelihood",
    "scale": "signal scale of each group",
}
DRAWABLE = frozenset({"pmax", "norm", "log_likelihood"})
"""Those that have a value for each particle."""


@dataclass(frozen=True, slots=True)
class ParticleFigures:
    """Columns of a data file of a refinement, one value for each particle."""

    names: list[str]
    half: Int64[np.ndarray, "particle"]
    pmax: Float64[np.ndarray, "particle"]
    norm: Float64[np.ndarray, "particle"]
    log_likelihood: Float64[np.ndarray, "particle"]
    scale: Float64[np.ndarray, "group"]


def read_figures(data_file: Path, model_file: Path | None) -> ParticleFigures:
    """The figures in a run_itNNN_data.star, and the groups' scales of a model file beside it.

    Raises InputError for files that are no such tables.
    """
    return figures_of(read_star(data_file)["particles"].columns, model_file)


def figures_of(columns: Mapping[str, Any], model_file: Path | None) -> ParticleFigures:
    """The same, where the columns of the data file have been read."""
    count = len(next(iter(columns.values())))

    def numbers(name: str) -> np.ndarray:
        found = columns.get(star_label(name))
        return np.full(count, np.nan) if found is None else np.asarray(found, dtype=np.float64)

    scale = np.zeros(0)
    if model_file is not None and model_file.exists():
        groups = read_star(model_file)["model_groups"].columns
        scale = np.asarray(groups[star_label("group_scale_correction")], dtype=np.float64)
    names = columns.get(star_label("image_name"))
    half = columns.get(star_label("random_subset"))
    return ParticleFigures(
        names=[str(name) for name in names] if names is not None else [],
        half=np.zeros(count, np.int64) if half is None else np.asarray(half, dtype=np.int64),
        pmax=numbers("max_value_prob_distribution"),
        norm=numbers("norm_correction"),
        log_likelihood=numbers("log_likeli_contribution"),
        scale=scale,
    )


def histogram_data(figures: ParticleFigures | None) -> Data:
    """The bars of all histograms."""
    return {
        name: _bars(getattr(figures, name) if figures else np.zeros(0), name) for name in FIGURES
    }


def _bars(values: np.ndarray, name: str) -> dict[str, Sequence[float]]:
    values = values[np.isfinite(values)]
    if not len(values):
        return {"left": [], "right": [], "top": []}
    low, high = float(values.min()), float(values.max())
    if name == "pmax":
        low, high = 0.0, 1.0
    if high <= low:
        low, high = low - 0.5, high + 0.5
    counts, edges = np.histogram(values, bins=BINS, range=(low, high))
    return {
        "left": edges[:-1].tolist(),
        "right": edges[1:].tolist(),
        "top": counts.tolist(),
    }


@dataclass
class HistogramPlots(Plot):
    """The histograms, by their figures' names: the range that is chosen in one of them, the place of one particle."""

    ranges: dict[str, BoxAnnotation] = field(default_factory=dict)
    places: dict[str, Span] = field(default_factory=dict)

    def shade(self, key: str, low: float | None, high: float | None) -> None:
        """Shade a range in one histogram and in no other; without a bound the shade goes on to the end."""
        for name, box in self.ranges.items():
            is_chosen = name == key and not (low is None and high is None)
            box.update(left=low, right=high, visible=is_chosen)

    def when_drawn(self, chosen: Callable[[str, float, float], None]) -> None:
        """Call `chosen` with a figure's name and both bounds when a range is drawn over it with the mouse."""
        for name, plot in zip(FIGURES, self.figures, strict=True):
            if name in DRAWABLE:
                plot.on_event(SelectionGeometry, partial(_drawn, name, chosen))

    def mark(self, values: Mapping[str, float | None]) -> None:
        """Mark one particle's values; none where there is none."""
        for name, place in self.places.items():
            value = values.get(name)
            place.update(location=value or 0.0, visible=value is not None)


def _drawn(name: str, chosen: Callable[[str, float, float], None], event: Any) -> None:
    """Tell of a range once the mouse is let go, with no more digits than the mouse has."""
    if not event.final:
        return
    low, high = sorted((float(event.geometry["x0"]), float(event.geometry["x1"])))
    if high > low:
        digits = DIGITS - 1 - math.floor(math.log10(high - low))
        chosen(name, round(low, digits), round(high, digits))


def _make_drawable(plot: figure) -> None:
    """A drag over the figure draws a range."""
    tool = BoxSelectTool(dimensions="width", renderers=[], description="Draw a range")
    plot.add_tools(tool)
    plot.toolbar.active_drag = tool


def histogram_plots(data: Data, look: Look, height: int = 210) -> HistogramPlots:
    """One figure for each histogram."""
    made = sources(data)
    colours = (look.blue, look.green, look.purple, look.orange)
    plots = HistogramPlots([], made)
    for (name, label), colour in zip(FIGURES.items(), colours, strict=True):
        counted = "groups" if name == "scale" else "particles"
        plot = new_figure(look, name, label, counted, height)
        bars = plot.quad(
            left="left",
            right="right",
            top="top",
            bottom=0,
            source=made[name],
            fill_color=colour,
            line_color=look.card,
            line_width=0.5,
        )
        plot.y_range.start = 0
        hover(plot, [bars], [("from", "@left"), ("to", "@right"), (counted, "@top")])
        if name in DRAWABLE:
            _make_drawable(plot)
        plots.ranges[name] = BoxAnnotation(
            fill_color=look.vermilion, fill_alpha=0.18, line_color=look.vermilion, visible=False
        )
        plots.places[name] = Span(
            location=0, dimension="height", line_color=look.ink, line_dash="dashed", visible=False
        )
        plot.add_layout(plots.ranges[name])
        plot.add_layout(plots.places[name])
        plots.figures.append(plot)
    return plots


def outliers(figures: ParticleFigures) -> list[dict[str, Any]]:
    """The particles whose noise or likelihood is far from the others', farthest first."""
    distance = np.fmax(distances(figures.norm), distances(figures.log_likelihood))
    far = np.flatnonzero(distance > FAR)
    far = far[np.argsort(-distance[far], kind="stable")][:MOST_LISTED]
    return [
        {
            "row": int(n) + 1,
            "image": figures.names[n] if figures.names else "",
            "half": int(figures.half[n]),
            "norm": _plain(figures.norm[n]),
            "log_likelihood": _plain(figures.log_likelihood[n]),
            "pmax": _plain(figures.pmax[n]),
            "distance": float(distance[n]),
        }
        for n in far
    ]


def _plain(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def distances(values: np.ndarray) -> np.ndarray:
    """Distances from the median in robust standard deviations (1.4826 times the median deviation)."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return np.zeros(len(values))
    median = np.median(finite)
    spread = 1.4826 * float(np.median(np.abs(finite - median)))
    if spread == 0.0:
        return np.zeros(len(values))
    return np.abs(values - median) / spread


OUTLIER_COLUMNS: list[dict[str, Any]] = [
    {"key": "row", "label": "Row", "kind": "number"},
    {"key": "image", "label": "Image", "kind": "path"},
    {"key": "half", "label": "Half", "kind": "number"},
    {"key": "norm", "label": "Norm", "kind": "number", "digits": 3},
    {"key": "log_likelihood", "label": "Log-likelihood", "kind": "number", "digits": 1},
    {"key": "pmax", "label": "Pmax", "kind": "number", "digits": 3},
    {
        "key": "distance",
        "label": "Distance",
        "unit": "σ",
        "kind": "number",
        "digits": 1,
        "help": "From the median, in robust standard deviations",
    },
]
