"""Three orthogonal slices with sliders, contrast, scale bar, mask outline and a choice of maps."""

from collections.abc import Mapping

import numpy as np
import panel as pn
import param
from bokeh.models import ColumnDataSource, LabelSet, LinearColorMapper, Range1d
from bokeh.plotting import figure

from webapp.components.look import Look, new_figure
from webapp.components.slices import (
    AXES,
    GreyScale,
    difference_palette,
    fixed_palette,
    grey_scale,
    greys,
    outline_of,
    round_length_A,
    slice_of,
)

MAPS = ("map", "mean", "half 1", "half 2", "difference")
CONTRAST = (20, 235)


class SliceViewer(pn.viewable.Viewer):
    """Slices of half 1, half 2, their mean or their difference; `draw` gives it other maps."""

    shown = param.Selector(default="mean", objects=list(MAPS))
    x = param.Integer(default=0, bounds=(0, 1), label="X")
    y = param.Integer(default=0, bounds=(0, 1), label="Y")
    z = param.Integer(default=0, bounds=(0, 1), label="Z")
    has_outline = param.Boolean(default=True, label="mask outline")

    def __init__(self, look: Look, name: str = "slices", **params: object) -> None:
        super().__init__(**params)
        self.param.shown.objects = list(MAPS[1:])
        self._look = look
        self._volumes: dict[str, np.ndarray] = {}
        self._mask: np.ndarray | None = None
        self._pixel_size_A = 1.0
        self._scales: dict[str, GreyScale] = {}
        self._is_moving = False
        self._mapper = LinearColorMapper(palette=fixed_palette(), low=0, high=255)
        self._images = {axis: _source("image", "x", "y", "dw", "dh") for axis in AXES}
        for axis, source in self._images.items():
            source.name = f"slice_{axis}"
        self._outlines = {axis: _source("xs", "ys") for axis in AXES}
        self._bar = _source("x0", "x1", "y", "text")
        self._places = {axis: _source("x", "y", "text") for axis in AXES}
        self.figures = {axis: self._figure(axis, name) for axis in AXES}
        self._panel = self._layout()

    def _figure(self, axis: str, name: str) -> figure:
        across, up = {"X": ("y", "z"), "Y": ("x", "z"), "Z": ("x", "y")}[axis]
        plot = new_figure(
            self._look,
            f"{name}_{axis}",
            f"{across} (Å)",
            f"{up} (Å)",
            300,
            x_range=Range1d(0, 1),
            y_range=Range1d(0, 1),
            match_aspect=True,
        )
        plot.height, plot.aspect_ratio, plot.height_policy = None, 1, "auto"
        plot.sizing_mode, plot.max_width = "scale_width", 480
        plot.axis.visible = False
        plot.min_border = 2
        plot.toolbar_location = None
        plot.grid.visible = False
        plot.image(
            "image", "x", "y", "dw", "dh", source=self._images[axis], color_mapper=self._mapper
        )
        plot.multi_line(
            "xs", "ys", source=self._outlines[axis], line_color="#ffd34d", line_width=1.3
        )
        plot.segment("x0", "y", "x1", "y", source=self._bar, line_color="#ffffff", line_width=4)
        plot.add_layout(_labels(self._bar, "x0", 12))
        plot.add_layout(_labels(self._places[axis], "x", 13))
        return plot

    def _layout(self) -> pn.viewable.Viewable:
        sliders = {
            axis: pn.widgets.IntSlider.from_param(
                self.param[axis.lower()], label=f"{axis} (pixel)", sizing_mode="stretch_width"
            )
            for axis in AXES
        }
        contrast = pn.widgets.IntRangeSlider(
            label="Contrast (greys)", start=0, end=255, value=CONTRAST, width=220
        )
        contrast.jscallback(
            args={"mapper": self._mapper},
            value="mapper.low = cb_obj.value[0]; mapper.high = Math.max(cb_obj.value[1], cb_obj.value[0] + 1);",
        )
        self._mapper.low, self._mapper.high = CONTRAST
        panes = [
            pn.Column(
                pn.pane.Bokeh(self.figures[axis], sizing_mode="scale_width"),
                sliders[axis],
                sizing_mode="stretch_width",
                min_width=220,
                max_width=480,
            )
            for axis in AXES
        ]
        return pn.Column(
            pn.FlexBox(
                pn.widgets.RadioButtonGroup.from_param(self.param.shown),
                contrast,
                pn.widgets.Checkbox.from_param(self.param.has_outline),
                align_items="center",
            ),
            pn.Row(*panes, sizing_mode="stretch_width"),
            sizing_mode="stretch_width",
        )

    def draw(
        self, volumes: Mapping[str, np.ndarray], pixel_size_A: float, mask: np.ndarray | None = None
    ) -> None:
        """Other maps of one box, by the names in `MAPS`; the place and grey scale are kept."""
        box = next(iter(volumes.values())).shape[0]
        is_new_box = not self._volumes or next(iter(self._volumes.values())).shape[0] != box
        self._volumes, self._mask = dict(volumes), mask
        self._pixel_size_A = pixel_size_A
        had_map = "map" in self.param.shown.objects
        present = [name for name in MAPS if name in volumes]
        self.param.shown.objects = present
        if self.shown not in present or ("map" in present and not had_map and self.shown == "mean"):
            self.shown = present[0]
        if is_new_box:
            self._scales = {}
            self._frame(box)
        for axis in AXES:
            self._draw(axis)

    def _frame(self, box: int) -> None:
        """Bounds, ranges and scale bar for another box."""
        self._is_moving = True
        for name in ("x", "y", "z"):
            self.param[name].bounds = (0, box - 1)
            setattr(self, name, box // 2)
        self._is_moving = False
        extent = box * self._pixel_size_A
        for plot in self.figures.values():
            plot.x_range.update(start=0, end=extent)
            plot.y_range.update(start=0, end=extent)
        length = round_length_A(extent)
        left = 0.04 * extent
        self._bar.data = {
            "x0": [left],
            "x1": [left + length],
            "y": [0.045 * extent],
            "text": [f"{length:g} Å"],
        }

    def _scale(self, volume: np.ndarray) -> GreyScale:
        """The grey scale of the map shown; densities share one, differences have their own."""
        kind = "difference" if self.shown == "difference" else "density"
        if kind not in self._scales:
            if kind == "difference":
                reach = 5.0 * float(volume.std()) or 1.0
                self._scales[kind] = GreyScale(-reach, reach)
            else:
                self._scales[kind] = grey_scale(volume)
        return self._scales[kind]

    def _draw(self, axis: str) -> None:
        volume = self._volumes.get(self.shown)
        if volume is None:
            return
        index = getattr(self, axis.lower())
        extent = volume.shape[0] * self._pixel_size_A
        picture = greys(slice_of(volume, axis, index), self._scale(volume))
        self._images[axis].data = {
            "image": [picture],
            "x": [0.0],
            "y": [0.0],
            "dw": [extent],
            "dh": [extent],
        }
        place = (index - volume.shape[0] // 2) * self._pixel_size_A
        self._places[axis].data = {
            "x": [0.04 * extent],
            "y": [0.92 * extent],
            "text": [f"{axis} {place:+.0f} Å"],
        }
        lines: tuple[list, list] = ([], [])
        if self.has_outline and self._mask is not None and self._mask.shape == volume.shape:
            lines = outline_of(self._mask, axis, index, self._pixel_size_A)
        self._outlines[axis].data = {"xs": lines[0], "ys": lines[1]}

    def _moved(self, axis: str) -> None:
        if not self._is_moving:
            self._draw(axis)

    @param.depends("x", watch=True)
    def _moved_x(self) -> None:
        self._moved("X")

    @param.depends("y", watch=True)
    def _moved_y(self) -> None:
        self._moved("Y")

    @param.depends("z", watch=True)
    def _moved_z(self) -> None:
        self._moved("Z")

    @param.depends("shown", "has_outline", watch=True)
    def _switched(self) -> None:
        is_difference = self.shown == "difference"
        self._mapper.palette = difference_palette() if is_difference else fixed_palette()
        for axis in AXES:
            self._draw(axis)

    def __panel__(self) -> pn.viewable.Viewable:
        return self._panel


def halves_and_more(half1: np.ndarray, half2: np.ndarray) -> dict[str, np.ndarray]:
    """Both half-maps, their mean and their difference."""
    return {
        "mean": (half1 + half2) / 2,
        "half 1": half1,
        "half 2": half2,
        "difference": half1 - half2,
    }


def _source(*columns: str) -> ColumnDataSource:
    return ColumnDataSource({name: [] for name in columns})


def _labels(source: ColumnDataSource, x: str, size: int) -> LabelSet:
    return LabelSet(
        x=x,
        y="y",
        text="text",
        y_offset=5,
        source=source,
        text_color="#ffffff",
        text_font_size=f"{size}px",
        text_font_style="bold",
    )
