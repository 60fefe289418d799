"""The FSC by direction: mean, spread and extremes of the curves, and the resolution over the sphere."""

from collections.abc import Mapping, Sequence
from typing import Any

import healpix
import numpy as np
from bokeh.models import LinearColorMapper, Range1d, Span
from bokeh.palettes import Viridis256
from jaxtyping import Float64

from webapp.components.directions import mollweide
from webapp.components.look import (
    Data,
    Look,
    Plot,
    dress_legend,
    hover,
    new_figure,
    resolution_axis,
    sources,
)
from webapp.components.sphere_figure import sphere_figure


def curves_data(table: Mapping[str, Any]) -> Data:
    """The columns of the curves' plot, from the table that the job has written."""
    x = np.asarray(table["frequency_per_A"], dtype=np.float64)
    mean, spread = (np.asarray(table[name], dtype=np.float64) for name in ("mean", "deviation"))
    return {
        "directional": {
            "x": x.tolist(),
            "A": [f"{1 / one:.2f} Å" if one else "∞" for one in x],
            "mean": mean.tolist(),
            "above": (mean + spread).tolist(),
            "below": (mean - spread).tolist(),
            "minimum": list(table["minimum"]),
            "maximum": list(table["maximum"]),
            "whole": list(table["whole"]),
        }
    }


def curves_plot(data: Data, look: Look, name: str, height: int = 360) -> Plot:
    """Mean and spread as a band, extremes as lines, and the curve of all directions together."""
    made = sources(data)
    largest = max(data["directional"]["x"], default=1.0)
    plot = new_figure(
        look,
        name,
        "spatial frequency (1/Å)",
        "FSC of a cone of directions",
        height,
        x_range=Range1d(0, 1.02 * largest),
        y_range=Range1d(-0.1, 1.05),
    )
    resolution_axis(plot, look, largest)
    source = made["directional"]
    plot.varea(
        "x",
        "minimum",
        "maximum",
        source=source,
        fill_color=look.faint,
        fill_alpha=0.15,
        legend_label="smallest to largest",
    )
    plot.varea(
        "x",
        "below",
        "above",
        source=source,
        fill_color=look.blue,
        fill_alpha=0.28,
        legend_label="mean ± one standard deviation",
    )
    plot.line(
        "x",
        "whole",
        source=source,
        line_color=look.ink,
        line_dash="dashed",
        line_width=1.6,
        legend_label="all directions together",
    )
    line = plot.line(
        "x", "mean", source=source, line_color=look.blue, line_width=2.4, legend_label="mean"
    )
    plot.add_layout(
        Span(
            location=0.143, dimension="width", line_color=look.ink, line_alpha=0.8, level="underlay"
        )
    )
    hover(
        plot,
        [line],
        [
            ("at", "@A"),
            ("mean", "@mean{0.000}"),
            ("smallest", "@minimum{0.000}"),
            ("largest", "@maximum{0.000}"),
        ],
    )
    dress_legend(plot, look, "bottom_left")
    return Plot([plot], made)


def sphere_values(
    directions: Sequence[Mapping[str, float]], order: int
) -> Float64[np.ndarray, "direction"]:
    """The resolution of each HEALPix direction (nested); opposite directions have the same."""
    side = 2**order
    polar = np.radians([one["polar_deg"] for one in directions])
    azimuth = np.radians([one["azimuth_deg"] for one in directions])
    values = np.full(12 * side**2, np.nan)
    found = [one["resolution_A"] for one in directions]
    values[healpix.ang2pix(side, polar, azimuth, nest=True)] = found
    opposite = np.mod(azimuth + np.pi, 2 * np.pi)
    values[healpix.ang2pix(side, np.pi - polar, opposite, nest=True)] = found
    return values


def sphere_data(table: Mapping[str, Any]) -> Data:
    """The picture of the sphere."""
    drawn = mollweide(sphere_values(table["directions"], int(table["healpix_order"])))
    return {
        "sphere": {
            "image": [drawn.image],
            "x": [-180.0],
            "y": [-90.0],
            "dw": [drawn.width_deg],
            "dh": [drawn.height_deg],
        }
    }


def sphere_plot(
    data: Data, ends_A: tuple[float, float], look: Look, name: str, height: int = 360
) -> Plot:
    """The resolution by direction in Mollweide's projection; bright is the best."""
    made = sources(data)
    low, high = ends_A
    mapper = LinearColorMapper(
        palette=tuple(reversed(Viridis256)),
        low=low,
        high=max(high, low + 1e-3),
        nan_color=(0, 0, 0, 0),
    )
    plot = sphere_figure(look, name, mapper, "Å", height)
    picture = plot.image("image", "x", "y", "dw", "dh", source=made["sphere"], color_mapper=mapper)
    hover(plot, [picture], [("resolution", "@image{0.00} Å")])
    return Plot([plot], made)
