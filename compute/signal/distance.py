"""Distances from a set of voxels, exact within a reach and within bounded memory."""

import numpy as np
import torch
from jaxtyping import Bool, Float32
from scipy import ndimage
from torch import Tensor

SLAB_PLANES = 32
"""Distances are computed for so many planes at a time where all at once would take too much memory."""
BYTES_PER_VOXEL = 60
"""What a distance transform takes while it runs."""
SLAB_BYTES = 1 << 29
FARTHEST_BY_SHIFTS = 24
"""Up to this reach shifted copies are compared, which is faster than a distance transform by far."""
BEYOND = 16_000
"""A squared distance beyond every one that is looked for by shifts (int16, with room for three additions)."""
FARTHEST_IN_16_BITS = 74
"""BEYOND and three times the square of this are the last that 16 bits hold."""


def distance_from(is_inside: Bool[np.ndarray, "z y x"], reach: int) -> Float32[np.ndarray, "z y x"]:
    """The Euclidean distance, in voxels, of every voxel from the nearest one inside.

    It is exact up to `reach`; beyond that it is some larger value, or infinite. What lies outside the box does not
    count. The work is done in slabs of planes around what is inside.
    """
    distance = np.full(is_inside.shape, np.inf, dtype=np.float32)
    around = bounds(is_inside, reach)
    if around is None:
        return distance
    near, target = is_inside[around], distance[around]
    affordable = SLAB_BYTES // (BYTES_PER_VOXEL * near.shape[1] * near.shape[2])
    step = max(SLAB_PLANES, affordable - 2 * reach)
    for first in range(0, len(near), step):
        planes = slice(first, min(first + step, len(near)))
        target[planes] = distance_in_planes(near, planes, reach)
    return distance


def distance_in_planes(
    is_inside: Bool[np.ndarray, "z y x"], planes: slice, reach: int
) -> Float32[np.ndarray, "plane y x"]:
    """The same for some planes of the box only."""
    first = max(0, planes.start - reach)
    near = is_inside[first : planes.stop + reach]
    if not near.any():
        return np.full(is_inside[planes].shape, np.inf, dtype=np.float32)
    wanted = slice(planes.start - first, planes.stop - first)
    if reach <= FARTHEST_BY_SHIFTS:
        return distance_by_shifts(torch.from_numpy(near), reach).numpy()[wanted]
    distance: np.ndarray = ndimage.distance_transform_edt(~near)
    return distance[wanted].astype(np.float32)


def distance_by_shifts(is_inside: Bool[Tensor, "z y x"], reach: int) -> Float32[Tensor, "z y x"]:
    """Distances exact up to `reach` voxels: along one axis after the other, the least of all shifted squares.

    Raises ValueError for a reach that squared distances in 16 bits have no room for.
    """
    if reach > FARTHEST_IN_16_BITS:
        raise ValueError(
            f"distances up to {FARTHEST_IN_16_BITS} are found by shifts, not to {reach}"
        )
    squared = is_inside.logical_not().to(torch.int16).mul_(BEYOND)
    found, moved = torch.empty_like(squared), torch.empty_like(squared)
    for axis in range(3):
        found.copy_(squared)
        length = squared.shape[axis]
        for step in range(1, min(reach, length - 1) + 1):
            torch.add(squared, step * step, out=moved)
            ahead = found.narrow(axis, step, length - step)
            behind = found.narrow(axis, 0, length - step)
            torch.minimum(ahead, moved.narrow(axis, 0, length - step), out=ahead)
            torch.minimum(behind, moved.narrow(axis, step, length - step), out=behind)
        squared, found = found, squared
    return squared.float().sqrt_()


def bounds(is_inside: Bool[np.ndarray, "z y x"], margin: int) -> tuple[slice, slice, slice] | None:
    """The slices that hold everything inside and `margin` voxels more; None where nothing is inside."""
    over_x, over_z = np.asarray(is_inside.any(axis=2)), np.asarray(is_inside.any(axis=0))
    slices = []
    for line in (over_x.any(axis=1), over_x.any(axis=0), over_z.any(axis=0)):
        places = np.flatnonzero(line)
        if not len(places):
            return None
        slices.append(slice(max(0, int(places[0]) - margin), int(places[-1]) + margin + 1))
    return slices[0], slices[1], slices[2]
