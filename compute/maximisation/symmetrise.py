"""Friedel and point-group symmetry of the sums of back-projected images."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import no_type_check

import numpy as np
import torch
from jaxtyping import Float32, Int64
from numpy.typing import NDArray
from torch import Tensor

from compute.compiled import compiled
from compute.maximisation import mates_cpu
from compute.maximisation.shells import slabs
from compute.projection.availability import runs_triton
from compute.projection.slices import Accumulator

_IMAGINARY = 1
"""The channel of the sums that changes sign under complex conjugation."""

_BLOCK = 16
"""Edge in voxels of the cubes worked on together: the rotated cube then stays in the cache, which makes the kernel 1.7
times as fast as whole rows do (icosahedral group, box 128)."""

RotatedSum = Callable[[Tensor, Tensor, Tensor, int, float], None]
"""Source, target, operators, reach, sign of the mirrored half: see `add_rotated`."""


def enforce_friedel(accumulator: Accumulator) -> None:
    """Make the plane x = 0 Hermitian, in place: N(q) + conj N(−q) and W(q) + W(−q) at both.

    Images are inserted into the half x ≥ 0 only, so a sample near the plane has left there its own share but not the
    share of its Friedel mate.
    """
    plane = accumulator.sums[:, :, 0]
    mate = plane.flip(0, 1)
    mate[..., _IMAGINARY].neg_()
    plane += mate


def apply_point_group(
    accumulator: Accumulator,
    operators: NDArray[np.float64],
    rotated_sum: RotatedSum | None = None,
    threads: int = 1,
) -> None:
    """Add to the sums their copies under every non-identity operator of the group, in place, for |q| ≤ padding·radius.

    sum(q) = Σ_R sums(Rq), interpolated linearly, the numerator conjugated where (Rq)_x < 0. There is no division by the
    order of the group, because orientations are searched in one asymmetric unit only. The plane x = 0 must be
    Hermitian (`enforce_friedel`). One channel at a time is copied: a third of the accumulator in extra memory; on the
    CPU none where the group takes rows of voxels onto rows, as D2 does (`mates_cpu`).

    operators: rotation matrices [operator, 3, 3] acting on (x, y, z) columns, the identity among them.
    rotated_sum: how one channel is summed; by default the kernel of the device.
    """
    is_identity = np.abs(operators - np.eye(3)).max(axis=(1, 2)) < 1e-6
    if is_identity.all():
        return
    sums, reach = accumulator.sums, accumulator.padding * accumulator.radius
    if rotated_sum is None and sums.device.type == "cpu" and mates_cpu.keep_rows(operators):
        _add_mate_rows(sums, operators, reach, threads)
        return
    rotations = torch.from_numpy(_snapped(operators[~is_identity])).to(sums.device)
    if rotated_sum is None:
        rotated_sum = _rotated_sum(sums.device, threads)
    source = torch.empty(sums.shape[:3], dtype=torch.float32, device=sums.device)
    for channel in range(3):
        source.copy_(sums[..., channel])
        sign = -1.0 if channel == _IMAGINARY else 1.0
        rotated_sum(source, sums[..., channel], rotations, reach, sign)


def _add_mate_rows(
    sums: Float32[Tensor, "z y x 3"], operators: NDArray[np.float64], reach: int, threads: int
) -> None:
    """Sum the mates of a whole group that keeps rows; blocks of planes are shared among the threads."""
    turns, is_mirrored = mates_cpu.turns_of(operators), operators[:, 0, 0] < 0
    part = partial(mates_cpu.add_mate_rows, sums.numpy(), turns, is_mirrored, reach)
    with ThreadPoolExecutor(threads) as pool:
        blocks = range(0, len(sums), _BLOCK)
        for run in [pool.submit(part, z, min(z + _BLOCK, len(sums))) for z in blocks]:
            run.result()


def _rotated_sum(device: torch.device, threads: int) -> RotatedSum:
    """How one channel is summed on a device; so many threads of the CPU do it there."""
    if runs_triton(device):
        from compute.maximisation import symmetrise_triton

        return symmetrise_triton.add_rotated
    return partial(add_rotated_compiled, threads=threads) if device.type == "cpu" else add_rotated


def add_rotated(
    source: Float32[Tensor, "z y x"],
    target: Float32[Tensor, "z y x"],
    rotations: Float32[Tensor, "operator 3 3"],
    reach: int,
    sign: float,
) -> None:
    """Add Σ_R source(Rq) to target where |q| ≤ reach, in place: the definition of the kernel.

    Where (Rq)_x < 0 the value at −Rq times `sign` is taken: +1 for an even, −1 for an odd quantity.
    """
    origin = torch.tensor([(source.shape[0] - 1) // 2] * 2 + [0], device=source.device)
    for planes in slabs(source.shape[0], source.shape[1] * source.shape[2]):
        voxel = _inside(source, reach, planes)
        total = torch.zeros(voxel.shape[0], device=source.device)
        for rotation in rotations:
            point = (voxel - origin).float().flip(1) @ rotation.T
            side = torch.where(point[:, 0] < 0, -1.0, 1.0)
            point = (point * side[:, None]).flip(1)
            base = point.floor()
            part = point - base
            corner = base.long() + origin
            value = torch.zeros_like(total)
            for step in torch.cartesian_prod(*[torch.arange(2, device=source.device)] * 3):
                share = torch.where(step == 1, part, 1 - part).prod(1)
                value += share * source[(corner + step).unbind(1)]
            total += torch.where(side < 0, sign, 1.0) * value
        target[voxel.unbind(1)] += total


def add_rotated_compiled(
    source: Float32[Tensor, "z y x"],
    target: Float32[Tensor, "z y x"],
    rotations: Float32[Tensor, "operator 3 3"],
    reach: int,
    sign: float,
    threads: int = 1,
) -> None:
    """The same sum as `add_rotated`, compiled for the CPU; blocks of planes are shared among the threads."""
    arrays = source.numpy(), target.numpy(), rotations.numpy()
    part = partial(_add_rotated, *arrays, reach, np.float32(sign))
    blocks = range(0, source.shape[0], _BLOCK)
    with ThreadPoolExecutor(threads) as pool:
        for run in [pool.submit(part, first, _BLOCK) for first in blocks]:
            run.result()


@compiled(fastmath=True)
@no_type_check
def _add_rotated(source, target, rotations, reach, sign, first_z, size):
    """Kernel of `add_rotated` for the planes from first_z on, cube after cube of the given edge; arrays are float32."""
    middle = (source.shape[0] - 1) // 2
    last_z = min(first_z + size, source.shape[0])
    block = np.empty((size, size, size), np.float32)
    is_on_grid = np.empty(rotations.shape[0], np.bool_)
    for o in range(rotations.shape[0]):
        is_on_grid[o] = np.all(rotations[o] == np.rint(rotations[o]))
    for first_y in range(0, source.shape[1], size):
        last_y = min(first_y + size, source.shape[1])
        for first_x in range(0, reach + 1, size):
            block[:] = 0
            for o in range(rotations.shape[0]):
                for iz in range(first_z, last_z):
                    for iy in range(first_y, last_y):
                        rest = reach * reach - (iz - middle) ** 2 - (iy - middle) ** 2
                        if rest >= first_x * first_x:
                            length = min(size, int(np.sqrt(rest) + 1e-9) + 1 - first_x)
                            row = block[iz - first_z, iy - first_y, :length]
                            at = iz - middle, iy - middle, first_x
                            if is_on_grid[o]:
                                _add_turned_row(source, rotations[o], sign, middle, at, row)
                            else:
                                _add_rotated_row(source, rotations[o], sign, middle, at, row)
            for iz in range(first_z, last_z):
                for iy in range(first_y, last_y):
                    for ix in range(first_x, min(first_x + size, target.shape[2])):
                        target[iz, iy, ix] += block[iz - first_z, iy - first_y, ix - first_x]


@compiled(fastmath=True)
@no_type_check
def _add_rotated_row(source, rotation, sign, middle, at, row):
    """Add to the row of voxels that begins at the index `at` (z, y, x) what lies at its rotated places in source."""
    one = np.float32(1)
    origin, qz, qy = np.float32(middle), np.float32(at[0]), np.float32(at[1])
    start_x = rotation[0, 1] * qy + rotation[0, 2] * qz
    start_y = rotation[1, 1] * qy + rotation[1, 2] * qz
    start_z = rotation[2, 1] * qy + rotation[2, 2] * qz
    for i in range(row.shape[0]):
        qx = np.float32(at[2] + i)
        x = start_x + rotation[0, 0] * qx
        side = one if x >= 0 else -one
        factor = one if x >= 0 else sign
        x = side * x
        y = side * (start_y + rotation[1, 0] * qx) + origin
        z = side * (start_z + rotation[2, 0] * qx) + origin
        x0, y0, z0 = np.int32(x), np.int32(y), np.int32(z)
        x1, y1, z1 = x0 + 1, y0 + 1, z0 + 1
        fx, fy, fz = x - np.float32(x0), y - np.float32(y0), z - np.float32(z0)
        gx, gy, gz = one - fx, one - fy, one - fz
        near = gy * (gx * source[z0, y0, x0] + fx * source[z0, y0, x1]) + fy * (
            gx * source[z0, y1, x0] + fx * source[z0, y1, x1]
        )
        far = gy * (gx * source[z1, y0, x0] + fx * source[z1, y0, x1]) + fy * (
            gx * source[z1, y1, x0] + fx * source[z1, y1, x1]
        )
        row[i] += factor * (gz * near + fz * far)


@compiled(fastmath=True)
@no_type_check
def _add_turned_row(source, rotation, sign, middle, at, row):
    """The same for a rotation by quarter turns about the axes, which takes the grid onto itself: nothing is between."""
    xx, yx, zx = int(rotation[0, 0]), int(rotation[1, 0]), int(rotation[2, 0])
    start_x = int(rotation[0, 1]) * at[1] + int(rotation[0, 2]) * at[0] + xx * at[2]
    start_y = int(rotation[1, 1]) * at[1] + int(rotation[1, 2]) * at[0] + yx * at[2]
    start_z = int(rotation[2, 1]) * at[1] + int(rotation[2, 2]) * at[0] + zx * at[2]
    n = row.shape[0]
    if xx > 0:
        line = source[middle + start_z, middle + start_y, start_x : start_x + n]
        for i in range(n):
            row[i] += line[i]
    elif xx < 0:
        line = source[middle - start_z, middle - start_y, -start_x : n - start_x]
        first = 0
        if start_x == 0:
            row[0] += source[middle + start_z, middle + start_y, 0]
            first = 1
        for i in range(first, n):
            row[i] += sign * line[i]
    else:
        side = 1 if start_x >= 0 else -1
        factor = np.float32(1) if start_x >= 0 else sign
        for i in range(n):
            y, z = start_y + yx * i, start_z + zx * i
            row[i] += factor * source[middle + side * z, middle + side * y, side * start_x]


def _inside(
    source: Float32[Tensor, "z y x"], reach: int, planes: slice
) -> Int64[Tensor, "voxel 3"]:
    """Indices (z, y, x) of the voxels of some planes with |q| ≤ reach."""
    side, _, length = source.shape
    axis = (torch.arange(side, device=source.device) - (side - 1) // 2) ** 2
    along_x = torch.arange(length, device=source.device) ** 2
    squares = axis[planes][:, None, None] + axis[None, :, None] + along_x
    first = torch.tensor([planes.start, 0, 0], device=source.device)
    return torch.nonzero(squares <= reach**2) + first


def _snapped(operators: NDArray[np.float64]) -> NDArray[np.float32]:
    """Operators in float32, with entries that are 0 or ±1 up to rounding set exactly, so that grids map onto grids."""
    nearest = np.round(operators)
    return np.where(np.abs(operators - nearest) < 1e-9, nearest, operators).astype(np.float32)
