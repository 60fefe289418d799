"""Slicing and insertion in plain torch: the definition of both, and the path of every device without its own kernel."""

from collections.abc import Iterator

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

TEMPORARY_BYTES = 256_000_000
"""Indices, weights and values of all neighbours are kept for as many orientations at a time as fit into this."""
BYTES_PER_POINT = 410
"""What a sampled point takes meanwhile, as measured on a GPU: eight neighbours with index (8), weight (4), two or three
values (8 to 12) and their weighted copies, and the coordinates they come from."""


def corners(
    rotations: Float[Tensor, "orientation 3 3"],
    model_x: Float[Tensor, " pixel"],
    model_y: Float[Tensor, " pixel"],
    padding: int,
    shape: tuple[int, int, int],
) -> tuple[
    Int[Tensor, "8 orientation pixel"],
    Float[Tensor, "8 orientation pixel"],
    Float[Tensor, "orientation pixel"],
]:
    """Flat indices of the eight grid neighbours of every sampled point, their weights, and the sign of the half.

    A point with negative x is replaced by its Friedel mate, whose value is the complex conjugate: sign -1.
    """
    plane = torch.stack([model_x, model_y])
    points = padding * torch.einsum("oik,ip->kop", rotations[:, :2, :], plane)
    sign = torch.where(points[0] >= 0, 1.0, -1.0)
    points = points * sign
    points[1:] += (shape[0] - 1) // 2
    base = points.floor()
    part = points - base
    x, y, z = base.long()
    indices, weights = [], []
    for dz in (0, 1):
        for dy in (0, 1):
            for dx in (0, 1):
                indices.append(((z + dz) * shape[1] + y + dy) * shape[2] + x + dx)
                along_x = part[0] if dx else 1 - part[0]
                along_y = part[1] if dy else 1 - part[1]
                along_z = part[2] if dz else 1 - part[2]
                weights.append(along_x * along_y * along_z)
    return torch.stack(indices), torch.stack(weights), sign


def slices(
    values: Float[Tensor, "z y x 2"],
    rotations: Float[Tensor, "orientation 3 3"],
    model_x: Float[Tensor, " pixel"],
    model_y: Float[Tensor, " pixel"],
    padding: int,
) -> Float[Tensor, "orientation 2 pixel"]:
    """Real and imaginary parts of the central slices, by linear interpolation between eight neighbours."""
    shape = (values.shape[0], values.shape[1], values.shape[2])
    flat = values.reshape(-1, 2)
    out = values.new_empty(len(rotations), 2, len(model_x))
    for part in _chunks(len(rotations), len(model_x)):
        indices, weights, sign = corners(rotations[part], model_x, model_y, padding, shape)
        sampled = (flat[indices] * weights[..., None]).sum(0)
        out[part, 0], out[part, 1] = sampled[..., 0], sampled[..., 1] * sign
    return out


def insert(
    sums: Float[Tensor, "z y x 3"],
    rotations: Float[Tensor, "orientation 3 3"],
    model_x: Float[Tensor, " pixel"],
    model_y: Float[Tensor, " pixel"],
    padding: int,
    values: Float[Tensor, "orientation 2 pixel"],
    weights: Float[Tensor, "orientation pixel"],
) -> None:
    """Add slices and their weights to the eight neighbours of every point: the adjoint of `slices`, in place."""
    shape = (sums.shape[0], sums.shape[1], sums.shape[2])
    flat = sums.view(-1, 3)
    for part in _chunks(len(rotations), len(model_x)):
        indices, share, sign = corners(rotations[part], model_x, model_y, padding, shape)
        real, imaginary = values[part].unbind(1)
        point = torch.stack([real, imaginary * sign, weights[part]], dim=-1)
        for index, weight in zip(indices, share, strict=True):
            flat.index_add_(0, index.reshape(-1), (point * weight[..., None]).reshape(-1, 3))


def _chunks(orientations: int, pixels: int) -> Iterator[slice]:
    """Consecutive ranges of orientations whose temporaries stay within `TEMPORARY_BYTES`."""
    step = max(1, TEMPORARY_BYTES // (BYTES_PER_POINT * max(1, pixels)))
    for start in range(0, orientations, step):
        yield slice(start, min(start + step, orientations))


def as_real_rows(values: Complex[Tensor, "row pixel"]) -> Float[Tensor, "row doubled"]:
    """Complex rows as real ones, all real parts first: the layout that matrix products with slices need."""
    return torch.cat([values.real, values.imag], dim=-1)
