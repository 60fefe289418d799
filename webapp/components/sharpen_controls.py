"""The controls of post-processing: which mask, which B-factor, which filter, and which slice is shown."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import panel as pn

from compute.params.preview import LevelsRequest, MaskRecipe
from webapp.components.words import Words
from webapp.preview import Answer
from webapp.sharpening import Axis, Settings, Shown

NO_MASK, FROM_THRESHOLD = "no mask", "from a threshold"
FITTED, OWN = "fitted", "my own"
AXES: dict[str, Axis] = {"X": "x", "Y": "y", "Z": "z"}
MASK_LOWPASS_A = 15.0
DALTON_PER_A3 = 0.81


class SharpenControls:
    """The widgets, what they say as `Settings`, and what is enclosed by the mask; `changed` follows every change."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._is_filling = False
        self._threshold_is_set = False
        self._map = ""
        self._masks: dict[str, Path] = {}
        self._levels: Answer | None = None
        self._enclosed_by_mask: Mapping[str, Any] | None = None
        self._make()
        whole: dict[str, Any] = {"sizing_mode": "stretch_width"}
        self._from_threshold = pn.Column(
            self._threshold, self._enclosed, self._lowpass_mask, self._extend, self._edge, **whole
        )
        self._from_threshold.visible = False
        self.panel: pn.viewable.Viewable = pn.Column(
            self._mask,
            self._from_threshold,
            self._source,
            self._b,
            self._fit,
            self._lowpass,
            **whole,
        )
        self.place: pn.viewable.Viewable = pn.Row(self._axis, self._index, **whole)

    def _make(self) -> None:
        whole: dict[str, Any] = {"sizing_mode": "stretch_width"}
        self._mask = pn.widgets.Select(label="Mask", options=[NO_MASK], **whole)
        self._threshold = pn.widgets.FloatSlider(
            label="Density threshold of the mask",
            start=0.0,
            end=1.0,
            step=0.001,
            format="0.0000",
            **whole,
        )
        self._enclosed = Words("", css_classes=["field-note"], **whole)
        self._lowpass_mask = pn.widgets.FloatSlider(
            label="Low-pass before the threshold (Å)",
            start=0,
            end=40,
            step=1,
            value=MASK_LOWPASS_A,
            **whole,
        )
        self._extend = pn.widgets.IntSlider(
            label="Extend by (voxels)", start=-5, end=15, value=3, **whole
        )
        self._edge = pn.widgets.IntSlider(
            label="Soft edge (voxels)", start=0, end=20, value=6, **whole
        )
        self._source = pn.widgets.RadioButtonGroup(
            label="B-factor", options=[FITTED, OWN], value=FITTED
        )
        self._b = pn.widgets.EditableFloatSlider(
            label="B-factor (Å²)",
            start=-1000.0,
            end=100.0,
            step=5.0,
            value=-100.0,
            disabled=True,
            **whole,
        )
        self._fit = pn.widgets.FloatSlider(
            label="Fit the line from (Å)", start=4.0, end=40.0, step=0.5, value=10.0, **whole
        )
        self._lowpass = pn.widgets.FloatSlider(
            label="Low-pass (Å, 0 is none)", start=0.0, end=30.0, step=0.1, value=0.0, **whole
        )
        self._axis = pn.widgets.RadioButtonGroup(options=list(AXES), value="Z")
        self._index = pn.widgets.IntSlider(label="Slice (voxel)", start=0, end=1, value=0, **whole)
        for widget in (self._mask, self._source, self._axis):
            widget.param.watch(self._touched, "value")
        for widget in (
            self._threshold,
            self._lowpass_mask,
            self._extend,
            self._edge,
            self._b,
            self._fit,
            self._lowpass,
            self._index,
        ):
            widget.param.watch(self._touched, "value_throttled")
        self._threshold.param.watch(lambda _: self._tell_volume(), "value")

    def offer(self, masks: Mapping[str, Path], settings: Settings, thresholded: Path) -> None:
        """Fill the controls with a job's settings, the masks that can be chosen, and the map for a threshold."""
        self._is_filling = True
        self._masks = dict(masks)
        self._map = str(thresholded)
        self._mask.options = [NO_MASK, *masks, FROM_THRESHOLD]
        chosen = next((name for name, path in masks.items() if path == settings.mask), NO_MASK)
        self._mask.value = chosen
        self._fit.value = settings.fit_lowest_resolution_A
        self._lowpass.value = settings.lowpass_A
        if settings.b_factor_A2 is not None:
            self._source.value, self._b.value = OWN, settings.b_factor_A2
            self._b.disabled = False
        self._is_filling = False

    @property
    def is_thresholded(self) -> bool:
        """Whether the mask is made from a threshold."""
        return bool(self._mask.value == FROM_THRESHOLD)

    @property
    def axis(self) -> Axis:
        """The axis that the slice is at right angles to."""
        return AXES[self._axis.value]

    @property
    def index(self) -> int | None:
        """The voxel of the slice along its axis; None for the middle, before the box is known."""
        return int(self._index.value) if self._index.end > 1 else None

    def levels_request(self) -> LevelsRequest:
        """The question on the levels of the map that is thresholded."""
        return LevelsRequest(map=self._map, lowpass_A=self._lowpass_mask.value)

    def settings(self, base: Settings, levels: Answer | None) -> Settings:
        """What the controls say; new `levels` bring the suggested threshold with them."""
        recipe = None
        if self.is_thresholded:
            suggested = levels if levels is not None else self._levels
            threshold = float(self._threshold.value)
            if suggested is not None and not self._threshold_is_set:
                threshold = float(suggested.values["threshold"])
            recipe = MaskRecipe(
                map=self._map,
                threshold=threshold,
                lowpass_A=self._lowpass_mask.value,
                extend_px=self._extend.value,
                soft_edge_px=self._edge.value,
                pixel_size_A=base.pixel_size_A,
            )
        return replace(
            base,
            mask=self._masks.get(self._mask.value),
            recipe=recipe,
            b_factor_A2=float(self._b.value) if self._source.value == OWN else None,
            fit_lowest_resolution_A=float(self._fit.value),
            lowpass_A=float(self._lowpass.value),
        )

    def levels_known(self, levels: Answer) -> None:
        """Bring the threshold's range up to the map, and its value to the suggestion while none was set."""
        self._levels = levels
        low, high = levels.values["solvent"], levels.values["maximum"]
        self._is_filling = True
        value = self._threshold.value if self._threshold_is_set else levels.values["threshold"]
        step = (high - low) / 500
        self._threshold.param.update(
            start=low, end=high, step=step, value=float(np.clip(value, low, high))
        )
        self._is_filling = False
        self._tell_volume()

    def answered(self, made: Shown) -> None:
        """Take over what the answer says: the box for the slice's slider, and the fitted B-factor."""
        self._is_filling = True
        box = made.plane.shape[0]
        if self._index.end != box - 1:
            self._index.param.update(end=box - 1, value=box // 2)
        if self._source.value == FITTED:
            fitted = float(np.clip(made.guinier.values["b_factor_A2"], self._b.start, self._b.end))
            self._b.value = round(fitted)
        self._enclosed_by_mask = made.enclosed
        self._is_filling = False
        self._tell_volume()

    def _tell_volume(self) -> None:
        """Say what the density at the threshold encloses, and what the whole mask does."""
        if self._levels is None or not self.is_thresholded:
            return
        edges, above = (self._levels.arrays[name] for name in ("edges", "volume_above_A3"))
        volume = float(np.interp(self._threshold.value, edges[:-1], above))
        text = f"The density encloses {_volume(volume)}"
        mask = self._enclosed_by_mask
        if mask is not None:
            text += (
                f"; the mask {_volume(mask['volume_A3'])}, {mask['share_of_box']:.1%} of the box"
            )
        self._enclosed.object = f"{text}."

    def _touched(self, event: Any) -> None:
        self._from_threshold.visible = self.is_thresholded
        self._b.disabled = self._source.value == FITTED
        if self._is_filling:
            return
        if event.obj is self._threshold:
            self._threshold_is_set = True
        self._changed()


def _volume(volume_A3: float) -> str:
    """A volume with the mass of protein that fills it."""
    return f"{volume_A3:,.0f} Å³ ({volume_A3 * DALTON_PER_A3 / 1000:,.0f} kDa of protein)".replace(
        ",", " "
    )
