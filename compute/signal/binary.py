"""Binary masks: grown or shrunk, cleaned of dust, with small cavities filled, and given a soft edge."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32
from scipy import ndimage

from compute.signal.distance import bounds, distance_from


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A binary mask of which pieces were taken away or holes filled, and how many of what size (voxels)."""

    is_inside: Bool[np.ndarray, "z y x"]
    pieces: int
    removed_pieces: int
    removed_voxels: int


def extended(is_inside: Bool[np.ndarray, "z y x"], extend_px: float) -> Bool[np.ndarray, "z y x"]:
    """The mask grown to all voxels nearer than `extend_px`, or shrunk by all nearer than that to its outside.

    Distances equal to `extend_px` do not count; what lies outside the box does not either (jobs_and_files §5.2).
    """
    reach = math.ceil(abs(extend_px)) + 1
    around = bounds(is_inside, reach)
    made = is_inside.copy()
    if extend_px == 0 or around is None:
        return made
    if extend_px > 0:
        made[around] |= distance_from(is_inside[around], reach) < extend_px
    else:
        made[around] &= ~(distance_from(~is_inside[around], reach) < -extend_px)
    return made


def softened(is_inside: Bool[np.ndarray, "z y x"], edge_px: float) -> Float32[np.ndarray, "z y x"]:
    """The mask as numbers, 1 inside, with a cosine that reaches 0 at a distance of `edge_px` from the inside."""
    reach = math.ceil(edge_px) + 1
    around = bounds(is_inside, reach)
    mask = np.zeros(is_inside.shape, dtype=np.float32)
    if around is not None:
        mask[around] = soft_edge(distance_from(is_inside[around], reach), edge_px)
    return mask


def soft_edge(
    distance: Float32[np.ndarray, "z y x"], edge_px: float
) -> Float32[np.ndarray, "z y x"]:
    """1 at distance 0 and below, 0.5 + 0.5 cos(π d / edge) at distance d, 0 from the edge's width on."""
    mask = (distance <= 0).astype(np.float32)
    is_edge = (distance > 0) & (distance < edge_px)
    mask[is_edge] = 0.5 + 0.5 * np.cos(np.pi * distance[is_edge].astype(np.float64) / edge_px)
    return mask


def without_dust(is_inside: Bool[np.ndarray, "z y x"], smallest_fraction: float) -> Cleaned:
    """The mask without pieces smaller than a fraction of the largest; voxels hang together by faces."""
    around = bounds(is_inside, 0)
    if around is None:
        return Cleaned(is_inside, 0, 0, 0)
    labels, pieces = ndimage.label(is_inside[around])
    if pieces == 1:
        return Cleaned(is_inside, 1, 0, 0)
    sizes = np.bincount(labels[is_inside[around]], minlength=pieces + 1)
    is_dust = sizes < smallest_fraction * sizes.max()
    is_dust[0] = False
    cleaned = is_inside.copy()
    cleaned[around] &= ~is_dust[labels]
    return Cleaned(cleaned, pieces, int(is_dust.sum()), int(sizes[is_dust].sum()))


def without_holes(is_inside: Bool[np.ndarray, "z y x"], largest_voxels: float) -> Cleaned:
    """The mask with cavities of up to so many voxels filled; a cavity has no way out through faces."""
    around = bounds(is_inside, 1)
    if around is None:
        return Cleaned(is_inside, 0, 0, 0)
    labels, pieces = ndimage.label(~is_inside[around])
    is_hole = np.ones(pieces + 1, dtype=bool)
    is_hole[0] = False
    for axis in range(3):
        for side in (0, -1):
            is_hole[np.unique(np.take(labels, side, axis=axis))] = False
    if not is_hole.any():
        return Cleaned(is_inside, pieces, 0, 0)
    sizes = np.bincount(labels.ravel(), minlength=pieces + 1)
    is_hole &= sizes <= largest_voxels
    filled = is_inside.copy()
    filled[around] |= is_hole[labels]
    return Cleaned(filled, pieces, int(is_hole.sum()), int(sizes[is_hole].sum()))
