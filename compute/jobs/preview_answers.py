"""The answers of the preview worker: each takes a request and the cache, and gives values and arrays."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from jaxtyping import Complex, Float32
from torch import Tensor

from compute.files.errors import InputError
from compute.jobs.map_cache import MapCache
from compute.jobs.preview_masked import curves, made_mask
from compute.params import preview
from compute.params.preview import Axis, SliceChoice
from compute.signal.fsc import DENSITY_DA_PER_A3
from compute.signal.sharpening import fsc_filter
from compute.signal.slices import filtered_slices, grey, slice_of, squared_radius

Answer = tuple[dict[str, Any], dict[str, np.ndarray]]
CONTRAST_BINS = 4096


def answer(request: preview.PreviewRequest, cache: MapCache) -> Answer:
    """Values and arrays that answer a request; ValueError (one sentence) where it cannot be answered."""
    answers: dict[str, Callable[[Any, MapCache], Answer]] = {
        "slices": slices,
        "histogram": histogram,
        "mask": mask,
        "sharpened": sharpened,
        "fsc": curves,
        "volume": volume,
    }
    return answers[request.what](request, cache)


def slices(request: preview.SlicesRequest, cache: MapCache) -> Answer:
    """Slices of a map."""
    values, pixel_size_A = cache.volume(request.map)
    low, high = _limits(request, request.map, cache)
    planes = {
        axis: slice_of(values, axis, request.index(axis, len(values))) for axis in request.axes
    }
    said = _said(request, len(values), pixel_size_A) | {"low": low, "high": high}
    return said, _grey(planes, low, high)


def histogram(request: preview.HistogramRequest, cache: MapCache) -> Answer:
    """Counts of densities between the least and the largest one, and their moments."""
    values, pixel_size_A = cache.volume(request.map)
    counts, low, high = _counts(request.map, cache, request.bins)
    mean, deviation = cache.get("moments", (request.map,), lambda: _moments(values))
    said = {"minimum": low, "maximum": high, "mean": mean, "deviation": deviation}
    said |= {"box": len(values), "pixel_size_A": pixel_size_A}
    return said, {"counts": counts, "edges": np.linspace(low, high, request.bins + 1)}


def mask(request: preview.MaskRequest, cache: MapCache) -> Answer:
    """Slices of a mask, and what it encloses."""
    made, pixel_size_A = made_mask(request.mask, cache)
    places = {axis: request.index(axis, len(made)) for axis in request.axes}
    arrays = _grey({axis: slice_of(made, axis, n) for axis, n in places.items()}, 0.0, 1.0)
    share = int(torch.count_nonzero(made > 0.5)) / made.numel()
    volume_A3 = share * (len(made) * pixel_size_A) ** 3
    said = _said(request, len(made), pixel_size_A) | {
        "share_of_box": share,
        "volume_A3": volume_A3,
        "mass_kDa": volume_A3 * DENSITY_DA_PER_A3 / 1000.0,
        "is_empty": share == 0.0,
        "is_full": share == 1.0,
    }
    if request.volume_box:
        step = -(-len(made) // request.volume_box)
        arrays["volume"] = (255 * made[::step, ::step, ::step]).round().to(torch.uint8).numpy()
        said["volume_step"] = step
    return said, arrays


def sharpened(request: preview.SharpenedRequest, cache: MapCache) -> Answer:
    """Slices of a map after FSC weight, B-factor and low-pass, without making the whole map."""
    transform, pixel_size_A = _mean_transform(request.map, request.second_map, cache)
    box = len(transform)
    if pixel_size_A <= 0 and (request.b_factor_A2 or request.lowpass_A):
        raise InputError(f"{request.map} says no pixel size in its header")
    radius = cache.get(("radius", box), (), lambda: squared_radius(box))
    table = _radial_weight(request, box, box * pixel_size_A)
    weight = table[radius]
    places = [(axis, request.index(axis, box)) for axis in request.axes]
    planes = dict(zip(request.axes, filtered_slices(transform, weight, places), strict=True))
    low, high = request.low, request.high
    if low is None or high is None:
        shown = torch.cat([plane.flatten() for plane in planes.values()]).numpy()
        found = np.percentile(shown, [request.low_percentile, request.high_percentile])
        low, high = (
            float(found[0]) if low is None else low,
            float(found[1]) if high is None else high,
        )
    said = _said(request, box, pixel_size_A) | {"low": low, "high": high}
    return said, _grey(planes, low, high)


def volume(request: preview.VolumeRequest, cache: MapCache) -> Answer:
    """A map on fewer voxels, by leaving out the highest frequencies; its densities stay as they are."""
    values, pixel_size_A = cache.volume(request.map)
    box = len(values)
    small = min(request.box - request.box % 2, box)
    if small < box:
        transform = cache.transform(request.map)
        half = small // 2
        rows = torch.cat([torch.arange(half), torch.arange(box - half, box)])
        cut = transform[:, :, : half + 1][rows][:, rows]
        values = torch.fft.irfftn(cut, s=(small,) * 3) * (small / box) ** 3
    said = {
        "box": small,
        "pixel_size_A": pixel_size_A * box / small,
        "minimum": float(values.min()),
        "maximum": float(values.max()),
    }
    return said, {"volume": values.numpy()}


def _mean_transform(
    first: str, second: str, cache: MapCache
) -> tuple[Complex[Tensor, "z y xhalf"], float]:
    """The transform of a map, or of the mean of two, and the pixel size."""
    pixel_size_A = cache.volume(first)[1]
    if not second:
        return cache.transform(first), pixel_size_A
    if cache.volume(second)[0].shape != cache.volume(first)[0].shape:
        raise InputError(f"{first} and {second} differ in box: choose two half-maps")
    paths = (first, second)
    both = cache.get("mean", paths, lambda: torch.fft.rfftn(_mean(paths, cache)))
    return both, pixel_size_A


def _mean(paths: tuple[str, str], cache: MapCache) -> Float32[Tensor, "z y x"]:
    return (cache.volume(paths[0])[0] + cache.volume(paths[1])[0]) / 2


def _radial_weight(
    request: preview.SharpenedRequest, box: int, extent_A: float
) -> Float32[Tensor, "square"]:
    """FSC weight, B-factor and low-pass as a function of |k|^2, as post-processing applies them."""
    radius = torch.arange(3 * (box // 2) ** 2 + 1, dtype=torch.float64).sqrt()
    weight = torch.ones_like(radius)
    if request.fsc:
        curve = torch.tensor(request.fsc, dtype=torch.float64)
        shell = (radius + 0.5).long().clamp(max=len(curve))
        weight = torch.cat([fsc_filter(curve), curve.new_zeros(1)])[shell]
    if request.b_factor_A2:
        factor = torch.exp(-request.b_factor_A2 / 4 * (radius / extent_A).square())
        weight = weight * factor * (radius <= box / 2)
    if request.lowpass_A:
        centre = int(extent_A / request.lowpass_A + 0.5)
        position = ((radius - (centre - 1)) / 2).clamp(0.0, 1.0)
        weight = weight * (0.5 + 0.5 * torch.cos(torch.pi * position))
    return weight.float()


def _limits(choice: SliceChoice, path: str, cache: MapCache) -> tuple[float, float]:
    """The densities of black and white: as asked for, else the percentiles of the map."""
    counts, low, high = _counts(path, cache, CONTRAST_BINS)
    share = np.concatenate([[0.0], np.cumsum(counts)]) / max(1, counts.sum())
    edges = np.linspace(low, high, CONTRAST_BINS + 1)
    wanted = np.interp([choice.low_percentile / 100, choice.high_percentile / 100], share, edges)
    return (
        float(wanted[0]) if choice.low is None else choice.low,
        float(wanted[1]) if choice.high is None else choice.high,
    )


def _counts(path: str, cache: MapCache, bins: int) -> tuple[np.ndarray, float, float]:
    """The histogram of a map between its least and largest density."""
    values, _ = cache.volume(path)

    def counted() -> tuple[np.ndarray, float, float]:
        low, high = float(values.min()), float(values.max())
        if low == high:
            high = low + 1.0
        return torch.histc(values, bins, low, high).long().numpy(), low, high

    return cache.get(("histogram", bins), (path,), counted)


def _moments(values: Float32[Tensor, "z y x"]) -> tuple[float, float]:
    return float(values.mean(dtype=torch.float64)), float(values.std())


def _said(choice: SliceChoice, box: int, pixel_size_A: float) -> dict[str, Any]:
    """What every answer with slices says."""
    return {
        "box": box,
        "pixel_size_A": pixel_size_A,
        "index": {axis: choice.index(axis, box) for axis in choice.axes},
    }


def _grey(planes: dict[Axis, Tensor], low: float, high: float) -> dict[str, np.ndarray]:
    return {axis: grey(plane, low, high).numpy() for axis, plane in planes.items()}
