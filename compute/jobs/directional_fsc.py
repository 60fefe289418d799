"""The FSC by direction: curves of cones, their mean and spread, and how anisotropic the map is."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from compute.files import events
from compute.files.atomic import write_whole
from compute.files.errors import InputError
from compute.jobs.half_fsc import THRESHOLD, HalfFsc, measure
from compute.jobs.half_pair import HalfPair, read_half_pair
from compute.jobs.output import make_room
from compute.jobs.plain import Result
from compute.jobs.voice import Voice
from compute.params.directional_fsc import DirectionalFscParams
from compute.sampling.healpix import direction_angles, direction_count
from compute.signal.directional_fsc import (
    ANISOTROPIC_BELOW,
    area_ratio,
    areas,
    directional_fsc,
    smoothed,
    unmeasured,
)
from compute.signal.fsc import corrected_curve, resolution_A

DEFINITION = (
    "Smallest over largest area under the FSC curves of all directions; the area of a curve is its sum over "
    "shells from 1 to the last one before it falls below 0.143, once it was made non-increasing by weighted least "
    "squares. 1 is isotropic; below 0.5 the map is "
    "called anisotropic."
)


def run(params: DirectionalFscParams, voice: Voice) -> Result:
    """Measure the FSC of all directions; the table is `<output>_directional_fsc.json`."""
    voice.progress.enter("reading", total=1)
    pair = read_half_pair(params)
    root = Path(params.output)
    path = root.with_name(root.name + "_directional_fsc.json")
    make_room([path], 1 << 24, voice)
    for text in pair.warnings:
        voice.log.warning(text)
    voice.progress.enter("Fourier shell correlation", total=1)
    try:
        whole = measure(pair, params.random_seed, force_mask=True)
    except ValueError as error:
        raise InputError(str(error)) from None
    angles = half_sphere(params.healpix_order)
    voice.progress.enter("directions", total=len(angles))
    curves = curves_by_direction(pair, whole, angles, params.half_angle_deg, voice)
    table = _table(pair, whole, angles, curves, params)
    write_whole(path, (json.dumps(table, ensure_ascii=False) + "\n").encode())
    ratio, worst, best = table["area_ratio"], table["worst_A"], table["best_A"]
    is_anisotropic = table["is_anisotropic"]
    message = (
        f"The map is {'anisotropic' if is_anisotropic else 'isotropic'}: area ratio {ratio:.2f} (limit "
        f"{ANISOTROPIC_BELOW}), {best:.2f} Å in the best direction and {worst:.2f} Å in the worst."
    )
    if is_anisotropic:
        voice.log.warning(
            f"Views along some directions are missing: the area ratio of directional FSC curves is {ratio:.2f}, "
            f"below {ANISOTROPIC_BELOW}.",
            code="anisotropic",
        )
    output = events.Output(path=path.name, content="FSC")
    return Result(
        (output,), message, whole.resolution_A(), f"FSC {THRESHOLD}, mean of all directions"
    )


def half_sphere(order: int) -> Float64[np.ndarray, "direction 2"]:
    """Azimuth and polar angle (degrees) of the HEALPix directions of one half of the sphere."""
    angles = direction_angles(order, np.arange(direction_count(order)))
    azimuth, polar = angles[:, 0] % 360.0, angles[:, 1]
    is_level = np.abs(polar - 90.0) < 1e-6
    return np.column_stack([azimuth, polar])[(polar < 90.0 - 1e-6) | (is_level & (azimuth < 180.0))]


def curves_by_direction(
    pair: HalfPair,
    whole: HalfFsc,
    angles_deg: Float64[np.ndarray, "direction 2"],
    half_angle_deg: float,
    voice: Voice | None = None,
) -> Float64[Tensor, "direction shell"]:
    """The curve of each direction, inside the mask and freed of what the mask alone correlates."""
    halves = [half if pair.mask is None else half * pair.mask for half in (pair.first, pair.second)]
    transforms = [torch.fft.rfftn(half) for half in halves]
    plain_maps = [torch.fft.rfftn(half) for half in (pair.first, pair.second)]
    is_empty = unmeasured(plain_maps[0], plain_maps[1])
    azimuth, polar = np.radians(angles_deg).T
    vectors = np.stack(
        [np.sin(polar) * np.cos(azimuth), np.sin(polar) * np.sin(azimuth), np.cos(polar)], axis=1
    )
    plain = whole.unmasked if whole.masked is None else whole.masked
    curves = []
    for curve in directional_fsc(
        transforms[0], transforms[1], torch.from_numpy(vectors), half_angle_deg, plain, is_empty
    ):
        if whole.randomised is not None and whole.randomised_from_shell is not None:
            curve = corrected_curve(curve, whole.randomised, whole.randomised_from_shell)
        curves.append(curve)
        if voice is not None:
            voice.progress.advance()
    return torch.stack(curves)


def _table(
    pair: HalfPair,
    whole: HalfFsc,
    angles_deg: Float64[np.ndarray, "direction 2"],
    curves: Float64[Tensor, "direction shell"],
    params: DirectionalFscParams,
) -> dict[str, Any]:
    """Curves, their statistics, and the resolution of each direction for a map of the sphere."""
    smooth = smoothed(curves)
    found_A = [resolution_A(curve, THRESHOLD, pair.extent_A) for curve in smooth]
    ratio = area_ratio(smooth)
    shells = torch.arange(curves.shape[1])
    return {
        "area_ratio": ratio,
        "is_anisotropic": ratio < ANISOTROPIC_BELOW,
        "definition": DEFINITION,
        "threshold": THRESHOLD,
        "half_angle_deg": params.half_angle_deg,
        "healpix_order": params.healpix_order,
        "whole_map_A": whole.resolution_A(),
        "mean_A": float(np.mean(found_A)),
        "deviation_A": float(np.std(found_A)),
        "best_A": min(found_A),
        "worst_A": max(found_A),
        "pixel_size_A": pair.pixel_size_A,
        "mask": params.mask or None,
        "frequency_per_A": (shells / pair.extent_A).tolist(),
        "whole": whole.final.tolist(),
        "mean": curves.mean(0).tolist(),
        "deviation": curves.std(0).tolist(),
        "minimum": curves.min(0).values.tolist(),
        "maximum": curves.max(0).values.tolist(),
        "directions": [
            {
                "azimuth_deg": float(azimuth),
                "polar_deg": float(polar),
                "resolution_A": value,
                "area": float(area),
                "fsc": [round(one, 5) for one in curve.tolist()],
            }
            for (azimuth, polar), value, area, curve in zip(
                angles_deg, found_A, areas(smooth), curves, strict=True
            )
        ],
    }
