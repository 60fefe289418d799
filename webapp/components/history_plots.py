"""How a refinement came here: resolution, accuracy, step, changes and cost by iteration."""

from collections.abc import Mapping, Sequence

from bokeh.models import PrintfTickFormatter, Range1d, Span
from bokeh.plotting import figure

from compute.files.events import Iteration
from webapp.components.look import (
    Data,
    Look,
    Plot,
    dress_legend,
    hover,
    new_figure,
    sources,
)

POOR_ACCURACY_DEG = 10.0
ACCURACY_TICKS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100]
RESOLUTION_TICKS_A = [
    1,
    1.5,
    2,
    2.5,
    3,
    3.5,
    4,
    5,
    6,
    7,
    8,
    9,
    10,
    12,
    15,
    20,
    25,
    30,
    40,
    50,
    60,
    80,
    100,
]
NEAR_NYQUIST = 3.0
"""Resolutions within this factor of Nyquist are drawn with it."""


class HistoryPlot(Plot):
    """Figures that hold only those columns of the history that they draw."""

    def draw(self, data: Data) -> None:
        """Draw other data, what there is to draw of it."""
        wanted = {name: list(source.data) for name, source in self.sources.items()}
        Plot.draw(self, _chosen(data, wanted))


def _chosen(data: Data, wanted: Mapping[str, Sequence[str]]) -> Data:
    """Some columns of some sources."""
    return {name: {key: data[name][key] for key in keys} for name, keys in wanted.items()}


def resolution_ends_A(data: Data, nyquist_A: float) -> tuple[float, float]:
    """The ends of the axis of resolutions, the coarse one first, which is below; Nyquist where it is not far."""
    columns = [data[kind][key] for kind in ("normal", "final") for key in ("fsc0143", "fsc05")]
    values = [value for column in columns for value in column if value == value and value > 0]
    if not values:
        return 60.0, nyquist_A
    finest = min(values)
    if nyquist_A * NEAR_NYQUIST >= finest:
        finest = min(finest, nyquist_A)
    return 1.12 * max(*values, 1.3 * finest), 0.93 * finest


def resolution_plot(data: Data, nyquist_A: float, look: Look, height: int = 300) -> HistoryPlot:
    """Resolution by iteration in Å, better is up; the final joined iteration stands apart."""
    columns = ("iteration", "fsc0143", "fsc05")
    made = sources(_chosen(data, dict.fromkeys(("normal", "final", "local"), columns)))
    worst = max(data["rows"]["iteration"], default=1)
    plot = new_figure(
        look,
        "resolution",
        "iteration",
        "resolution (Å)",
        height,
        y_axis_type="log",
        x_range=Range1d(0.5, max(worst, 8) + 0.7),
        y_range=Range1d(*resolution_ends_A(data, nyquist_A)),
    )
    plot.yaxis.ticker = RESOLUTION_TICKS_A
    plot.yaxis.formatter = PrintfTickFormatter(format="%g")
    plot.yaxis[0].minor_tick_line_color = None
    nyquist = Span(location=nyquist_A, dimension="width", line_color=look.faint, line_dash="dashed")
    plot.add_layout(nyquist)
    lines = []
    for column, colour, label in (
        ("fsc05", look.sky, "working value, FSC 0.5"),
        ("fsc0143", look.vermilion, "FSC 0.143"),
    ):
        lines.append(
            plot.line(
                "iteration",
                column,
                source=made["normal"],
                color=colour,
                width=2,
                legend_label=label,
            )
        )
        lines.append(plot.scatter("iteration", column, source=made["normal"], color=colour, size=6))
        plot.scatter(
            "iteration",
            column,
            source=made["final"],
            marker="star",
            color=colour,
            size=15,
            legend_label="final, all particles",
        )
    plot.scatter(
        "iteration",
        "fsc05",
        source=made["local"],
        marker="inverted_triangle",
        size=11,
        fill_color=None,
        line_color=look.ink,
        legend_label="local search begins",
    )
    hover(
        plot,
        [lines[1], lines[3]],
        [("iteration", "@iteration"), ("0.143", "@fsc0143{0.00} Å"), ("0.5", "@fsc05{0.00} Å")],
    )
    dress_legend(plot, look, "bottom_right")
    return HistoryPlot([plot], made)


def accuracy_plot(data: Data, look: Look, height: int = 180) -> HistoryPlot:
    """Angles above, offsets below: estimated accuracy, its 75 % line, the step in use, the changes."""
    kinds = ("step", "accuracy", "limit", "change")
    columns = ["iteration", *(f"{kind}_{unit}" for kind in kinds for unit in ("deg", "A"))]
    made = sources(_chosen(data, {"rows": columns}))
    last = max(data["rows"]["iteration"], default=1)
    shared = Range1d(0.5, max(last, 8) + 0.7)
    figures = [
        _accuracy(made, look, shared, "deg", "angles (°)", height),
        _accuracy(made, look, shared, "A", "offsets (Å)", height),
    ]
    figures[0].xaxis.axis_label = None
    figures[0].add_layout(
        Span(
            location=POOR_ACCURACY_DEG,
            dimension="width",
            line_color=look.vermilion,
            line_dash="dotted",
        )
    )
    return HistoryPlot(figures, made)


def _accuracy(
    made: dict, look: Look, x_range: Range1d, unit: str, label: str, height: int
) -> figure:
    plot = new_figure(
        look, f"accuracy_{unit}", "iteration", label, height, x_range=x_range, y_axis_type="log"
    )
    rows = made["rows"]
    bars = plot.scatter(
        "iteration",
        f"change_{unit}",
        source=rows,
        marker="square",
        size=7,
        fill_color=look.purple,
        fill_alpha=0.55,
        line_color=None,
        legend_label="change",
    )
    accuracy = plot.line(
        "iteration",
        f"accuracy_{unit}",
        source=rows,
        color=look.green,
        width=2,
        legend_label="estimated accuracy",
    )
    plot.line(
        "iteration",
        f"limit_{unit}",
        source=rows,
        color=look.green,
        width=1.5,
        line_dash="dashed",
        legend_label="75 % of it",
    )
    step = plot.step(
        "iteration",
        f"step_{unit}",
        source=rows,
        color=look.orange,
        width=2.2,
        mode="center",
        legend_label="step in use",
    )
    hover(
        plot,
        [bars, accuracy, step],
        [
            ("iteration", "@iteration"),
            ("accuracy", f"@accuracy_{unit}{{0.00}}"),
            ("step", f"@step_{unit}{{0.00}}"),
            ("change", f"@change_{unit}{{0.00}}"),
        ],
    )
    plot.yaxis.formatter = PrintfTickFormatter(format="%g")
    plot.yaxis.ticker = ACCURACY_TICKS
    plot.yaxis[0].minor_tick_line_color = None
    dress_legend(plot, look, "top_right")
    plot.legend.orientation = "horizontal"
    plot.legend.ncols = 2
    plot.legend.spacing = 10
    if unit == "A":
        plot.legend.visible = False
    return plot


def convergence_strip(data: Data, look: Look, height: int = 178) -> HistoryPlot:
    """Small multiples: certainty of the poses, gain of log-likelihood, seconds, stalls."""
    columns = ("iteration", "pmax", "gain", "stalls", "seconds")
    made = sources(_chosen(data, {"rows": columns}))
    figures = []
    for column, label, colour in (
        ("pmax", "mean Pmax", look.blue),
        ("gain", "log-likelihood gain", look.green),
        ("stalls", "iterations without gain", look.vermilion),
        ("seconds", "seconds", look.faint),
    ):
        plot = new_figure(
            look, column, "iteration", "", height, tools="", active_drag=None, toolbar_location=None
        )
        plot.title.text = label
        plot.title.text_color = look.ink
        plot.title.text_font_size = "12px"
        plot.title.text_font_style = "normal"
        plot.xaxis.ticker.min_interval = 1  # there is no half iteration
        if column == "stalls":
            plot.y_range.start = 0
            plot.yaxis.ticker.min_interval = 1
        bars = plot.vbar("iteration", 0.7, column, source=made["rows"], color=colour, alpha=0.85)
        hover(plot, [bars], [("iteration", "@iteration"), (label, f"@{column}{{0.[000]}}")])
        figures.append(plot)
    return HistoryPlot(figures, made)


def rescale(plot: Plot, data: Data, nyquist_A: float) -> None:
    """Make room for resolutions that have come since the figure of `resolution_plot` was made."""
    coarse_A, fine_A = resolution_ends_A(data, nyquist_A)
    axis = plot.figures[0].y_range
    if (axis.start, axis.end) != (coarse_A, fine_A):
        axis.update(start=coarse_A, end=fine_A)


def widen(plot: Plot, rows: Sequence[Iteration]) -> None:
    """Make room for iterations that have come since a figure was made."""
    last = max((row.iteration for row in rows), default=1)
    for one in plot.figures:
        if isinstance(one.x_range, Range1d) and last + 0.7 > one.x_range.end:
            one.x_range.end = last + 0.7
