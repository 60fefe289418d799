"""Three orthogonal slices in colours, with their sliders and a range for the scale."""

from collections.abc import Callable

import numpy as np
import panel as pn

from webapp.components.local_resolution import coloured, scale_html
from webapp.components.look import Look
from webapp.components.side_by_side import side_by_side
from webapp.components.slice_figure import SliceFigure
from webapp.components.slices import AXES, GreyScale, grey_scale, slice_of
from webapp.components.words import Words


class ColourSlices(pn.viewable.Viewer):
    """Slices of a map coloured by another map of its box; `rescaled` is told of another range."""

    def __init__(
        self,
        look: Look,
        name: str,
        rescaled: Callable[[tuple[float, float]], None],
        **params: object,
    ) -> None:
        super().__init__(**params)
        self._rescaled = rescaled
        self._maps: tuple[np.ndarray, np.ndarray, np.ndarray | None] | None = None
        self._pixel_size_A = 1.0
        self._grey = GreyScale(0.0, 1.0)
        self._slices = {axis: SliceFigure(look, axis, name, None) for axis in AXES}
        self._sliders = {
            axis: pn.widgets.IntSlider(
                label=f"{axis} (pixel)", start=0, end=1, value=0, sizing_mode="stretch_width"
            )
            for axis in AXES
        }
        self._range = pn.widgets.RangeSlider(
            label="Colours from … to (Å)",
            start=0.0,
            end=1.0,
            value=(0.0, 1.0),
            step=0.05,
            width=320,
        )
        self._bar = Words("", sizing_mode="stretch_width")
        for axis, slider in self._sliders.items():
            slider.param.watch(lambda _, axis=axis: self._draw(axis), "value")
        self._range.param.watch(lambda _: self._scaled(), "value_throttled")
        self._panel = pn.Column(
            side_by_side(self._range, self._bar),
            side_by_side(
                *[
                    pn.Column(
                        pn.pane.Bokeh(self._slices[axis].figure, sizing_mode="scale_width"),
                        self._sliders[axis],
                        sizing_mode="stretch_width",
                        max_width=480,
                    )
                    for axis in AXES
                ]
            ),
            sizing_mode="stretch_width",
        )

    @property
    def ends_A(self) -> tuple[float, float]:
        """The range of the scale."""
        low, high = self._range.value
        return float(low), float(high)

    def draw(
        self,
        density: np.ndarray,
        resolution_A: np.ndarray,
        weight: np.ndarray | None,
        pixel_size_A: float,
        ends_A: tuple[float, float],
    ) -> None:
        """Other maps of one box, with the range of their scale."""
        self._maps = None
        self._grey, self._pixel_size_A = grey_scale(density), pixel_size_A
        box = density.shape[0]
        for slider in self._sliders.values():
            slider.param.update(end=box - 1, value=box // 2)
        low, high = float(resolution_A.min()), float(resolution_A.max())
        self._range.param.update(
            start=round(low, 2), end=round(max(high, low + 0.1), 2), value=ends_A
        )
        self._maps = (density, resolution_A, weight)
        self._redraw()

    def _scaled(self) -> None:
        self._redraw()
        self._rescaled(self.ends_A)

    def _redraw(self) -> None:
        self._bar.object = scale_html(*self.ends_A)
        for axis in AXES:
            self._draw(axis)

    def _draw(self, axis: str) -> None:
        if self._maps is None:
            return
        index = int(self._sliders[axis].value)
        density, resolution, weight = self._maps
        picture = coloured(
            slice_of(density, axis, index),
            slice_of(resolution, axis, index),
            None if weight is None else slice_of(weight, axis, index),
            self._grey,
            self.ends_A,
        )
        self._slices[axis].draw(picture, self._pixel_size_A, index, {})

    def __panel__(self) -> pn.viewable.Viewable:
        return self._panel
