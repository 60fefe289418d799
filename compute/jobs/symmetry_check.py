"""Whether a start map has the symmetry that will be imposed on it."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from compute.sampling.symmetry import parse_symmetry
from compute.signal.fourier import lowpass
from compute.signal.resize import covering_box, without_high_frequencies

# Noise of a start map lies beyond this, its shape before it.
COMPARED_RESOLUTION_A = 20.0
PIXELS_PER_RESOLUTION = 4.0
# So many voxels are kept of finer maps: with half of them the steps of a ball's radii pass for a shape.
KEPT_PER_RESOLUTION = 8.0
LEAST_CORRELATION = 0.5
# A map with less of its power in its shape than this is a ball, which has every symmetry.
LEAST_SHAPE = 0.01


def symmetry_remark(
    volume: Float[Tensor, "z y x"], pixel_size_A: float, symmetry: str
) -> list[str]:
    """A warning where a map does not look like its point group, else nothing.

    The map is compared at 20 Å (or 4 pixels) without the mean of each radius, which all symmetries share; on no more
    voxels than that takes.
    """
    group = parse_symmetry(symmetry)
    if group.order == 1:
        return []
    finest_A = max(COMPARED_RESOLUTION_A, PIXELS_PER_RESOLUTION * pixel_size_A)
    box = volume.shape[0]
    enough = covering_box(box, pixel_size_A, finest_A / KEPT_PER_RESOLUTION)
    if enough < box:
        volume = without_high_frequencies(volume, enough)
        pixel_size_A *= box / enough
    smooth = lowpass(volume, pixel_size_A, finest_A)
    shape = without_radial_mean(smooth)
    if float(shape.var()) < LEAST_SHAPE * float(smooth.var()):
        return []
    worst = least_mate_correlation(shape, group.operators)
    if worst >= LEAST_CORRELATION:
        return []
    return [
        f"The reference correlates with its own {group.name} mates by {worst:.2f} only, where a map of this symmetry "
        "has nearly 1: it may have another symmetry, or not lie on the group's axes and centre."
    ]


def without_radial_mean(volume: Float[Tensor, "z y x"]) -> Float[Tensor, "z y x"]:
    """The map minus its mean at every radius, in steps of a voxel."""
    box = volume.shape[0]
    radius = _radii(box).round().long().reshape(-1)
    values = volume.reshape(-1).double()
    mean = torch.bincount(radius, values) / torch.bincount(radius).clamp(min=1)
    return (values - mean[radius]).float().reshape(volume.shape)


def least_mate_correlation(volume: Float[Tensor, "z y x"], operators: np.ndarray) -> float:
    """The smallest correlation of a map with its copies turned by the operators, inside a sphere of 0.9 boxes."""
    box = volume.shape[0]
    axis = (torch.arange(box) - box // 2).float()
    z, y, x = torch.meshgrid(axis, axis, axis, indexing="ij")
    inside = _radii(box) < 0.45 * box
    points = torch.stack([x[inside], y[inside], z[inside]], dim=1)
    values = volume[inside] - volume[inside].mean()
    worst = 1.0
    for operator in operators[1:]:
        turned = points @ torch.from_numpy(operator.T.copy()).float()
        grid = (turned + box // 2) * (2 / (box - 1)) - 1
        sampled = torch.nn.functional.grid_sample(
            volume[None, None], grid[None, None, None], align_corners=True
        ).view(-1)
        sampled = sampled - sampled.mean()
        score = (values @ sampled) / (values.norm() * sampled.norm()).clamp(min=1e-20)
        worst = min(worst, float(score))
    return worst


def _radii(box: int) -> Float[Tensor, "z y x"]:
    """Distance of every voxel from the centre, in voxels."""
    axis = (torch.arange(box) - box // 2).float()
    square = axis.square()
    return (square[:, None, None] + square[:, None] + square).sqrt()
