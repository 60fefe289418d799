"""The sum over a point group in Triton, for CUDA devices: see `symmetrise.add_rotated`, which defines it."""

from typing import no_type_check

import triton
import triton.language as tl
from jaxtyping import Float32
from torch import Tensor

VOXELS = 128
"""Voxels of a row that one program works on."""


@triton.jit
@no_type_check
def _add_rotated(
    source,
    target,
    rotations,
    operators,
    reach,
    mirrored,
    origin,
    side,
    row,
    STEP: tl.constexpr,
    BLOCK: tl.constexpr,
):
    line = tl.program_id(0).to(tl.int64)
    x = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    z, y = (line // side).to(tl.int32) - origin, (line % side).to(tl.int32) - origin
    is_inside = z * z + y * y + x * x <= reach * reach
    total = tl.zeros((BLOCK,), tl.float32)
    for number in range(operators):
        turn = rotations + number * 9
        at_x = tl.load(turn) * x + tl.load(turn + 1) * y + tl.load(turn + 2) * z
        at_y = tl.load(turn + 3) * x + tl.load(turn + 4) * y + tl.load(turn + 5) * z
        at_z = tl.load(turn + 6) * x + tl.load(turn + 7) * y + tl.load(turn + 8) * z
        sign = tl.where(at_x < 0, -1.0, 1.0)
        at_x, at_y, at_z = at_x * sign, at_y * sign + origin, at_z * sign + origin
        low_x, low_y, low_z = tl.floor(at_x), tl.floor(at_y), tl.floor(at_z)
        part_x, part_y, part_z = at_x - low_x, at_y - low_y, at_z - low_z
        first = (low_z.to(tl.int64) * side + low_y.to(tl.int64)) * row + low_x.to(tl.int64)
        value = tl.zeros((BLOCK,), tl.float32)
        for corner in tl.static_range(8):
            dx, dy, dz = corner % 2, (corner // 2) % 2, corner // 4
            along_x = part_x if dx else 1 - part_x
            along_y = part_y if dy else 1 - part_y
            along_z = part_z if dz else 1 - part_z
            place = source + first + ((dz * side + dy) * row + dx)
            value += along_x * along_y * along_z * tl.load(place, is_inside, other=0.0)
        total += tl.where(sign < 0, mirrored, 1.0) * value
    place = target + (line * row + x) * STEP
    tl.store(place, tl.load(place, is_inside, other=0.0) + total, is_inside)


def add_rotated(
    source: Float32[Tensor, "z y x"],
    target: Float32[Tensor, "z y x"],
    rotations: Float32[Tensor, "operator 3 3"],
    reach: int,
    sign: float,
) -> None:
    """Add Σ_R source(Rq) to target where |q| ≤ reach, in place; target is one channel of sums."""
    side, _, row = source.shape
    grid = (side * side, triton.cdiv(row, VOXELS))
    given = (source, target, rotations.contiguous(), len(rotations), reach, sign)
    place = ((side - 1) // 2, side, row)
    _add_rotated[grid](*given, *place, STEP=target.stride(2), BLOCK=VOXELS)
