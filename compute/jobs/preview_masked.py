"""Previews of masks: the mask that a threshold makes, and the FSC of two half-maps inside it."""

from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from compute.files.errors import InputError
from compute.jobs.half_fsc import THRESHOLD, USELESS, graded
from compute.jobs.map_cache import MapCache
from compute.jobs.mask_region import cleaned, filtered, grown
from compute.params import preview
from compute.params.preview import MaskRecipe
from compute.signal.binary import softened
from compute.signal.fsc import (
    RANDOMISE_BELOW,
    corrected_curve,
    crossing,
    fsc,
    mask_factor,
    mean_fsc_inside,
    partial_volume_fsc,
    resolution_A,
)
from compute.signal.random_phases import randomised_maps
from compute.signal.threshold import Levels, density_levels

LEVEL_BINS = 400


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
    chosen = chosen_mask(request, cache, tuple(first.shape))
    if chosen is not None:
        found["masked"] = mean_fsc_inside([first], [second], chosen)
        found["particle_volume"] = partial_volume_fsc(unmasked, mask_factor(chosen))
        below = torch.nonzero(unmasked[1:] < RANDOMISE_BELOW)
        if request.random_phases and len(below):
            start = 1 + int(below[0])
            noise = [
                cache.get(
                    ("random phases", number, start, request.random_seed),
                    (path,),
                    lambda n=number, at=start: randomised_maps(  # type: ignore[misc]
                        transforms[n - 1], len(first), at, request.random_seed, n
                    ),
                )
                for number, path in enumerate(halves, start=1)
            ]
            found["randomised"] = mean_fsc_inside(noise[0], noise[1], chosen)
            found["corrected"] = corrected_curve(found["masked"], found["randomised"], start)
            grade = graded(found["randomised"], crossing(found["corrected"], THRESHOLD), chosen)
            said |= {
                "randomised_from_shell": start,
                "grade": grade.grade,
                "sentence": grade.sentence,
            }
    counts = "corrected" if "corrected" in found else "masked" if "masked" in found else "unmasked"
    if crossing(unmasked, THRESHOLD) > crossing(found[counts], THRESHOLD):
        counts = "unmasked"
        said |= {"grade": "of no use", "sentence": USELESS}
    said["final"] = counts
    said["resolutions_A"] = {
        name: resolution_A(curve, THRESHOLD, extent_A)
        for name, curve in found.items()
        if name != "randomised"
    }
    return said, {name: curve.numpy() for name, curve in found.items()}


def chosen_mask(
    request: preview.FscRequest | preview.GuinierRequest, cache: MapCache, shape: tuple[int, ...]
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
    """The mask that the mask job would make from a map, all zero where that would find it empty; and its pixel size."""
    values, pixel_size_A = cache.volume(recipe.map)
    pixel_size_A = recipe.pixel_size_A or pixel_size_A
    smooth = _filtered(recipe.map, values, recipe.lowpass_A, pixel_size_A, cache)

    def make() -> Tensor:
        is_dense = smooth.numpy() >= np.float32(recipe.threshold)
        _, region = cleaned(
            is_dense, pixel_size_A, recipe.smallest_piece_percent, recipe.largest_hole_A3
        )
        whole = grown(region.is_inside, pixel_size_A, recipe.extend_px, recipe.largest_hole_A3)
        return torch.from_numpy(softened(whole, recipe.soft_edge_px))

    return cache.get(recipe, (recipe.map,), make), pixel_size_A


def levels(
    request: preview.LevelsRequest, cache: MapCache
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Solvent, noise, molecule and suggested threshold of a low-passed map, and the volume above each density."""
    values, pixel_size_A = cache.volume(request.map)
    pixel_size_A = request.pixel_size_A or pixel_size_A
    smooth = _filtered(request.map, values, request.lowpass_A, pixel_size_A, cache)

    def measured() -> tuple[Levels, Tensor, float, float]:
        low, high = float(smooth.min()), float(smooth.max())
        return density_levels(smooth.numpy()), torch.histc(smooth, LEVEL_BINS, low, high), low, high

    key = ("levels", request.lowpass_A, pixel_size_A)
    try:
        found, counts, low, high = cache.get(key, (request.map,), measured)
    except ValueError as error:
        raise InputError(f"{request.map}: {error}") from None
    above = counts.double().flip(0).cumsum(0).flip(0) * pixel_size_A**3
    said = asdict(found) | {"minimum": low, "maximum": high, "pixel_size_A": pixel_size_A}
    return said, {"edges": np.linspace(low, high, LEVEL_BINS + 1), "volume_above_A3": above.numpy()}


def _filtered(
    path: str,
    values: Float32[Tensor, "z y x"],
    lowpass_A: float,
    pixel_size_A: float,
    cache: MapCache,
) -> Float32[Tensor, "z y x"]:
    """A map after the low-pass that comes before the threshold. InputError where its pixel size is not known."""
    if pixel_size_A <= 0:
        raise InputError(f"{path} says no pixel size in its header")
    key = ("lowpass", lowpass_A, pixel_size_A)
    return cache.get(key, (path,), lambda: filtered(values, pixel_size_A, lowpass_A))
