"""The answers of the preview worker: each takes a request and the cache, and gives values and arrays."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from compute.jobs.map_cache import MapCache
from compute.jobs.preview_forecast import memory_forecast
from compute.jobs.preview_masked import curves, levels, made_mask
from compute.jobs.preview_particle import particle
from compute.jobs.preview_sharpened import guinier, sharpened
from compute.jobs.preview_slices import Answer, facts, in_grey
from compute.params import preview
from compute.params.preview import SliceChoice
from compute.signal.fsc import DENSITY_DA_PER_A3
from compute.signal.resize import lower_frequencies
from compute.signal.slices import slice_of

CONTRAST_BINS = 4096


def answer(request: preview.PreviewRequest, cache: MapCache) -> Answer:
    """Values and arrays that answer a request; ValueError (one sentence) where it cannot be answered."""
    answers: dict[str, Callable[[Any, MapCache], Answer]] = {
        "slices": slices,
        "histogram": histogram,
        "levels": levels,
        "mask": mask,
        "sharpened": sharpened,
        "guinier": guinier,
        "fsc": curves,
        "volume": volume,
        "particle": lambda asked, _: particle(asked),
        "forecast": lambda asked, _: memory_forecast(asked),
    }
    return answers[request.what](request, cache)


def slices(request: preview.SlicesRequest, cache: MapCache) -> Answer:
    """Slices of a map."""
    values, pixel_size_A = cache.volume(request.map)
    low, high = _limits(request, request.map, cache)
    planes = {
        axis: slice_of(values, axis, request.index(axis, len(values))) for axis in request.axes
    }
    said = facts(request, len(values), pixel_size_A) | {"low": low, "high": high}
    return said, in_grey(planes, low, high)


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
    arrays = in_grey({axis: slice_of(made, axis, n) for axis, n in places.items()}, 0.0, 1.0)
    share = int(torch.count_nonzero(made > 0.5)) / made.numel()
    volume_A3 = share * (len(made) * pixel_size_A) ** 3
    said = facts(request, len(made), pixel_size_A) | {
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


def volume(request: preview.VolumeRequest, cache: MapCache) -> Answer:
    """A map on fewer voxels, by leaving out the highest frequencies; its densities stay as they are."""
    values, pixel_size_A = cache.volume(request.map)
    box = len(values)
    small = min(request.box - request.box % 2, box)
    if small < box:
        values = lower_frequencies(cache.transform(request.map), small)
    said = {
        "box": small,
        "pixel_size_A": pixel_size_A * box / small,
        "minimum": float(values.min()),
        "maximum": float(values.max()),
    }
    return said, {"volume": values.numpy()}


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
