"""The curves of several jobs over one another: FSC, and resolution by iteration."""

import math
from collections.abc import Sequence

from bokeh.models import ColumnDataSource, Range1d, Span
from bokeh.plotting import figure

from webapp.components.comparing import Compared
from webapp.components.fsc_plot import THRESHOLDS
from webapp.components.headline import nyquist_A
from webapp.components.look import Look, dress_legend, hover, known, new_figure, resolution_axis

DASHES = ("solid", "solid", "solid", "dashed", "dashed", "dashed")


def colours(look: Look) -> tuple[str, ...]:
    """A colour for each of six jobs; the line styles tell them apart without colour."""
    return (look.blue, look.orange, look.green, look.vermilion, look.purple, look.sky)


def fsc_overlay(jobs: Sequence[Compared], look: Look) -> figure:
    """The newest FSC curve of each job that has one, against frequency in 1/Å."""
    finest = min((nyquist_A(one.records) or math.inf for one in jobs), default=math.inf)
    largest = 1.02 / finest if math.isfinite(finest) else 0.2
    plot = new_figure(
        look,
        "compare_fsc",
        "spatial frequency (1/Å)",
        "Fourier shell correlation",
        340,
        x_range=Range1d(0, largest),
        y_range=Range1d(-0.05, 1.05),
    )
    resolution_axis(plot, look, largest)
    for threshold in THRESHOLDS:
        plot.add_layout(
            Span(
                location=threshold,
                dimension="width",
                line_color=look.faint,
                line_width=1,
                level="underlay",
            )
        )
    for one, colour, dash in zip(jobs, colours(look), DASHES, strict=False):
        row = one.records.newest
        if row is None or not row.fsc or not row.extent_A:
            continue
        x = [shell / row.extent_A for shell in range(len(row.fsc))]
        data = {"x": x, "y": known(row.fsc), "A": [f"{1 / v:.2f} Å" if v else "∞" for v in x]}
        source = ColumnDataSource(data, name=f"fsc {one.name}")
        line = plot.line(
            "x", "y", source=source, color=colour, line_dash=dash, width=2.2, legend_label=one.name
        )
        hover(plot, [line], [(one.name, "@y{0.000}"), ("at", "@A")])
    dress_legend(plot, look, "bottom_left")
    return plot


def resolution_overlay(jobs: Sequence[Compared], look: Look) -> figure:
    """The resolution at FSC 0.143 by iteration of each job that iterates, Å."""
    plot = new_figure(look, "compare_resolution", "iteration", "resolution (Å)", 340)
    for one, colour, dash in zip(jobs, colours(look), DASHES, strict=False):
        rows = one.records.iterations
        if not rows:
            continue
        data = {
            "x": [row.iteration for row in rows],
            "y": known([row.resolution_fsc0143_A for row in rows]),
        }
        source = ColumnDataSource(data, name=f"resolution {one.name}")
        style = {"source": source, "color": colour, "legend_label": one.name}
        plot.line("x", "y", line_dash=dash, width=2.2, **style)
        points = plot.scatter("x", "y", size=6, **style)
        hover(plot, [points], [(one.name, "@y{0.00} Å"), ("iteration", "@x")])
    dress_legend(plot, look, "top_right")
    return plot
