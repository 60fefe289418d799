"""Previews of sharpening: slices after it, and the amplitudes of each shell through its steps.

All steps depend on the distance from the origin of Fourier space alone, so they are tables over its square.
"""

from typing import Any

import numpy as np
import torch
from jaxtyping import Complex, Float32, Float64
from torch import Tensor

from compute.files.errors import InputError
from compute.files.postprocess_files import read_mtf
from compute.jobs.map_cache import MapCache
from compute.jobs.preview_masked import chosen_mask
from compute.jobs.preview_slices import Answer, facts, in_grey
from compute.params import preview
from compute.signal.sharpening import (
    NO_AMPLITUDE,
    fsc_filter,
    guinier_fit,
    log_amplitudes,
    mtf_weight,
)
from compute.signal.slices import filtered_slices, squared_radius

Radii = Float64[Tensor, "square"]


def sharpened(request: preview.SharpenedRequest, cache: MapCache) -> Answer:
    """Slices of a map after MTF, FSC weight, B-factor and low-pass, without making the whole map."""
    transform, pixel_size_A = _mean_transform(request, cache)
    box = len(transform)
    if pixel_size_A <= 0 and (request.b_factor_A2 or request.lowpass_A):
        raise InputError(f"{request.map} says no pixel size in its header")
    square = cache.get(("radius", box), (), lambda: squared_radius(box))
    weight = _slice_weight(request, box, box * pixel_size_A).float()[square]
    places = [(axis, request.index(axis, box)) for axis in request.axes]
    planes = dict(zip(request.axes, filtered_slices(transform, weight, places), strict=True))
    low, high = request.low, request.high
    if low is None or high is None:
        shown = torch.cat([plane.flatten() for plane in planes.values()]).numpy()
        found = np.percentile(shown, [request.low_percentile, request.high_percentile])
        low = float(found[0]) if low is None else low
        high = float(found[1]) if high is None else high
    said = facts(request, box, pixel_size_A) | {"low": low, "high": high}
    return said, in_grey(planes, low, high)


def guinier(request: preview.GuinierRequest, cache: MapCache) -> Answer:
    """ln of each shell's mean amplitude before and after each step, and the line, as post-processing has them."""
    transform, pixel_size_A = _mean_transform(request, cache)
    if pixel_size_A <= 0:
        raise InputError(f"{request.map} says no pixel size in its header")
    box = len(transform)
    extent_A, shells = box * pixel_size_A, box // 2 + 1
    paths = (request.map, request.second_map) if request.second_map else (request.map,)
    sums, counts = cache.get("amplitudes by radius", paths, lambda: _by_square(transform, box))
    radius = _radii(box)
    weight = torch.ones_like(radius)

    def logarithms() -> Float64[Tensor, "shell"]:
        return _log_means(sums * weight, counts, radius, shells) - 3 * np.log(box)

    steps = {"original": logarithms()}
    if request.mtf:
        weight = weight / _mtf(request, radius, box, extent_A)
        steps["mtf_corrected"] = logarithms()
    if request.fsc:
        weight = weight * _fsc_weight(request.fsc, radius)
        steps["weighted"] = logarithms()
    frequency = torch.arange(shells, dtype=torch.float64) / extent_A
    before = logarithms()
    mask = chosen_mask(request, cache, (box,) * 3)
    if mask is not None:
        # whatever the B-factor is: it is asked for again with each move of that
        alike = request.mtf_pixel_size_A, request.fsc, request.made_mask, pixel_size_A
        made_from = request.made_mask.map if request.made_mask is not None else request.mask
        files = (*paths, made_from, *([request.mtf] if request.mtf else []))
        before = steps["inside_mask"] = cache.get(
            ("inside", *alike), files, lambda: _inside(transform, weight, mask, shells)
        )
    is_used = frequency >= 1.0 / request.fit_lowest_resolution_A
    if request.fit_highest_resolution_A > 0:
        is_used &= frequency <= 1.0 / request.fit_highest_resolution_A
    fit = guinier_fit(frequency.square(), before, is_used)
    b_factor_A2 = request.b_factor_A2
    if b_factor_A2 is None:
        b_factor_A2 = 0.0 if fit is None else fit.b_factor_A2
    if b_factor_A2:
        weight = weight * _b_factor(b_factor_A2, radius, box, extent_A)
    steps["sharpened"] = logarithms()
    steps["squared_per_A2"] = frequency.square()
    line: dict[str, Any] | None = None
    if fit is not None:
        used = frequency.square()[is_used & (before > NO_AMPLITUDE)]
        line = {
            "slope_A2": fit.slope_A2,
            "intercept": fit.intercept,
            "squared_correlation": fit.correlation,
            "points": fit.points,
            "b_factor_A2": fit.b_factor_A2,
            "region": "whole box" if mask is None else "inside the mask",
            "from_per_A2": float(used.min()),
            "to_per_A2": float(used.max()),
        }
    said = {"fit": line, "b_factor_A2": b_factor_A2, "extent_A": extent_A, "box": box}
    return said, {name: values.numpy() for name, values in steps.items()}


def _inside(
    transform: Complex[Tensor, "z y xhalf"],
    weight: Radii,
    mask: Float32[Tensor, "z y x"],
    shells: int,
) -> Float64[Tensor, "shell"]:
    """ln of the mean amplitude of each shell of what a map holds inside a mask after a weight by |k|^2."""
    weighted = transform * weight.float()[squared_radius(len(mask))]
    alone = torch.fft.irfftn(weighted, s=mask.shape) * mask
    return log_amplitudes(torch.fft.rfftn(alone, norm="forward"), shells)


def _mean_transform(
    request: preview.SharpenedRequest | preview.GuinierRequest, cache: MapCache
) -> tuple[Complex[Tensor, "z y xhalf"], float]:
    """The transform of a map, or of the mean of two, and the pixel size."""
    first, second = request.map, request.second_map
    pixel_size_A = request.pixel_size_A or cache.volume(first)[1]
    if not second:
        return cache.transform(first), pixel_size_A
    if cache.volume(second)[0].shape != cache.volume(first)[0].shape:
        raise InputError(f"{first} and {second} differ in box: choose two half-maps")
    paths = (first, second)
    both = cache.get("mean", paths, lambda: torch.fft.rfftn(_mean(paths, cache)))
    return both, pixel_size_A


def _mean(paths: tuple[str, str], cache: MapCache) -> Float32[Tensor, "z y x"]:
    return (cache.volume(paths[0])[0] + cache.volume(paths[1])[0]) / 2


def _radii(box: int) -> Radii:
    """|k| by |k|^2."""
    return torch.arange(3 * (box // 2) ** 2 + 1, dtype=torch.float64).sqrt()


def _by_square(
    transform: Complex[Tensor, "z y xhalf"], box: int
) -> tuple[Float64[Tensor, "square"], Float64[Tensor, "square"]]:
    """Sums of amplitudes, and how many there are, by |k|^2."""
    square = squared_radius(box).flatten()
    length = 3 * (box // 2) ** 2 + 1
    sums = torch.bincount(square, transform.abs().double().flatten(), minlength=length)
    return sums, torch.bincount(square, minlength=length).double()


def _log_means(
    sums: Float64[Tensor, "square"],
    counts: Float64[Tensor, "square"],
    radius: Radii,
    shells: int,
) -> Float64[Tensor, "shell"]:
    """ln of the mean of each shell; -99 for one without any amplitude."""
    shell = (radius + 0.5).long().clamp(max=shells)
    total = torch.bincount(shell, sums, minlength=shells + 1)[:shells]
    mean = total / torch.bincount(shell, counts, minlength=shells + 1)[:shells]
    return torch.where(mean > 0, mean.clamp(min=1e-300).log(), NO_AMPLITUDE)


def _fsc_weight(fsc: tuple[float, ...], radius: Radii) -> Radii:
    """The weight of each shell, 0 beyond the last one."""
    curve = torch.tensor(fsc, dtype=torch.float64)
    shell = (radius + 0.5).long().clamp(max=len(curve))
    return torch.cat([fsc_filter(curve), curve.new_zeros(1)])[shell]


def _b_factor(b_factor_A2: float, radius: Radii, box: int, extent_A: float) -> Radii:
    factor = torch.exp(-b_factor_A2 / 4 * (radius / extent_A).square())
    return factor * (radius <= box / 2)


def _mtf(
    request: preview.SharpenedRequest | preview.GuinierRequest,
    radius: Radii,
    box: int,
    extent_A: float,
) -> Radii:
    """What the detector has left of each amplitude below the Nyquist frequency, and 1 from there on."""
    if request.mtf_pixel_size_A <= 0:
        raise InputError("the MTF needs the pixel size of the detector")
    frequency, value = read_mtf(request.mtf)
    mtf = mtf_weight(radius / extent_A, frequency, value, request.mtf_pixel_size_A)
    return mtf.where(radius < box / 2, 1.0)


def _slice_weight(request: preview.SharpenedRequest, box: int, extent_A: float) -> Radii:
    """All steps together as a function of |k|^2, as post-processing applies them."""
    radius = _radii(box)
    weight = torch.ones_like(radius)
    if request.mtf:
        weight = weight / _mtf(request, radius, box, extent_A)
    if request.fsc:
        weight = weight * _fsc_weight(request.fsc, radius)
    if request.b_factor_A2:
        weight = weight * _b_factor(request.b_factor_A2, radius, box, extent_A)
    if request.lowpass_A:
        centre = int(extent_A / request.lowpass_A + 0.5)
        position = ((radius - (centre - 1)) / 2).clamp(0.0, 1.0)
        weight = weight * (0.5 + 0.5 * torch.cos(torch.pi * position))
    return weight
