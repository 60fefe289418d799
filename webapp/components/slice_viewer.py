"""Three orthogonal slices with sliders, contrast, scale bar, mask outline and a choice of maps."""

from collections.abc import Mapping, Sequence

import numpy as np
import panel as pn
import param
from bokeh.models import LinearColorMapper
from bokeh.plotting import figure

from webapp.components.look import Look
from webapp.components.side_by_side import side_by_side
from webapp.components.slice_figure import SliceFigure
from webapp.components.slices import (
    AXES,
    GreyScale,
    difference_palette,
    fixed_palette,
    grey_scale,
    greys,
    slice_of,
)
from webapp.components.tick import tick_for

MAPS = ("map", "mean", "half 1", "half 2", "difference")
CONTRAST = (20, 235)


class SliceViewer(pn.viewable.Viewer):
    """Slices of half 1, half 2, their mean or their difference; `draw` gives it other maps."""

    shown = param.Selector(default="mean", objects=list(MAPS))
    x = param.Integer(default=0, bounds=(0, 1), label="X")
    y = param.Integer(default=0, bounds=(0, 1), label="Y")
    z = param.Integer(default=0, bounds=(0, 1), label="Z")
    has_outline = param.Boolean(default=True, label="outlines")

    def __init__(
        self,
        look: Look,
        name: str = "slices",
        outlines: Sequence[str] = ("mask",),
        **params: object,
    ) -> None:
        super().__init__(**params)
        self.param.shown.objects = list(MAPS[1:])
        self._volumes: dict[str, np.ndarray] = {}
        self._masks: dict[str, np.ndarray] = {}
        self._pixel_size_A = 1.0
        self._scales: dict[str, GreyScale] = {}
        self._is_moving = False
        self._mapper = LinearColorMapper(palette=fixed_palette(), low=0, high=255)
        self._slices = {
            axis: SliceFigure(look, axis, name, self._mapper, outlines) for axis in AXES
        }
        self._panel = self._layout()

    @property
    def figures(self) -> dict[str, figure]:
        """The figures by their axes."""
        return {axis: one.figure for axis, one in self._slices.items()}

    def _layout(self) -> pn.viewable.Viewable:
        sliders = {
            axis: pn.widgets.IntSlider.from_param(
                self.param[axis.lower()], label=f"{axis} (pixel)", sizing_mode="stretch_width"
            )
            for axis in AXES
        }
        self._choice = pn.widgets.RadioButtonGroup.from_param(self.param.shown)
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
                pn.pane.Bokeh(self._slices[axis].figure, sizing_mode="scale_width"),
                sliders[axis],
                sizing_mode="stretch_width",
                max_width=480,
            )
            for axis in AXES
        ]
        return pn.Column(
            pn.FlexBox(
                self._choice,
                contrast,
                tick_for(self, "has_outline"),
                align_items="center",
            ),
            side_by_side(*panes),
            sizing_mode="stretch_width",
        )

    def draw(
        self,
        volumes: Mapping[str, np.ndarray],
        pixel_size_A: float,
        masks: Mapping[str, np.ndarray],
    ) -> None:
        """Other maps of one box, by the names in `MAPS`, and the masks that are outlined on them.

        The place and grey scale are kept.
        """
        box = next(iter(volumes.values())).shape[0]
        is_new_box = not self._volumes or next(iter(self._volumes.values())).shape[0] != box
        self._volumes, self._masks = dict(volumes), dict(masks)
        self._pixel_size_A = pixel_size_A
        had_map = "map" in self.param.shown.objects
        present = [name for name in MAPS if name in volumes]
        if self.shown not in present or ("map" in present and not had_map and self.shown == "mean"):
            self.param.shown.objects = list(
                MAPS
            )  # a widget forgets a choice that it does not offer
            self.shown = present[0]
        self.param.shown.objects = present
        self._choice.visible = len(present) > 1
        if is_new_box:
            self._scales = {}
            self._frame(box)
        for axis in AXES:
            self._draw(axis)

    def _frame(self, box: int) -> None:
        """Bounds of the sliders for another box."""
        self._is_moving = True
        for name in ("x", "y", "z"):
            self.param[name].bounds = (0, box - 1)
            setattr(self, name, box // 2)
        self._is_moving = False

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
        picture = greys(slice_of(volume, axis, index), self._scale(volume))
        planes = {
            name: slice_of(mask, axis, index)
            for name, mask in self._masks.items()
            if self.has_outline and mask.shape == volume.shape
        }
        self._slices[axis].draw(picture, self._pixel_size_A, index, planes)

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
