"""A mask from a threshold, fast enough for a slider: distances by shifts, only as far as they are needed."""

import math

import torch
from jaxtyping import Bool, Float32, Int16
from torch import Tensor

FAR = 16_000
"""A squared distance beyond every one that is looked for (int16, with room for three additions)."""


def quick_mask(
    volume: Float32[Tensor, "z y x"], threshold: float, extend_px: float, soft_edge_px: float
) -> Float32[Tensor, "z y x"]:
    """1 where the map reaches the threshold, grown or shrunk by `extend_px`, with a cosine edge.

    A voxel is won at a distance below `extend_px` from the inside, or lost at one below -`extend_px` from
    the outside; the edge falls as 0.5 + 0.5 cos(pi d / edge) with the distance d from what is then inside.
    Neighbours outside the box do not count. Zero everywhere where the map never reaches the threshold.
    """
    is_inside = volume >= threshold
    margin = math.ceil(max(extend_px, 0.0) + soft_edge_px) + 1
    around = _bounds(is_inside, margin)
    mask = torch.zeros_like(volume)
    if around is None:
        return mask
    near = is_inside[around]
    if extend_px > 0:
        near = _squared_distance(near, math.ceil(extend_px)) < extend_px**2
    elif extend_px < 0:
        near = near & (_squared_distance(~near, math.ceil(-extend_px)) >= extend_px**2)
    if soft_edge_px <= 0:
        mask[around] = near.float()
        return mask
    reach = math.ceil(soft_edge_px)
    squared = _squared_distance(near, reach).clamp_(max=reach * reach)
    share = torch.arange(reach * reach + 1, dtype=torch.float64).sqrt() / soft_edge_px
    height = (0.5 + 0.5 * torch.cos(torch.pi * share.clamp(max=1.0))).float()
    mask[around] = height[squared.int()]
    return mask


def _squared_distance(is_inside: Bool[Tensor, "z y x"], reach: int) -> Int16[Tensor, "z y x"]:
    """The squared distance from the nearest voxel inside, exact up to `reach` voxels, else larger than that."""
    squared = torch.where(is_inside, 0, FAR).to(torch.int16)
    for axis in range(3):
        found = squared.clone()
        length = squared.shape[axis]
        for step in range(1, min(reach, length - 1) + 1):
            moved = squared + step * step
            ahead, behind = (
                found.narrow(axis, step, length - step),
                found.narrow(axis, 0, length - step),
            )
            torch.minimum(ahead, moved.narrow(axis, 0, length - step), out=ahead)
            torch.minimum(behind, moved.narrow(axis, step, length - step), out=behind)
        squared = found
    return squared


def _bounds(is_inside: Bool[Tensor, "z y x"], margin: int) -> tuple[slice, ...] | None:
    """The slices that hold everything inside and a margin; None where nothing is inside."""
    planes = is_inside.any(dim=2)
    lines = (planes.any(dim=1), planes.any(dim=0), is_inside.any(dim=0).any(dim=0))
    slices = []
    for line in lines:
        places = torch.nonzero(line)
        if not len(places):
            return None
        slices.append(slice(max(0, int(places[0]) - margin), int(places[-1]) + margin + 1))
    return tuple(slices)
