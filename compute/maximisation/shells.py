"""Shells of the padded half grid of an accumulator.

A padded voxel q belongs to the shell round(|q|/padding) for everything that is tabulated per shell, and to
floor(|q|/padding) for the minimum weight. Both follow from one index, the half shell floor(2|q|/padding) = h:
the first is (h + 1) // 2, the second h // 2. Voxels at or beyond padding·radius share the last index.
"""

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from compute.maximisation.shells_cpu import add_half_shells
from compute.projection.availability import runs_triton
from compute.projection.slices import Accumulator

SLAB_VOXELS = 1 << 20
"""Voxels worked on at a time: temporaries stay near 50 MB, and a slab is long enough to be fast."""


def slabs(length: int, voxels_per_plane: int) -> Iterator[slice]:
    """Consecutive ranges of planes that hold about `SLAB_VOXELS` voxels each."""
    step = max(1, SLAB_VOXELS // voxels_per_plane)
    for start in range(0, length, step):
        yield slice(start, min(start + step, length))


def half_shells(accumulator: Accumulator, planes: slice, rows: slice) -> Int64[Tensor, "z y x"]:
    """Half shell floor(2|q|/padding) of the voxels [planes, rows, all x], at most 2·radius.

    Exact: squared radii are integers below 2^53, and where a boundary is met the square root is one.
    """
    device = accumulator.sums.device
    side, _, length = accumulator.sums.shape[:3]
    axis = torch.arange(side, device=device).double().sub_(accumulator.origin).square_()
    along_x = torch.arange(length, device=device).double().square_()
    squares = axis[planes][:, None, None] + axis[rows][None, :, None] + along_x[None, None, :]
    half = squares.sqrt_().mul_(2).div_(accumulator.padding)
    return half.clamp_(max=2 * accumulator.radius).long()


def half_shell_sums(
    accumulator: Accumulator,
) -> tuple[Float64[Tensor, " half"], Float64[Tensor, " half"]]:
    """Sum of the denominator and number of voxels in each of the 2·radius half shells, in float64."""
    if runs_triton(accumulator.sums.device):
        from compute.maximisation import shells_triton

        nothing = torch.zeros(2 * accumulator.radius, dtype=torch.float64)
        given = accumulator.sums[..., 2], accumulator.padding
        weights, _, voxels = shells_triton.add_half_shells(*given, nothing.to(given[0].device))
        return weights, voxels
    if accumulator.sums.device.type != "cpu":
        return half_shell_sums_torch(accumulator)
    weight, count = np.zeros((2, 2 * accumulator.radius))
    add_half_shells(*on_host(accumulator), weight, count)
    return torch.from_numpy(weight), torch.from_numpy(count)


def half_shell_sums_torch(
    accumulator: Accumulator,
) -> tuple[Float64[Tensor, " half"], Float64[Tensor, " half"]]:
    """The same on any device: the definition."""
    bins = 2 * accumulator.radius + 1
    side, rows, length = accumulator.sums.shape[:3]
    weight = torch.zeros(bins, dtype=torch.float64, device=accumulator.sums.device)
    count = torch.zeros_like(weight)
    for planes in slabs(side, rows * length):
        index = half_shells(accumulator, planes, slice(None)).reshape(-1)
        values = accumulator.sums[planes, :, :, 2].reshape(-1).double()
        weight += torch.bincount(index, values, minlength=bins)
        count += torch.bincount(index, minlength=bins)
    return weight[:-1], count[:-1]


def on_host(accumulator: Accumulator) -> tuple[np.ndarray, int, int]:
    """The denominator of sums in host memory, its origin and padding, as compiled functions take them."""
    return accumulator.sums[..., 2].numpy(), accumulator.origin, accumulator.padding


def sums_over_shells(
    per_half_shell: Float64[Tensor, " half"], shells: int
) -> Float64[Tensor, " shell"]:
    """Values per half shell added up to shells round(|q|/padding) = 0 … shells-1; 0 beyond the last half shell."""
    shell = (torch.arange(per_half_shell.shape[0], device=per_half_shell.device) + 1) // 2
    return torch.bincount(shell, per_half_shell, minlength=shells)[:shells]


def at_half_shells(per_shell: Float[Tensor, " shell"], halves: int) -> Float[Tensor, " half"]:
    """Values per shell round(|q|/padding) looked up for each half shell; the last shell given also serves beyond."""
    shell = (torch.arange(halves, device=per_shell.device) + 1) // 2
    return per_shell[shell.clamp(max=per_shell.shape[0] - 1)]
