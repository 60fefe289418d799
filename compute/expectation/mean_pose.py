"""The pose that is recorded for an image in a local search: the mean of its posterior around the best pose."""

import torch
from jaxtyping import Float
from torch import Tensor


def mean_pose(
    rotations: Float[Tensor, "orientation 3 3"],
    offsets_A: Float[Tensor, "translation 2"],
    weights: Float[Tensor, "orientation translation"],
    best: tuple[int, int],
    reach_rad: float,
) -> tuple[Float[Tensor, "3 3"], Float[Tensor, " 2"]]:
    """Mean rotation and offset of the posterior weights, over the orientations within reach of the best one.

    Of all estimates it has the smallest expected squared error, and it is finer than the grid. Rotations are averaged
    as rotation vectors relative to the best one; those out of reach belong to another peak and do not count.
    best: row and column of the best pose.
    """
    row, column = best
    centre = rotations[row]
    vectors = rotation_vectors(rotations @ centre.T)
    near = (vectors.norm(dim=1) <= reach_rad).to(weights)
    per_row = weights.sum(1) * near
    total = per_row.sum()
    if not float(total) > 0:
        return centre, offsets_A[column]
    mean = (per_row[:, None] * vectors).sum(0) / total
    shares = (weights * near[:, None]).sum(0) / total
    return turn(mean) @ centre, (shares.to(offsets_A)[:, None] * offsets_A).sum(0)


def rotation_vectors(turns: Float[Tensor, "orientation 3 3"]) -> Float[Tensor, "orientation 3"]:
    """Rotation vectors (radians) of rotation matrices by less than 180 degrees."""
    skew = torch.stack(
        [
            turns[:, 2, 1] - turns[:, 1, 2],
            turns[:, 0, 2] - turns[:, 2, 0],
            turns[:, 1, 0] - turns[:, 0, 1],
        ],
        dim=1,
    )
    sine = 0.5 * skew.norm(dim=1)
    trace = turns.diagonal(dim1=1, dim2=2).sum(1)
    angle = torch.atan2(sine, 0.5 * (trace - 1))
    stretch = torch.where(sine > 1e-6, angle / sine.clamp(min=1e-6), torch.ones_like(angle))
    return 0.5 * skew * stretch[:, None]


def turn(vector: Float[Tensor, " 3"]) -> Float[Tensor, "3 3"]:
    """The matrix of a rotation vector (radians)."""
    x, y, z = vector.unbind()
    zero = torch.zeros_like(x)
    skew = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero]).view(3, 3)
    return torch.linalg.matrix_exp(skew)
