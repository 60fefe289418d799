"""Previews of masks: the mask that a threshold makes, and the FSC of two half-maps inside it."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Float64
from torch import Tensor

from compute.files.errors import InputError
from compute.jobs.half_fsc import THRESHOLD, graded
from compute.jobs.map_cache import MapCache
from compute.params import preview
from compute.params.preview import MaskRecipe
from compute.signal.fourier import lowpass
from compute.signal.fsc import (
    RANDOMISE_BELOW,
    corrected_curve,
    crossing,
    fsc,
    mask_factor,
    partial_volume_fsc,
    randomised_map,
    resolution_A,
)
from compute.signal.quick_mask import quick_mask


def curves(
    request: preview.FscRequest, cache: MapCache
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """FSC curves of two half-maps: unmasked and, with a mask, masked, particle-volume and corrected."""
    halves = (request.half1, request.half2)
    (first, pixel_size_A), (second, _) = (cache.volume(path) for path in halves)
    if first.shape != second.shape:
        raise InputError(f"{halves[0]} and {halves[1]} differ in box: choose two half-maps")
    pixel_size_A = request.pixel_size_A or pixel_size_A
    extent_A, shells = len(first) * pixel_size_A, len(first) // 2 + 1
    transforms = [cache.transform(path) for path in halves]
    unmasked = cache.get("fsc", halves, lambda: fsc(transforms[0], transforms[1], shells))
    found = {"unmasked": unmasked}
    said: dict[str, Any] = {"extent_A": extent_A, "randomised_from_shell": None, "grade": None}
    chosen = _chosen_mask(request, cache, tuple(first.shape))
    if chosen is not None:
        found["masked"] = _inside((first, second), chosen, shells)
        found["particle_volume"] = partial_volume_fsc(unmasked, mask_factor(chosen))
        below = torch.nonzero(unmasked[1:] < RANDOMISE_BELOW)
        if request.random_phases and len(below):
            start = 1 + int(below[0])
            noise = [
                cache.get(
                    ("random phases", number, start, request.random_seed),
                    (path,),
                    lambda n=number, at=start: randomised_map(  # type: ignore[misc]
                        transforms[n - 1], len(first), at, request.random_seed, n
                    ),
                )
                for number, path in enumerate(halves, start=1)
            ]
            found["randomised"] = _inside((noise[0], noise[1]), chosen, shells)
            found["corrected"] = corrected_curve(found["masked"], found["randomised"], start)
            grade = graded(found["randomised"], crossing(found["corrected"], THRESHOLD), chosen)
            said |= {
                "randomised_from_shell": start,
                "grade": grade.grade,
                "sentence": grade.sentence,
            }
    said["resolutions_A"] = {
        name: resolution_A(curve, THRESHOLD, extent_A)
        for name, curve in found.items()
        if name != "randomised"
    }
    return said, {name: curve.numpy() for name, curve in found.items()}


def _inside(
    halves: tuple[Tensor, Tensor], chosen: Float32[Tensor, "z y x"], shells: int
) -> Float64[Tensor, "shell"]:
    """The FSC of two maps inside a mask."""
    first, second = (torch.fft.rfftn(half * chosen) for half in halves)
    return fsc(first, second, shells)


def _chosen_mask(
    request: preview.FscRequest, cache: MapCache, shape: tuple[int, ...]
) -> Float32[Tensor, "z y x"] | None:
    """The mask of a request, from its file or its recipe; None without one. InputError where it is of no use."""
    if request.made_mask is not None:
        chosen, name = made_mask(request.made_mask, cache)[0], "the mask"
    elif request.mask:
        chosen, name = cache.volume(request.mask)[0], request.mask
    else:
        return None
    if tuple(chosen.shape) != shape:
        raise InputError(f"{name} has a box of {len(chosen)} and the half-maps one of {shape[0]}")
    if not bool((chosen > 0.5).any()):
        raise InputError(f"{name} is empty (no voxel above 0.5): use a lower threshold")
    return chosen


def made_mask(recipe: MaskRecipe, cache: MapCache) -> tuple[Float32[Tensor, "z y x"], float]:
    """A mask made from a map, and its pixel size."""
    values, pixel_size_A = cache.volume(recipe.map)
    pixel_size_A = recipe.pixel_size_A or pixel_size_A
    if recipe.lowpass_A > 0:
        if pixel_size_A <= 0:
            raise InputError(f"{recipe.map} says no pixel size in its header")
        source = values
        values = cache.get(
            ("lowpass", recipe.lowpass_A, pixel_size_A),
            (recipe.map,),
            lambda: lowpass(source, pixel_size_A, recipe.lowpass_A),
        )
    smooth = values
    made = cache.get(
        recipe,
        (recipe.map,),
        lambda: quick_mask(smooth, recipe.threshold, recipe.extend_px, recipe.soft_edge_px),
    )
    return made, pixel_size_A
