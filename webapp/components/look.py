"""The look of every figure: colours for light and dark pages, axes, and the ticks in Å above them."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from bokeh.models import (
    ColumnDataSource,
    CustomAction,
    CustomJS,
    FixedTicker,
    HoverTool,
    LinearAxis,
)
from bokeh.plotting import figure

RESOLUTION_TICKS_A = (50, 20, 12, 8, 6, 5, 4, 3.5, 3, 2.5, 2, 1.5, 1)
"""Where the axis above a frequency axis has ticks, as far as they fit."""

VALUES = "Values as a table, CSV"
VALUES_ICON = (
    "data:image/svg+xml;base64,"
    + b64encode(
        b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 20 20" fill="none" stroke="#7c8b99" stroke-width="1.6">'
        b'<rect x="2.5" y="3.5" width="15" height="13" rx="1.5"/><path d="M2.5 8h15M2.5 12h15M8 3.5v13"/></svg>'
    ).decode()
)

Data = Mapping[str, Mapping[str, Sequence[Any]]]
"""The columns of each source of a plot, by the source's name."""


@dataclass(frozen=True, slots=True)
class Look:
    """Colours of one theme; those of the curves are Okabe and Ito's, safe for the colour-blind."""

    name: str
    page: str
    card: str
    ink: str
    faint: str
    grid: str
    orange: str
    sky: str
    green: str
    blue: str
    vermilion: str
    purple: str


LIGHT = Look(
    name="light",
    page="#f4f6f8",
    card="#ffffff",
    ink="#17212b",
    faint="#667685",
    grid="#e3e8ed",
    orange="#c98200",
    sky="#2a8fc4",
    green="#00855f",
    blue="#0072b2",
    vermilion="#d55e00",
    purple="#a8558a",
)
DARK = Look(
    name="dark",
    page="#0f151b",
    card="#182029",
    ink="#e6edf3",
    faint="#93a3b3",
    grid="#2a3541",
    orange="#f0ac33",
    sky="#56b4e9",
    green="#2fc79a",
    blue="#5aa9e6",
    vermilion="#ff8a4c",
    purple="#d99ac2",
)
LOOKS = {look.name: look for look in (LIGHT, DARK)}


@dataclass(slots=True)
class Plot:
    """Figures that share named sources; `draw` replaces what the sources hold, nothing else."""

    figures: list[figure]
    sources: dict[str, ColumnDataSource]
    words: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._name_what_is_drawn()

    def draw(self, data: Data) -> None:
        """Draw other data; names that are not given keep theirs, and nothing is sent of what is as it was."""
        for name, columns in data.items():
            source = self.sources[name]
            more = more_of(source.data, columns)
            if more is None:
                source.data = _columns(columns)
            elif any(map(len, more.values())):
                source.stream(more)
        self._name_what_is_drawn()

    def _name_what_is_drawn(self) -> None:
        """Legends name what has data; words without a mark would puzzle readers."""
        for item in (
            one for plot in self.figures for legend in plot.legend for one in legend.items
        ):
            is_drawn = any(_are_rows(one.data_source.data) for one in item.renderers)
            if item.visible != is_drawn:
                item.visible = is_drawn


def _are_rows(columns: Mapping[str, Any]) -> bool:
    """Whether there is anything to draw in columns."""
    return any(len(column) for column in columns.values())


def more_of(old: Mapping[str, Any], new: Mapping[str, Sequence[Any]]) -> dict[str, Any] | None:
    """What stands in columns behind what stood there before; None where they are not the old ones with more."""
    if old.keys() != new.keys() or (_are_rows(new) and not _are_rows(old)):
        return None
    if not all(is_same(values, new[key][: len(values)]) for key, values in old.items()):
        return None
    return {key: list(values[len(old[key]) :]) for key, values in new.items()}


def is_same(old: Any, new: Any) -> bool:
    """Whether two columns, or sets of columns, hold the same; what is not a number equals itself here."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return old.keys() == new.keys() and all(is_same(old[key], new[key]) for key in old)
    if isinstance(old, np.ndarray) or isinstance(new, np.ndarray):
        old, new = np.asarray(old), np.asarray(new)
        both = old.dtype.kind == "f" and new.dtype.kind == "f"
        return np.array_equal(old, new, equal_nan=both)
    if isinstance(old, str) or not isinstance(old, Sequence) or not isinstance(new, Sequence):
        return bool(old == new or (old != old and new != new))
    return len(old) == len(new) and all(map(is_same, old, new))


def _columns(columns: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    return {key: sent(values) for key, values in columns.items()}


def sent(values: Sequence[Any]) -> Any:
    """A column as it is sent fastest: plain numbers with a point in one piece, in lists of lists too."""
    if isinstance(values, np.ndarray):
        return values
    if len(values) and all(isinstance(one, float) for one in values):
        return np.array(values, dtype=np.float64)
    return [sent(one) if isinstance(one, list | tuple) else one for one in values]


def sources(data: Data) -> dict[str, ColumnDataSource]:
    """One source for each name, filled."""
    return {name: ColumnDataSource(_columns(columns), name=name) for name, columns in data.items()}


def new_figure(
    look: Look, name: str, x_label: str, y_label: str, height: int = 300, **options: Any
) -> figure:
    """An empty figure in the look of a page; `name` is what its saved picture is called."""
    plot = figure(
        height=height,
        sizing_mode="stretch_width",
        x_axis_label=x_label,
        y_axis_label=y_label,
        active_scroll=None,
        name=name,
        **{
            "tools": "pan,box_zoom,wheel_zoom,reset,save",
            "active_drag": "box_zoom",
            "output_backend": "canvas",
            **options,
        },
    )
    dress(plot, look)
    if plot.toolbar_location is not None:
        plot.add_tools(_values_tool(plot))
    return plot


def _values_tool(plot: figure) -> CustomAction:
    """The tool that lists the values of a figure, to be copied and saved as CSV."""
    shows = CustomJS(args={"figure": plot}, code="window.halfmapFigures.open(figure)")
    return CustomAction(description=VALUES, icon=VALUES_ICON, callback=shows)


def dress(plot: figure, look: Look) -> None:
    """Give a figure the colours of a page."""
    plot.background_fill_color = look.card
    plot.border_fill_color = look.card
    plot.outline_line_color = None
    plot.toolbar.logo = None
    plot.toolbar.autohide = True
    plot.min_border_right = 18
    for axis in plot.axis:
        dress_axis(axis, look)
    for grid in plot.grid:
        grid.grid_line_color = look.grid


def dress_axis(axis: Any, look: Look) -> None:
    """Give one axis the colours of a page."""
    axis.axis_line_color = look.grid
    axis.major_tick_line_color = look.grid
    axis.minor_tick_line_color = None
    axis.major_label_text_color = look.faint
    axis.axis_label_text_color = look.faint
    axis.axis_label_text_font_style = "normal"
    axis.axis_label_text_font_size = "12px"
    axis.major_label_text_font_size = "11px"
    axis.axis_label_standoff = 6


def dress_legend(plot: figure, look: Look, location: str = "top_right") -> None:
    """Place the legend inside the plot, clickable, in the colours of the page."""
    for legend in plot.legend:
        legend.location = location
        legend.background_fill_color = look.card
        legend.background_fill_alpha = 0.82
        legend.border_line_color = None
        legend.label_text_color = look.ink
        legend.label_text_font_size = "11px"
        legend.click_policy = "hide"
        legend.padding, legend.spacing, legend.margin = 4, 1, 6
        legend.glyph_width = 22


def legend_above(plot: figure, look: Look) -> None:
    """Place the legend above the plot in one line, where it hides nothing."""
    dress_legend(plot, look)
    for legend in list(plot.legend):
        plot.center.remove(legend)
        legend.orientation, legend.location = "horizontal", "left"
        legend.spacing, legend.padding, legend.margin = 14, 0, 0
        plot.add_layout(legend, "above")


def resolution_axis(plot: figure, look: Look, largest_per_A: float, power: int = 1) -> None:
    """Ticks in Å above an axis of frequencies (`power` 1) or their squares (2)."""
    ticks: list[float] = []
    labels: dict[float, str] = {}
    last = 0.0
    for value in RESOLUTION_TICKS_A:
        place = (1.0 / value) ** power
        if place <= largest_per_A * 1.001 and (not ticks or place - last > largest_per_A / 15):
            ticks.append(place)
            labels[place] = f"{value:g}"
            last = place
    axis = LinearAxis(ticker=FixedTicker(ticks=ticks), axis_label="Å")
    axis.major_label_overrides = labels
    plot.add_layout(axis, "above")
    dress_axis(axis, look)


def hover(plot: figure, renderers: Sequence[Any], tooltips: Sequence[tuple[str, str]]) -> None:
    """Tell the values under the pointer, for these glyphs only."""
    plot.add_tools(HoverTool(renderers=list(renderers), tooltips=list(tooltips), mode="mouse"))


def known(values: Sequence[float | None]) -> list[float]:
    """Numbers as Bokeh draws them: what is not known becomes NaN, which it leaves out."""
    return [float("nan") if value is None else float(value) for value in values]
