"""What post-processing with other settings would give, asked of the preview worker: curves, amplitudes and a slice."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from compute.files.errors import InputError
from compute.params.preview import (
    FscRequest,
    GuinierRequest,
    MaskRecipe,
    MaskRequest,
    PreviewRequest,
    SharpenedRequest,
    SlicesRequest,
)
from webapp.preview import Answer

Ask = Callable[[PreviewRequest], Answer]
Axis = Literal["x", "y", "z"]


@dataclass(frozen=True, slots=True)
class Settings:
    """What post-processing is told: absolute paths, and a mask as a file, as a recipe, or none.

    A `b_factor_A2` of None is found by the fit.
    """

    half1: Path
    half2: Path
    mask: Path | None = None
    recipe: MaskRecipe | None = None
    b_factor_A2: float | None = None
    lowpass_A: float = 0.0
    fit_lowest_resolution_A: float = 10.0
    fit_highest_resolution_A: float = 0.0
    is_weighted: bool = True
    mtf: Path | None = None
    mtf_pixel_size_A: float = 0.0
    pixel_size_A: float = 0.0
    random_seed: int = 0

    def parameters(self) -> dict[str, Any]:
        """The parameters of a job that makes the same; a mask that is still to be made is left out."""
        values: dict[str, Any] = {"half1": str(self.half1), "half2": str(self.half2)}
        if self.mask is not None:
            values["mask"] = str(self.mask)
        if self.b_factor_A2 is not None:
            values |= {"auto_b_factor": False, "own_b_factor_A2": self.b_factor_A2}
        optional = {
            "fit_lowest_resolution_A": (self.fit_lowest_resolution_A, 10.0),
            "fit_highest_resolution_A": (self.fit_highest_resolution_A, 0.0),
            "lowpass_A": (self.lowpass_A, 0.0),
            "skip_fsc_weighting": (not self.is_weighted, False),
            "mtf": ("" if self.mtf is None else str(self.mtf), ""),
            "mtf_pixel_size_A": (self.mtf_pixel_size_A, 0.0),
            "pixel_size_A": (self.pixel_size_A, 0.0),
            "random_seed": (self.random_seed, 0),
        }
        return values | {name: one for name, (one, default) in optional.items() if one != default}

    def mask_parameters(self) -> dict[str, Any] | None:
        """The parameters of the job that makes the recipe's mask; None without a recipe."""
        if self.recipe is None:
            return None
        return self.recipe.model_dump(exclude_defaults=True)


@dataclass(frozen=True, slots=True)
class Curves:
    """FSC curves by name, with what the worker says of them."""

    values: Mapping[str, Any]
    curves: Mapping[str, np.ndarray]

    @property
    def final(self) -> np.ndarray:
        """The curve that counts."""
        return self.curves[self.values["final"]]

    @property
    def resolution_A(self) -> float:
        """Where the curve that counts crosses 0.143."""
        return float(self.values["resolutions_A"][self.values["final"]])


@dataclass(frozen=True, slots=True)
class Shown:
    """All that is drawn for settings: curves, amplitudes, a slice in grey, and the mask's slice (255 is 1) if any."""

    curves: Curves
    guinier: Answer
    plane: np.ndarray
    pixel_size_A: float
    mask_plane: np.ndarray | None
    enclosed: Mapping[str, Any] | None


def settings_of(parameters: Mapping[str, Any], project: Path) -> Settings:
    """The settings of a post-processing job; its paths are relative to the project or absolute."""

    def path(name: str) -> Path | None:
        text = str(parameters.get(name) or "")
        return project / text if text else None

    first = path("half1")
    if first is None:
        raise InputError("the job names no half-maps")
    own = parameters.get("own_b_factor_A2")
    is_own = own is not None and not parameters.get("auto_b_factor", False)
    numbers: dict[str, Any] = {
        name: float(parameters[name])
        for name in (
            "lowpass_A",
            "fit_lowest_resolution_A",
            "fit_highest_resolution_A",
            "mtf_pixel_size_A",
            "pixel_size_A",
        )
        if parameters.get(name) is not None
    }
    return Settings(
        half1=first,
        half2=path("half2") or other_half(first),
        mask=path("mask"),
        b_factor_A2=float(own) if own is not None and is_own else None,
        is_weighted=not parameters.get("skip_fsc_weighting", False),
        mtf=path("mtf"),
        random_seed=int(parameters.get("random_seed") or 0),
        **numbers,
    )


def other_half(path: Path) -> Path:
    """The other half-map, by its name. Raises InputError where the name says neither half1 nor half2."""
    for given, other in (("half1", "half2"), ("half2", "half1")):
        before, found, after = path.name.rpartition(given)
        if found:
            return path.with_name(before + other + after)
    raise InputError(f"{path.name} says neither half1 nor half2")


def measured(settings: Settings, ask: Ask) -> Curves:
    """The FSC curves of the half-maps inside the mask."""
    found = ask(
        FscRequest(
            half1=str(settings.half1),
            half2=str(settings.half2),
            mask="" if settings.mask is None else str(settings.mask),
            made_mask=settings.recipe,
            random_seed=settings.random_seed,
            pixel_size_A=settings.pixel_size_A,
        )
    )
    return Curves(found.values, found.arrays)


def fsc_key(settings: Settings) -> Settings:
    """The settings with everything that the FSC does not depend on set back."""
    return replace(
        settings,
        b_factor_A2=None,
        lowpass_A=0.0,
        fit_lowest_resolution_A=10.0,
        fit_highest_resolution_A=0.0,
        is_weighted=True,
        mtf=None,
        mtf_pixel_size_A=0.0,
    )


def _fitted_in(settings: Settings, curves: Curves) -> dict[str, Any]:
    """Where the line is fitted, and how far: inside the mask down to the resolution, unless the mask was given up."""
    end_A = settings.fit_highest_resolution_A
    if curves.values["final"] == "unmasked":
        return {"fit_highest_resolution_A": end_A}
    return {
        "fit_highest_resolution_A": end_A or curves.resolution_A,
        "mask": "" if settings.mask is None else str(settings.mask),
        "made_mask": settings.recipe,
    }


def previewed(settings: Settings, curves: Curves, axis: Axis, index: int | None, ask: Ask) -> Shown:
    """The amplitudes, and one slice of the map and of its mask, for curves that are known."""
    weight = tuple(curves.final.tolist()) if settings.is_weighted else ()
    both = {"map": str(settings.half1), "second_map": str(settings.half2), "fsc": weight}
    detector = {
        "mtf": "" if settings.mtf is None else str(settings.mtf),
        "mtf_pixel_size_A": settings.mtf_pixel_size_A,
        "pixel_size_A": settings.pixel_size_A,
    }
    guinier = ask(
        GuinierRequest(
            **both,
            **detector,
            **_fitted_in(settings, curves),
            fit_lowest_resolution_A=settings.fit_lowest_resolution_A,
            b_factor_A2=settings.b_factor_A2,
        )
    )
    place: dict[str, Any] = {"axes": (axis,), axis: index}
    plane = ask(
        SharpenedRequest(
            **both,
            **detector,
            **place,
            b_factor_A2=guinier.values["b_factor_A2"],
            lowpass_A=settings.lowpass_A,
        )
    )
    mask: Answer | None = None
    if settings.recipe is not None:
        mask = ask(MaskRequest(mask=settings.recipe, **place))
    elif settings.mask is not None:
        mask = ask(SlicesRequest(map=str(settings.mask), low=0.0, high=1.0, **place))
    return Shown(
        curves=curves,
        guinier=guinier,
        plane=plane.arrays[axis],
        pixel_size_A=float(plane.values["pixel_size_A"]),
        mask_plane=None if mask is None else mask.arrays[axis],
        enclosed=mask.values if mask is not None and settings.recipe is not None else None,
    )
