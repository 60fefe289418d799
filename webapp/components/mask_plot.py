"""What a mask encloses: the densities of its map, the threshold, and the volume above each density."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from bokeh.models import LabelSet, LogAxis, LogScale, Range1d

from webapp.components.look import (
    Data,
    Look,
    Plot,
    dress_axis,
    dress_legend,
    hover,
    new_figure,
    sources,
)


def mask_data(report: Mapping[str, Any]) -> Data:
    """The columns that `mask_plot` draws, from the report of a mask job."""
    histogram = report.get("histogram") or {"edges": [0.0], "counts": [], "volume_above_A3": []}
    edges = histogram["edges"]
    levels = report.get("levels") or {}
    marks = [("threshold", report.get("threshold"))]
    marks += [(name, levels.get(name)) for name in ("solvent", "molecule")]
    known = [(name, float(value)) for name, value in marks if value is not None]
    places = np.argsort(np.argsort([value for _, value in known]))
    top = max([0.5, *histogram["counts"]])
    return {
        "mask_histogram": {
            "left": list(edges[:-1]),
            "right": list(edges[1:]),
            "voxels": [max(one, 0.5) for one in histogram["counts"]],
        },
        "mask_volume": {
            "density": list(edges[:-1]),
            "volume_A3": [max(one, 1.0) for one in histogram["volume_above_A3"]],
        },
        "mask_marks": {
            "x": [value for _, value in known],
            "text": [f"{name} {value:.3g}" for name, value in known],
            "label_y": [(6.0 if place % 2 == 0 else 2.0) * top for place in places],
        },
    }


def mask_plot(data: Data, look: Look, name: str, height: int = 320) -> Plot:
    """Densities as bars and the enclosed volume as a line, both on logarithmic scales."""
    made = sources(data)
    top = max(data["mask_histogram"]["voxels"], default=1.0)
    plot = new_figure(
        look,
        name,
        "density",
        "voxels",
        height,
        y_axis_type="log",
        y_range=Range1d(0.5, 20 * top),
    )
    bars = plot.quad(
        left="left",
        right="right",
        top="voxels",
        bottom=0.5,
        source=made["mask_histogram"],
        fill_color=look.faint,
        fill_alpha=0.55,
        line_color=None,
        legend_label="voxels of this density",
    )
    volumes = data["mask_volume"]["volume_A3"]
    plot.extra_y_ranges = {
        "volume": Range1d(min(volumes, default=1.0), 20 * max(volumes, default=1.0))
    }
    plot.extra_y_scales = {"volume": LogScale()}
    line = plot.line(
        "density",
        "volume_A3",
        source=made["mask_volume"],
        y_range_name="volume",
        line_color=look.blue,
        line_width=2.2,
        legend_label="volume above it (right)",
    )
    axis = LogAxis(y_range_name="volume", axis_label="enclosed volume (Å³)")
    plot.add_layout(axis, "right")
    dress_axis(axis, look)
    plot.ray(
        "x",
        0.5,
        source=made["mask_marks"],
        length=0,
        angle=np.pi / 2,
        line_color=look.vermilion,
        line_dash="dashed",
    )
    plot.add_layout(
        LabelSet(
            x="x",
            y="label_y",
            text="text",
            x_offset=4,
            source=made["mask_marks"],
            text_color=look.vermilion,
            text_font_size="11px",
        )
    )
    hover(plot, [bars], [("density", "@left"), ("voxels", "@voxels{0}")])
    hover(plot, [line], [("density", "@density"), ("volume above", "@volume_A3{0} Å³")])
    dress_legend(plot, look, "top_right")
    return Plot([plot], made)
