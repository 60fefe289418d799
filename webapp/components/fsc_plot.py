"""The Fourier shell correlation: curves, thresholds, limits, and the curves of earlier iterations."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bokeh.models import LabelSet, Range1d, Span
from bokeh.plotting import figure

from compute.files.events import Iteration
from webapp.components.look import (
    Data,
    Look,
    Plot,
    dress_legend,
    hover,
    known,
    new_figure,
    resolution_axis,
    sources,
)

THRESHOLDS = (0.143, 0.5)
GHOSTS = 8
"""Earlier iterations that are drawn faintly behind the chosen one."""
NAMES = {
    "corrected": "corrected for the mask",
    "unmasked": "unmasked",
    "masked": "masked",
    "randomised": "phases randomised, masked",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """What bounds the meaning of a curve: box edge, Nyquist, and the resolutions of the start, in Å."""

    extent_A: float
    nyquist_A: float
    lowpass_A: float | None = None
    join_A: float | None = None
    randomised_from_A: float | None = None


def crossing_A(
    curve: Sequence[float | None], threshold: float, extent_A: float
) -> tuple[float, bool]:
    """Resolution of the first crossing, interpolated in 1/Å, and whether there is one.

    Without one it is the resolution of the last shell: the sampling limits the map.
    """
    values = known(curve)
    for shell in range(1, len(values)):
        after = values[shell]
        if after < threshold or math.isnan(after):
            before = values[shell - 1]
            place = float(shell - 1)
            if before > threshold and after < threshold:
                place += (before - threshold) / (before - after)
            return extent_A / max(1.0, place), True
    return extent_A / max(1, len(values) - 1), False


def reading(curve: Sequence[float | None], threshold: float, limits: Limits) -> str:
    """A curve's resolution in words: where it crosses, or that the pixel size limits it."""
    resolution, is_crossed = crossing_A(curve, threshold, limits.extent_A)
    if is_crossed:
        return f"{resolution:.2f} Å"
    return f"{resolution:.2f} Å, at Nyquist: limited by the pixel size"


def refinement_curves(row: Iteration) -> dict[str, Sequence[float | None]]:
    """The curves that an iteration has measured, by their names."""
    if not row.is_solvent_corrected:
        return {"unmasked": row.fsc}
    without = {"unmasked": row.fsc_unmasked} if row.fsc_unmasked else {}
    return {"corrected": row.fsc, **without}


def fsc_data(
    curves: Mapping[str, Sequence[float | None]],
    ghosts: Sequence[Sequence[float | None]],
    limits: Limits,
) -> Data:
    """The columns that `fsc_plot` draws: curves by name, earlier ones, vertical marks, crossings."""
    data: dict[str, dict[str, Sequence[object]]] = {}
    for name in NAMES:
        curve = curves.get(name, [])
        frequencies = [shell / limits.extent_A for shell in range(len(curve))]
        data[name] = {
            "x": frequencies,
            "y": known(curve),
            "A": [f"{1 / x:.2f} Å" if x else "∞" for x in frequencies],
        }
    lines = list(ghosts)[-GHOSTS:]
    data["ghosts"] = {
        "xs": [[shell / limits.extent_A for shell in range(len(line))] for line in lines],
        "ys": [known(line) for line in lines],
        "alpha": [0.12 + 0.38 * (n + 1) / len(lines) for n in range(len(lines))],
    }
    data["marks"] = _marks(limits)
    data["crossings"] = _crossings(curves, limits)
    return data


def _marks(limits: Limits) -> dict[str, Sequence[object]]:
    """Vertical lines: Nyquist, the start map's low-pass, the join limit, the randomisation's start."""
    wanted = (
        (limits.nyquist_A, "Nyquist"),
        (limits.lowpass_A, "start map"),
        (limits.join_A, "halves joined"),
        (limits.randomised_from_A, "randomised from"),
    )
    rows = [(value, text) for value, text in wanted if value]
    rows.sort(key=lambda row: -row[0])
    return {
        "x": [1 / value for value, _ in rows],
        "y0": [-0.05] * len(rows),
        "y1": [1.05] * len(rows),
        "label_y": [0.86 - 0.075 * n for n in range(len(rows))],
        "text": [f"{text} {value:.3g} Å" for value, text in rows],
        "align": ["right" if value == limits.nyquist_A else "left" for value, _ in rows],
        "shift": [-4 if value == limits.nyquist_A else 4 for value, _ in rows],
    }


def _crossings(
    curves: Mapping[str, Sequence[float | None]], limits: Limits
) -> dict[str, Sequence[object]]:
    """The points where the leading curve crosses the thresholds."""
    leading = next((curves[name] for name in NAMES if curves.get(name)), None)
    found = []
    for threshold in THRESHOLDS if leading else ():
        resolution, is_crossed = crossing_A(leading or [], threshold, limits.extent_A)
        if is_crossed:
            found.append((1 / resolution, threshold, f"{resolution:.2f} Å"))
    return {
        "x": [row[0] for row in found],
        "y": [row[1] for row in found],
        "text": [row[2] for row in found],
        "align": ["right" if row[0] > 0.8 / limits.nyquist_A else "left" for row in found],
        "shift": [-8 if row[0] > 0.8 / limits.nyquist_A else 8 for row in found],
    }


def fsc_plot(
    data: Data,
    limits: Limits,
    look: Look,
    name: str = "fsc",
    height: int = 340,
    corrected: str = NAMES["corrected"],
) -> Plot:
    """The figure for `fsc_data`; both axes name the frequency, in 1/Å below and in Å above.

    `corrected` is what the legend calls the corrected curve: for which mask it is.
    """
    made = sources(data)
    plot = new_figure(
        look,
        name,
        "spatial frequency (1/Å)",
        "Fourier shell correlation",
        height,
        x_range=Range1d(0, 1.02 / limits.nyquist_A),
        y_range=Range1d(-0.05, 1.05),
    )
    resolution_axis(plot, look, 1.02 / limits.nyquist_A)
    plot.multi_line(
        "xs", "ys", source=made["ghosts"], line_color=look.faint, line_alpha="alpha", line_width=1.2
    )
    plot.segment(
        "x", "y0", "x", "y1", source=made["marks"], line_color=look.faint, line_dash="dotted"
    )
    plot.add_layout(
        LabelSet(
            x="x",
            y="label_y",
            text="text",
            text_align="align",
            x_offset="shift",
            source=made["marks"],
            text_font_size="10px",
            text_color=look.faint,
            background_fill_color=look.card,
            background_fill_alpha=0.75,
        )
    )
    for threshold in THRESHOLDS:
        is_reported = threshold == THRESHOLDS[0]
        plot.add_layout(
            Span(
                location=threshold,
                dimension="width",
                line_color=look.ink if is_reported else look.faint,
                line_width=1,
                line_dash="solid" if is_reported else "dashed",
                line_alpha=0.8,
                level="underlay",
            )
        )
    _draw_curves(plot, made, data, look, {**NAMES, "corrected": corrected})
    points = plot.scatter("x", "y", source=made["crossings"], size=8, color=look.vermilion)
    points.glyph.line_color = look.card
    plot.add_layout(
        LabelSet(
            x="x",
            y="y",
            text="text",
            text_align="align",
            x_offset="shift",
            y_offset=5,
            source=made["crossings"],
            text_font_size="12px",
            text_font_style="bold",
            text_color=look.vermilion,
            background_fill_color=look.card,
            background_fill_alpha=0.75,
        )
    )
    return Plot([plot], made)


def _draw_curves(
    plot: figure, made: dict, data: Data, look: Look, names: Mapping[str, str]
) -> None:
    """Each curve in its colour and line style, with a legend where there are several."""
    styles = {
        "corrected": (look.ink, "solid", 2.5),
        "unmasked": (look.green, "dashed", 2.0),
        "masked": (look.blue, "solid", 1.8),
        "randomised": (look.vermilion, "dotted", 1.8),
    }
    present = [curve for curve in NAMES if len(data[curve]["x"])]
    for curve in reversed(NAMES):
        colour, dash, width = styles[curve]
        if present == [curve]:
            dash, width = "solid", 2.6
        line = plot.line(
            "x",
            "y",
            source=made[curve],
            line_color=colour,
            line_dash=dash,
            line_width=width,
            legend_label=names[curve],
        )
        hover(
            plot,
            [line],
            [(names[curve], "@y{0.000}"), ("at", "@A"), ("frequency", "@x{0.0000} 1/Å")],
        )
    dress_legend(plot, look, "bottom_left")
