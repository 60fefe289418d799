"""What is counted shell by shell of a padded half grid, in Triton for CUDA devices: see `shells` and `prior`."""

from typing import no_type_check

import torch
import triton
import triton.language as tl
from jaxtyping import Float32, Float64
from torch import Tensor

VOXELS = 256
"""Voxels of a row that one program counts."""


@triton.jit
@no_type_check
def _add_half_shells(
    weights,
    needed,
    total,
    covered,
    count,
    halves,
    padding,
    origin,
    side,
    row,
    STEP: tl.constexpr,
    BLOCK: tl.constexpr,
):
    line = tl.program_id(0).to(tl.int64)
    x = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    z, y = (line // side).to(tl.int32) - origin, (line % side).to(tl.int32) - origin
    radius = tl.sqrt((z * z + y * y + x * x).to(tl.float64))
    half = (2.0 * radius / padding).to(tl.int32)
    is_inside = (half < halves) & (x < row)
    weight = tl.load(weights + (line * row + x) * STEP, is_inside, other=0.0)
    is_covered = is_inside & (weight >= tl.load(needed + half, is_inside, other=0.0))
    one = tl.full((BLOCK,), 1.0, tl.float64)
    tl.atomic_add(total + half, weight.to(tl.float64), mask=is_inside, sem="relaxed")
    tl.atomic_add(count + half, one, mask=is_inside, sem="relaxed")
    tl.atomic_add(covered + half, one, mask=is_covered, sem="relaxed")


def add_half_shells(
    weights: Float32[Tensor, "z y x"], padding: int, needed: Float64[Tensor, " half"]
) -> tuple[Float64[Tensor, " half"], Float64[Tensor, " half"], Float64[Tensor, " half"]]:
    """Per half shell: the sum of the weights, how many of them reach what is needed there, and how many there are."""
    side, _, row = weights.shape
    sums = torch.zeros(3, len(needed), dtype=torch.float64, device=weights.device)
    grid = (side * side, triton.cdiv(row, VOXELS))
    place = (len(needed), padding, (side - 1) // 2, side, row)
    _add_half_shells[grid](weights, needed, *sums, *place, STEP=weights.stride(2), BLOCK=VOXELS)
    return sums[0], sums[1], sums[2]
