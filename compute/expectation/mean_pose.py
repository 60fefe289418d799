"""The pose that is recorded for an image in a local search: the mean of its posterior around the best pose."""

import torch
from jaxtyping import Float, Int
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


def mean_poses(
    image_of: Int[Tensor, " pair"],
    rotations: Float[Tensor, "pair 3 3"],
    offsets_A: Float[Tensor, "image translation 2"],
    weights: Float[Tensor, "pair translation"],
    best: tuple[Float[Tensor, "image 3 3"], Float[Tensor, "image 2"]],
    reach_rad: float,
) -> tuple[Float[Tensor, "image 3 3"], Float[Tensor, "image 2"]]:
    """The `mean_pose` of many images, each with its pairs; the best pose itself of those whose weights all vanish."""
    images, centre = len(offsets_A), best[0]
    vectors = rotation_vectors(rotations @ centre[image_of].transpose(1, 2))
    near = (vectors.norm(dim=1) <= reach_rad).to(weights)
    per_pair = weights.sum(1) * near
    total = torch.zeros(images, device=weights.device).index_add_(0, image_of, per_pair)
    divisor = torch.where(total > 0, total, 1.0)
    mean = torch.zeros(images, 3, device=weights.device)
    mean.index_add_(0, image_of, per_pair[:, None] * vectors)
    shares = torch.zeros(images, weights.shape[1], device=weights.device)
    shares.index_add_(0, image_of, weights * near[:, None])
    offset_A = ((shares / divisor[:, None]).to(offsets_A)[:, :, None] * offsets_A).sum(1)
    has_any = total > 0
    rotation = torch.where(has_any[:, None, None], turn(mean / divisor[:, None]) @ centre, centre)
    return rotation, torch.where(has_any[:, None], offset_A, best[1])


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


def turn(vectors: Float[Tensor, "*image 3"]) -> Float[Tensor, "*image 3 3"]:
    """The matrices of rotation vectors (radians)."""
    x, y, z = vectors.unbind(-1)
    zero = torch.zeros_like(x)
    skew = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=-1)
    return torch.linalg.matrix_exp(skew.view(*vectors.shape[:-1], 3, 3))
