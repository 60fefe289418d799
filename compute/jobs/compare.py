"""The comparison of a map with a known one."""

import json
from pathlib import Path

import torch
from jaxtyping import Complex, Float, Float64
from torch import Tensor

from compute.files.atomic import write_whole
from compute.files.errors import InputError
from compute.files.mrc import MapFile, read_map
from compute.params.compare import CompareParams
from compute.signal.fsc import crossing, fsc, resolution_A
from compute.signal.masks import sphere

THRESHOLDS = {"0.5": 0.5, "0.143": 0.143}
PIXEL_SIZE_TOLERANCE = 1e-3
"""Relative difference over which pixel sizes differ: a tenth of a shell at a box of 200."""


def run(params: CompareParams) -> None:
    """Write the FSC of two maps and where it crosses 0.5 and 0.143 as JSON, and print the figures.

    Raises InputError when the maps, or their mask, differ in box or pixel size.
    """
    first, second = read_map(Path(params.map)), read_map(Path(params.truth))
    _check_alike((params.map, params.truth), (first, second))
    if params.mask:
        mask = read_map(Path(params.mask))
        _check_alike((params.map, params.mask), (first, mask))
        curve = fsc_inside(first, second, torch.from_numpy(mask.volume))
    else:
        curve = masked_fsc(first, second, params.mask_radius_A, params.mask_edge_px)
    extent_A = first.volume.shape[0] * first.pixel_size_A
    crossings = {
        name: {
            "shell": crossing(curve, level),
            "resolution_A": resolution_A(curve, level, extent_A),
        }
        for name, level in THRESHOLDS.items()
    }
    result = {
        "map": params.map,
        "truth": params.truth,
        "mask": params.mask,
        "mask_radius_A": params.mask_radius_A,
        "shell_resolution_A": [None, *(extent_A / shell for shell in range(1, len(curve)))],
        "fsc": curve.tolist(),
        "mean_fsc": float(curve[1:].mean()),
        "crossings": crossings,
    }
    write_whole(Path(params.output), (json.dumps(result, indent=2) + "\n").encode())
    figures = ", ".join(
        f"FSC {name} at {found['resolution_A']:.2f} Å (shell {found['shell']})"
        for name, found in crossings.items()
    )
    print(f"{figures}, mean FSC {result['mean_fsc']:.3f}", flush=True)


def masked_fsc(
    first: MapFile, second: MapFile, radius_A: float, edge_px: float
) -> Float64[Tensor, "shell"]:
    """The FSC of two maps inside a soft sphere, or of the whole maps where its radius is 0."""
    box = first.volume.shape[0]
    mask = sphere(box, radius_A / first.pixel_size_A, edge_px) if radius_A > 0 else torch.ones(())
    return fsc_inside(first, second, mask)


def fsc_inside(
    first: MapFile, second: MapFile, mask: Float[Tensor, "..."]
) -> Float64[Tensor, "shell"]:
    """The FSC of two maps times a mask, up to Nyquist."""

    def transform(given: MapFile) -> Complex[Tensor, "z y xhalf"]:
        return torch.fft.rfftn(torch.from_numpy(given.volume) * mask)

    return fsc(transform(first), transform(second), first.volume.shape[0] // 2 + 1)


def _check_alike(names: tuple[str, str], maps: tuple[MapFile, MapFile]) -> None:
    """Raises InputError for maps of different boxes or pixel sizes."""
    boxes = [one.volume.shape[0] for one in maps]
    if boxes[0] != boxes[1]:
        raise InputError(
            f"{names[0]} has a box of {boxes[0]} and {names[1]} one of {boxes[1]}: "
            "only maps of one box can be compared"
        )
    sizes = [one.pixel_size_A for one in maps]
    if abs(sizes[0] / sizes[1] - 1) > PIXEL_SIZE_TOLERANCE:
        raise InputError(
            f"{names[0]} has pixels of {sizes[0]:.4f} Å and {names[1]} of {sizes[1]:.4f} Å: "
            "only maps of one pixel size can be compared"
        )
