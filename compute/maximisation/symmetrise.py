"""Friedel and point-group symmetry of the sums of back-projected images."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import no_type_check

import numba as nb
import numpy as np
import torch
from jaxtyping import Bool, Float32
from numpy.typing import NDArray
from torch import Tensor

from compute.maximisation.shells import slabs
from compute.projection.slices import Accumulator

_IMAGINARY = 1
"""The channel of the sums that changes sign under complex conjugation."""

RotatedSum = Callable[[Tensor, Tensor, Tensor, int, float, slice], None]
"""Source, target, operators, reach, sign of the mirrored half, planes: see `add_rotated`."""


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
) -> None:
    """Add to the sums their copies under every non-identity operator of the group, in place, for |q| ≤ padding·radius.

    sum(q) = Σ_R sums(Rq), interpolated linearly, the numerator conjugated where (Rq)_x < 0. There is no division by the
    order of the group, because orientations are searched in one asymmetric unit only. The plane x = 0 must be
    Hermitian (`enforce_friedel`). One channel at a time is copied: a third of the accumulator in extra memory.

    operators: rotation matrices [operator, 3, 3] acting on (x, y, z) columns, the identity among them.
    rotated_sum: how one channel is summed; by default the compiled kernel on the CPU, torch elsewhere.
    """
    is_identity = np.abs(operators - np.eye(3)).max(axis=(1, 2)) < 1e-6
    if is_identity.all():
        return
    sums = accumulator.sums
    rotations = torch.from_numpy(_snapped(operators[~is_identity])).to(sums.device)
    if rotated_sum is None:
        rotated_sum = add_rotated_compiled if sums.device.type == "cpu" else add_rotated
    reach = accumulator.padding * accumulator.radius
    source = torch.empty(sums.shape[:3], dtype=torch.float32, device=sums.device)
    for channel in range(3):
        source.copy_(sums[..., channel])
        sign = -1.0 if channel == _IMAGINARY else 1.0
        for planes in slabs(sums.shape[0], sums.shape[1] * sums.shape[2]):
            rotated_sum(source, sums[..., channel], rotations, reach, sign, planes)


def add_rotated(
    source: Float32[Tensor, "z y x"],
    target: Float32[Tensor, "z y x"],
    rotations: Float32[Tensor, "operator 3 3"],
    reach: int,
    sign: float,
    planes: slice,
) -> None:
    """Add Σ_R source(Rq) to the planes of target with |q| ≤ reach, in place: the definition of the kernel.

    Where (Rq)_x < 0 the value at −Rq times `sign` is taken: +1 for an even, −1 for an odd quantity.
    """
    origin = (source.shape[0] - 1) // 2
    voxel = torch.nonzero(_inside(source, reach, planes)) + torch.tensor(
        [planes.start, 0, 0], device=source.device
    )
    centred = (voxel.flip(1) - torch.tensor([0, origin, origin], device=source.device)).float()
    total = torch.zeros(voxel.shape[0], device=source.device)
    for rotation in rotations:
        point = centred @ rotation.T
        side = torch.where(point[:, 0] < 0, -1.0, 1.0)
        point = point * side[:, None]
        base = point.floor()
        part = point - base
        corner = base.long() + torch.tensor([0, origin, origin], device=source.device)
        value = torch.zeros_like(total)
        for dz in (0, 1):
            for dy in (0, 1):
                for dx in (0, 1):
                    step = torch.tensor([dx, dy, dz], device=source.device)
                    share = torch.where(step == 1, part, 1 - part).prod(1)
                    x, y, z = (corner + step).unbind(1)
                    value += share * source[z, y, x]
        total += torch.where(side < 0, sign, 1.0) * value
    z, y, x = voxel.unbind(1)
    target[z, y, x] += total


def add_rotated_compiled(
    source: Float32[Tensor, "z y x"],
    target: Float32[Tensor, "z y x"],
    rotations: Float32[Tensor, "operator 3 3"],
    reach: int,
    sign: float,
    planes: slice,
) -> None:
    """The same sum as `add_rotated`, compiled for the CPU; planes are shared among torch's threads."""
    arrays = source.numpy(), target.numpy(), rotations.numpy()
    part = partial(_add_rotated, *arrays, reach, np.float32(sign))
    threads = min(torch.get_num_threads(), planes.stop - planes.start)
    edges = np.linspace(planes.start, planes.stop, threads + 1).astype(int).tolist()
    if threads == 1:
        part(*edges)
        return
    with ThreadPoolExecutor(threads) as pool:
        for run in [pool.submit(part, *edge) for edge in zip(edges[:-1], edges[1:], strict=True)]:
            run.result()


@nb.njit(nogil=True, fastmath=True, cache=True)
@no_type_check
def _add_rotated(source, target, rotations, reach, sign, first, last):
    """Kernel of `add_rotated` for the planes first … last-1; arrays, interpolation weights and sign are float32."""
    one, zero = np.float32(1), np.float32(0)
    middle = (source.shape[0] - 1) // 2
    origin = np.float32(middle)
    for iz in range(first, last):
        for iy in range(source.shape[1]):
            rest = reach * reach - (iz - middle) ** 2 - (iy - middle) ** 2
            if rest < 0:
                continue
            qz, qy = np.float32(iz - middle), np.float32(iy - middle)
            for ix in range(min(source.shape[2] - 1, int(np.sqrt(rest)) + 1)):
                if ix * ix > rest:
                    continue
                qx = np.float32(ix)
                total = zero
                for o in range(rotations.shape[0]):
                    x = rotations[o, 0, 0] * qx + rotations[o, 0, 1] * qy + rotations[o, 0, 2] * qz
                    y = rotations[o, 1, 0] * qx + rotations[o, 1, 1] * qy + rotations[o, 1, 2] * qz
                    z = rotations[o, 2, 0] * qx + rotations[o, 2, 1] * qy + rotations[o, 2, 2] * qz
                    mirrored, factor = one, one
                    if x < zero:
                        mirrored, factor = -one, sign
                    x, y, z = mirrored * x, mirrored * y + origin, mirrored * z + origin
                    x0, y0, z0 = np.int32(x), np.int32(y), np.int32(z)
                    fx, fy, fz = x - np.float32(x0), y - np.float32(y0), z - np.float32(z0)
                    if fx == zero and fy == zero and fz == zero:
                        total += factor * source[z0, y0, x0]
                        continue
                    gx, gy, gz = one - fx, one - fy, one - fz
                    near = gz * (gy * source[z0, y0, x0] + fy * source[z0, y0 + 1, x0]) + fz * (
                        gy * source[z0 + 1, y0, x0] + fy * source[z0 + 1, y0 + 1, x0]
                    )
                    far = gz * (
                        gy * source[z0, y0, x0 + 1] + fy * source[z0, y0 + 1, x0 + 1]
                    ) + fz * (gy * source[z0 + 1, y0, x0 + 1] + fy * source[z0 + 1, y0 + 1, x0 + 1])
                    total += factor * (gx * near + fx * far)
                target[iz, iy, ix] += total


def _inside(
    source: Float32[Tensor, "z y x"], reach: int, planes: slice
) -> Bool[Tensor, "plane y x"]:
    """Whether |q| ≤ reach, for the voxels of the planes."""
    side, _, length = source.shape
    axis = (torch.arange(side, device=source.device) - (side - 1) // 2) ** 2
    along_x = torch.arange(length, device=source.device) ** 2
    return axis[planes][:, None, None] + axis[None, :, None] + along_x <= reach**2


def _snapped(operators: NDArray[np.float64]) -> NDArray[np.float32]:
    """Operators in float32, with entries that are 0 or ±1 up to rounding set exactly, so that grids map onto grids."""
    nearest = np.round(operators)
    return np.where(np.abs(operators - nearest) < 1e-9, nearest, operators).astype(np.float32)
