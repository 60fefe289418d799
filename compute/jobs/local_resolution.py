"""Local resolution: where two half-maps agree how far, and the map filtered accordingly."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from compute.files import events
from compute.files.atomic import write_whole
from compute.files.errors import InputError
from compute.files.mrc import write_map
from compute.files.postprocess_files import read_mtf
from compute.jobs.half_fsc import HalfFsc, measure
from compute.jobs.half_pair import HalfPair, read_half_pair
from compute.jobs.local_pictures import write_picture
from compute.jobs.local_windows import resolved_frequencies
from compute.jobs.output import make_room
from compute.jobs.plain import Result
from compute.jobs.voice import Voice
from compute.params.local_resolution import LocalResolutionParams
from compute.signal.local_resolution import locally_filtered, sample_points, spread
from compute.signal.masks import sphere
from compute.signal.sharpening import apply_b_factor, divide_by_mtf

WINDOW_RESOLUTIONS, WINDOW_STEPS = 5.0, 8.0
SMALLEST_WINDOW_PX = 10.0
MOST_POINTS = 60_000
"""More points are not measured: the step between them grows instead."""
LEVELS = 24
HISTOGRAM_BINS = 60


@dataclass(frozen=True, slots=True)
class Measured:
    """The resolution (Å) at each voxel and at the points, the points' step (voxels) and the window (Å)."""

    resolution_A: Float32[Tensor, "z y x"]
    at_points_A: Float32[Tensor, "point"]
    step: int
    window_A: float
    weight: Float32[Tensor, "z y x"]


def run(params: LocalResolutionParams, voice: Voice) -> Result:
    """Measure local resolution and filter the map by it; all files begin with `params.output`."""
    voice.progress.enter("reading", total=1)
    mtf = read_mtf(params.mtf) if params.mtf else None
    pair = read_half_pair(params)
    root = Path(params.output)
    endings = ("_locres.mrc", "_locres_filtered.mrc", "_locres.png", "_locres.json")
    paths = [root.with_name(root.name + ending) for ending in endings]
    make_room(paths, 2 * 4 * pair.box**3 + (1 << 20), voice)
    for text in pair.warnings:
        voice.log.warning(text)
    voice.progress.enter("Fourier shell correlation", total=1)
    try:
        whole = measure(pair, params.random_seed, force_mask=True)
    except ValueError as error:
        raise InputError(str(error)) from None
    found = locally_measured(pair, whole, params, voice)
    voice.progress.enter("filtering", total=LEVELS)
    average = torch.fft.rfftn((pair.first + pair.second) / 2)
    if mtf is not None:
        average = divide_by_mtf(average, *mtf, params.mtf_pixel_size_A, pair.extent_A)
    average = apply_b_factor(average, params.b_factor_A2, pair.extent_A)
    sharp = torch.fft.irfftn(average, s=pair.first.shape)
    filtered = locally_filtered(
        sharp, 1.0 / found.resolution_A, pair.pixel_size_A, LEVELS, voice.progress.advance
    )
    voice.progress.enter("writing", total=1)
    summary = _summary(found, whole, params, pair)
    write_map(paths[0], found.resolution_A.numpy(), pair.pixel_size_A)
    write_map(paths[1], filtered.numpy(), pair.pixel_size_A)
    ends_A = (summary["percentiles_A"]["5"], summary["percentiles_A"]["95"])
    volumes = (filtered.numpy(), found.resolution_A.numpy(), found.weight.numpy())
    write_picture(str(paths[2]), *volumes, ends_A)
    write_whole(paths[3], (json.dumps(summary, indent=2, ensure_ascii=False) + "\n").encode())
    size: dict[str, Any] = {"box_size": pair.box, "pixel_size_A": pair.pixel_size_A}
    outputs = (
        events.Output(path=paths[0].name, content="local resolution map", **size),
        events.Output(path=paths[1].name, content="map", **size),
        events.Output(path=paths[2].name, content="report"),
        events.Output(path=paths[3].name, content="report"),
    )
    message = (
        f"Local resolution from {ends_A[0]:.2f} to {ends_A[1]:.2f} Å (5th to 95th percentile), median "
        f"{summary['median_A']:.2f} Å; the whole map: {whole.resolution_A():.2f} Å."
    )
    return Result(outputs, message, summary["median_A"], f"local FSC {params.threshold:g}, median")


def locally_measured(
    pair: HalfPair, whole: HalfFsc, params: LocalResolutionParams, voice: Voice
) -> Measured:
    """The resolution at points in the mask (without one: in the sphere that fits the box), and between them."""
    smallest_A = SMALLEST_WINDOW_PX * pair.pixel_size_A
    window_A = params.window_A or max(WINDOW_RESOLUTIONS * whole.resolution_A(), smallest_A)
    if not smallest_A <= window_A <= pair.extent_A / 2:
        raise InputError(
            f"a window of {window_A:.0f} Å does not suit a box of {pair.extent_A:.0f} Å with voxels of "
            f"{pair.pixel_size_A:.2f} Å: use {smallest_A:.0f} to {pair.extent_A / 2:.0f} Å (--window)"
        )
    weight = sphere(pair.box, pair.box / 2 - 3, 3.0) if pair.mask is None else pair.mask
    step = max(1, round((params.step_A or window_A / WINDOW_STEPS) / pair.pixel_size_A))
    while int((weight[::step, ::step, ::step] > 0).sum()) > MOST_POINTS:
        step += 1
    nodes, points = sample_points(weight > 0, step)
    if not len(points):
        raise InputError("no point of the grid lies inside the mask: use a smaller step (--step)")
    voice.log.line(
        f" {len(points)} points, {step * pair.pixel_size_A:.1f} Å apart, in windows of {window_A:.0f} Å."
    )
    frequency = resolved_frequencies(
        pair, whole, points, window_A, params.threshold, params.random_seed, voice
    ).clamp(min=1.0 / params.lowest_resolution_A)
    worst = float(torch.quantile(frequency, 0.01))
    everywhere = spread(frequency, nodes, step, pair.box, worst)
    return Measured(1.0 / everywhere, 1.0 / frequency, step, window_A, weight)


def _summary(
    found: Measured, whole: HalfFsc, params: LocalResolutionParams, pair: HalfPair
) -> dict[str, Any]:
    """Percentiles and the histogram of the resolution inside the mask, for pages and reports."""
    inside = found.resolution_A[found.weight > 0.5].numpy()
    marks = (1, 5, 25, 50, 75, 95, 99)
    percentiles = {
        str(m): float(v) for m, v in zip(marks, np.percentile(inside, marks), strict=True)
    }
    counts, edges = np.histogram(inside, HISTOGRAM_BINS)
    return {
        "median_A": percentiles["50"],
        "percentiles_A": percentiles,
        "histogram": {"edges_A": edges.tolist(), "voxels": counts.tolist()},
        "threshold": params.threshold,
        "window_A": found.window_A,
        "step_A": found.step * pair.pixel_size_A,
        "points": len(found.at_points_A),
        "whole_map_A": whole.resolution_A(),
        "pixel_size_A": pair.pixel_size_A,
        "mask": params.mask or None,
        "b_factor_A2": params.b_factor_A2,
    }
