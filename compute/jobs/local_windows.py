"""How far two half-maps agree in windows around points, on no more voxels than that takes.

Maps are often sampled much finer than they resolve. The windows are therefore measured on maps that are cut, in
Fourier space, to frequencies somewhat beyond the whole map's resolution, with a fraction of the voxels; the few
points where these frequencies do not suffice are measured again on the maps as they are.
"""

import math
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float32, Float64, Int64
from torch import Tensor

from compute.jobs.half_fsc import HalfFsc
from compute.jobs.half_pair import HalfPair
from compute.jobs.voice import Voice
from compute.signal.fsc import RANDOMISE_BELOW
from compute.signal.local_resolution import (
    Window,
    corrected,
    crossing_frequency,
    good_box,
    local_fsc,
    make_window,
    non_increasing,
)
from compute.signal.random import generator
from compute.signal.random_phases import randomised_map
from compute.signal.resize import without_high_frequencies

RANDOM_WINDOWS = 400
FINER = 2.0
"""The cut maps hold frequencies up to so many times that of the whole map's resolution."""
NEAR_END = 0.75
"""A point that resolves more than this share of the cut maps' frequencies is measured again."""
WINDOW_PX = 12.0
"""The least diameter of a window in voxels of the cut maps."""
WORTH = 0.8
"""Maps are cut where that leaves less than this share of their edge."""


def resolved_frequencies(
    pair: HalfPair,
    whole: HalfFsc,
    points: Int64[Tensor, "point 3"],
    window_A: float,
    threshold: float,
    seed: int,
    voice: Voice,
) -> Float32[Tensor, "point"]:
    """The frequency (1/Å) at which the FSC in the window around each voxel (z, y, x) falls below a threshold."""
    box = sufficient_box(pair, whole.resolution_A(), window_A)
    if box == pair.box:
        return _measured(pair, whole, points, window_A, threshold, seed, voice)
    small = cut_pair(pair, box)
    voice.log.line(
        f" The half-maps are measured on {box} voxels of {small.pixel_size_A:.2f} Å, which hold all they resolve."
    )
    nearest = (points * (box / pair.box)).round().long().clamp(max=box - 1)
    found = _measured(small, whole, nearest, window_A, threshold, seed, voice)
    again = torch.nonzero(found > NEAR_END / (2 * small.pixel_size_A))[:, 0]
    if len(again):
        voice.log.line(f" {len(again)} points resolve more and are measured on all voxels.")
        found[again] = _measured(pair, whole, points, window_A, threshold, seed, voice, again)
    return found


def sufficient_box(pair: HalfPair, resolution_A: float, window_A: float) -> int:
    """The voxels along an edge that hold the frequencies which matter; all where fewer are not worth it."""
    finest_A = resolution_A / FINER
    least = max(2.0 * pair.extent_A / finest_A, WINDOW_PX * pair.extent_A / window_A)
    box = good_box(math.ceil(least))
    return box if box <= WORTH * pair.box else pair.box


def cut_pair(pair: HalfPair, box: int) -> HalfPair:
    """The half-maps on fewer voxels of the same extent, without their mask."""
    first, second = (without_high_frequencies(half, box) for half in (pair.first, pair.second))
    return replace(pair, first=first, second=second, mask=None, pixel_size_A=pair.extent_A / box)


def _measured(
    pair: HalfPair,
    whole: HalfFsc,
    points: Int64[Tensor, "point 3"],
    window_A: float,
    threshold: float,
    seed: int,
    voice: Voice,
    chosen: Int64[Tensor, "few"] | None = None,
) -> Float32[Tensor, "few"]:
    """The frequencies at chosen points, or at all; random phases are measured around any of the points."""
    window = make_window(window_A / pair.pixel_size_A)
    random = _random_phases(pair, whole, points, window, seed, voice)
    points = points if chosen is None else points[chosen]
    voice.progress.enter("local FSC", total=len(points))
    curves = local_fsc(pair.first, pair.second, points, window, voice.progress.advance)
    if random is not None:
        curves = corrected(curves, *random)
    extent_A = window.box * pair.pixel_size_A
    return crossing_frequency(non_increasing(curves, window.counts), threshold, extent_A)


def _random_phases(
    pair: HalfPair,
    whole: HalfFsc,
    points: Int64[Tensor, "point 3"],
    window: Window,
    seed: int,
    voice: Voice,
) -> tuple[Float64[Tensor, "shell"], int] | None:
    """The mean curve of windows on maps with random phases, and the first shell that it corrects."""
    below = torch.nonzero(whole.unmasked[1 : pair.box // 2 + 1] < RANDOMISE_BELOW)
    if not len(below):
        return None
    start = 1 + int(below[0])
    halves = [
        randomised_map(torch.fft.rfftn(half), pair.box, start, seed, number)
        for number, half in enumerate((pair.first, pair.second), start=1)
    ]
    draw = generator(seed, "windows with random phases")
    chosen = draw.choice(len(points), min(RANDOM_WINDOWS, len(points)), replace=False)
    some = points[torch.from_numpy(np.sort(chosen))]
    voice.progress.enter("random phases", total=len(some))
    curves = local_fsc(halves[0], halves[1], some, window, voice.progress.advance)
    from_shell = int(np.ceil(start * window.box / pair.box)) + 1
    return curves.double().mean(0), from_shell
