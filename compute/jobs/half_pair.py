"""Two half-maps and a mask as files: the partner's name, and every check before work starts."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from compute.files.errors import InputError
from compute.files.mrc import MapFile, read_map
from compute.params.postprocess import HalfMapParams
from compute.signal.resize import resize_map

PIXEL_SIZE_TOLERANCE = 1e-3
MASK_TOLERANCE = 1e-6
"""How far mask values may lie outside 0 to 1 by rounding."""


@dataclass(frozen=True, slots=True)
class HalfPair:
    """Two half-maps of one box, their mask (None without one) and the pixel size that counts."""

    first: Float32[Tensor, "z y x"]
    second: Float32[Tensor, "z y x"]
    mask: Float32[Tensor, "z y x"] | None
    pixel_size_A: float
    names: tuple[str, str]
    warnings: tuple[str, ...] = ()

    @property
    def box(self) -> int:
        """Edge of the box in voxels."""
        return self.first.shape[0]

    @property
    def extent_A(self) -> float:
        """Edge of the box in Å."""
        return self.box * self.pixel_size_A


def partner(name: str) -> str:
    """The name of the other half-map: half1 in the file's name becomes half2, or the other way round.

    Raises InputError where the name holds neither.
    """
    path = Path(name)
    for given, other in (("half1", "half2"), ("half2", "half1")):
        if given in path.name:
            start = path.name.rindex(given)
            return str(path.with_name(path.name[:start] + other + path.name[start + len(given) :]))
    raise InputError(
        f"{path.name} says neither half1 nor half2: choose both half-maps (--i and --i2)"
    )


def read_half_pair(params: HalfMapParams) -> HalfPair:
    """The half-maps and the mask of a job; InputError with one sentence for what cannot be used."""
    names = (params.half1, params.half2 or partner(params.half1))
    if Path(names[0]).resolve() == Path(names[1]).resolve():
        raise InputError(f"{names[0]} was chosen for both halves: choose two different half-maps")
    maps = tuple(_half_map(name) for name in names)
    _check_alike(names, maps)
    pixel_size_A = params.pixel_size_A or maps[0].pixel_size_A
    if pixel_size_A <= 0:
        raise InputError(f"{names[0]} says no pixel size in its header: give it with --angpix")
    warnings: list[str] = []
    mask = None
    if params.mask:
        mask = read_mask(params, maps[0], pixel_size_A, warnings)
    first, second = (torch.from_numpy(one.volume) for one in maps)
    return HalfPair(first, second, mask, pixel_size_A, names, tuple(warnings))


def read_mask(
    params: HalfMapParams, half: MapFile, pixel_size_A: float, warnings: list[str]
) -> Float32[Tensor, "z y x"]:
    """The mask on the half-maps' grid, within 0 to 1; InputError where it cannot serve."""
    given = read_map(params.mask)
    if not np.isfinite(given.volume).all():
        raise InputError(f"the mask {params.mask} has values that are not numbers: make it again")
    mask = torch.from_numpy(given.volume)
    own_A = given.pixel_size_A or half.pixel_size_A
    is_other_grid = mask.shape != half.volume.shape
    if is_other_grid and not params.fit_mask:
        raise InputError(
            f"the mask {params.mask} has a box of {_size(given.volume)} voxels and the half-maps one "
            f"of {_size(half.volume)}: make it for these maps, or let it be resampled (--fit-mask)"
        )
    if own_A > 0 and half.pixel_size_A > 0 and abs(own_A / half.pixel_size_A - 1) > 0.01:
        if params.fit_mask:
            is_other_grid = True
        else:
            warnings.append(
                f"the mask's header says {own_A:.4f} Å per voxel and the half-maps' "
                f"{half.pixel_size_A:.4f} Å; it is used voxel by voxel"
            )
    lowest, highest = float(mask.min()), float(mask.max())
    is_outside = lowest < -MASK_TOLERANCE or highest > 1 + MASK_TOLERANCE
    if is_outside and not params.clip_mask:
        raise InputError(
            f"the mask {params.mask} has values from {lowest:g} to {highest:g} but must stay within "
            "0 and 1: is it a map? If not, let it be clipped (--clip-mask)"
        )
    if is_other_grid:
        if len(set(mask.shape)) != 1 or own_A <= 0:
            raise InputError(f"the mask {params.mask} is not a cube with a pixel size: resample it")
        mask = resize_map(mask, own_A, half.pixel_size_A or pixel_size_A, half.volume.shape[0])
    mask = mask.clamp(0.0, 1.0)
    if not bool((mask > 0.5).any()):
        raise InputError(
            f"the mask {params.mask} is empty (no voxel above 0.5): make it with a lower threshold"
        )
    return mask


def _half_map(name: str) -> MapFile:
    """A half-map; InputError for one that is not a cube of numbers, or has the same value everywhere."""
    found = read_map(name)
    if len(set(found.volume.shape)) != 1 or found.volume.shape[0] % 2:
        raise InputError(
            f"{name} has a box of {_size(found.volume)} voxels but half-maps must be cubes of an "
            "even number of voxels"
        )
    if not np.isfinite(found.volume).all():
        raise InputError(f"{name} has values that are not numbers: reconstruct it again")
    if found.volume.min() == found.volume.max():
        raise InputError(f"{name} has the same value everywhere: it holds no map")
    return found


def _check_alike(names: tuple[str, str], maps: tuple[MapFile, ...]) -> None:
    """Raises InputError for half-maps of different grids, and for the same map twice."""
    first, second = maps
    if first.volume.shape != second.volume.shape:
        raise InputError(
            f"{names[0]} has a box of {_size(first.volume)} voxels and {names[1]} one of "
            f"{_size(second.volume)}: half-maps belong to one refinement"
        )
    sizes = first.pixel_size_A, second.pixel_size_A
    if min(sizes) > 0 and abs(sizes[0] / sizes[1] - 1) > PIXEL_SIZE_TOLERANCE:
        raise InputError(
            f"{names[0]} has voxels of {sizes[0]:.4f} Å and {names[1]} of {sizes[1]:.4f} Å: "
            "half-maps belong to one refinement"
        )
    scale = _scale_between(first.volume, second.volume)
    if scale is not None:
        raise InputError(
            f"{names[0]} and {names[1]} hold the same map: their FSC never drops below 0.8. Were "
            "both made from the same file? Half-maps come from separate halves of the particles"
        )


def _scale_between(
    first: Float[np.ndarray, "z y x"], second: Float[np.ndarray, "z y x"]
) -> float | None:
    """The factor between two maps that are multiples of each other to rounding; None for others."""
    a, b = first.astype(np.float64).ravel(), second.astype(np.float64).ravel()
    scale = float(a @ b) / float(b @ b)
    left = a - scale * b
    return scale if float(left @ left) < 1e-10 * float(a @ a) else None


def _size(volume: np.ndarray) -> str:
    return " x ".join(str(n) for n in volume.shape[::-1])
