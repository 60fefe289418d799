"""Distances from a set of voxels, exact and within bounded memory."""

import numpy as np
from jaxtyping import Bool, Float32
from scipy import ndimage

SLAB_PLANES = 32
"""Distances are computed for so many planes at a time where all at once would take too much memory."""
BYTES_PER_VOXEL = 60
"""What a distance transform takes while it runs."""
SLAB_BYTES = 1 << 29


def distance_from(is_inside: Bool[np.ndarray, "z y x"], reach: int) -> Float32[np.ndarray, "z y x"]:
    """The Euclidean distance, in voxels, of every voxel from the nearest one inside.

    It is exact up to `reach`; beyond that it is some larger value, or infinite. What lies outside the box does not
    count. The distance transform is applied to slabs of planes around what is inside.
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
    distance: np.ndarray = ndimage.distance_transform_edt(~near)
    return distance[planes.start - first : planes.stop - first].astype(np.float32)


def bounds(is_inside: Bool[np.ndarray, "z y x"], margin: int) -> tuple[slice, slice, slice] | None:
    """The slices that hold everything inside and `margin` voxels more; None where nothing is inside."""
    slices = []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        places = np.flatnonzero(is_inside.any(axis=others))
        if not len(places):
            return None
        slices.append(slice(max(0, int(places[0]) - margin), int(places[-1]) + margin + 1))
    return slices[0], slices[1], slices[2]
