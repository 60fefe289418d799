"""Slicing and insertion in Triton, for CUDA devices. What they compute is defined in `kernels_torch`.

Importing this module needs Triton, which CUDA builds of torch bring with them. With TRITON_INTERPRET=1 in the
environment the same code runs, slowly, on tensors of the CPU.
"""

from typing import no_type_check

import triton
import triton.language as tl
from jaxtyping import Float
from torch import Tensor

PIXELS = 128
"""Points of a slice that one program samples at a time."""


@triton.jit
@no_type_check
def point(rotation, x, y, padding, origin):
    """Where the pixels (x, y) of a slice lie: whole and broken part of (x, y, z), and the sign of the half.

    rotation: pointers to the first number of rotation matrices, of the shape that the pixels are broadcast to.
    """
    at_x = padding * (tl.load(rotation) * x + tl.load(rotation + 3) * y)
    at_y = padding * (tl.load(rotation + 1) * x + tl.load(rotation + 4) * y)
    at_z = padding * (tl.load(rotation + 2) * x + tl.load(rotation + 5) * y)
    sign = tl.where(at_x >= 0, 1.0, -1.0)
    at_x, at_y, at_z = at_x * sign, at_y * sign + origin, at_z * sign + origin
    low_x, low_y, low_z = tl.floor(at_x), tl.floor(at_y), tl.floor(at_z)
    return low_x, low_y, low_z, at_x - low_x, at_y - low_y, at_z - low_z, sign


@triton.jit
@no_type_check
def sample(volume, rotation, x, y, padding, origin, side, row):
    """Real and imaginary part of a volume at the pixels of slices, by linear interpolation."""
    low_x, low_y, low_z, part_x, part_y, part_z, sign = point(rotation, x, y, padding, origin)
    first = ((low_z.to(tl.int64) * side + low_y.to(tl.int64)) * row + low_x.to(tl.int64)) * 2
    real, imaginary = tl.zeros_like(part_x), tl.zeros_like(part_x)
    for corner in tl.static_range(8):
        dx, dy, dz = corner % 2, (corner // 2) % 2, corner // 4
        along_x = part_x if dx else 1 - part_x
        along_y = part_y if dy else 1 - part_y
        along_z = part_z if dz else 1 - part_z
        weight = along_x * along_y * along_z
        place = volume + first + ((dz * side + dy) * row + dx) * 2
        real += weight * tl.load(place)
        imaginary += weight * tl.load(place + 1)
    return real, imaginary * sign


@triton.jit
@no_type_check
def add(sums, rotation, x, y, real, imaginary, weight, mask, padding, origin, side, row):
    """Add values with their weights to the eight neighbours of the pixels of slices."""
    low_x, low_y, low_z, part_x, part_y, part_z, sign = point(rotation, x, y, padding, origin)
    first = ((low_z.to(tl.int64) * side + low_y.to(tl.int64)) * row + low_x.to(tl.int64)) * 3
    for corner in tl.static_range(8):
        dx, dy, dz = corner % 2, (corner // 2) % 2, corner // 4
        along_x = part_x if dx else 1 - part_x
        along_y = part_y if dy else 1 - part_y
        along_z = part_z if dz else 1 - part_z
        share = along_x * along_y * along_z
        place = sums + first + ((dz * side + dy) * row + dx) * 3
        tl.atomic_add(place, share * real, mask=mask, sem="relaxed")
        tl.atomic_add(place + 1, share * imaginary * sign, mask=mask, sem="relaxed")
        tl.atomic_add(place + 2, share * weight, mask=mask, sem="relaxed")


@triton.jit
@no_type_check
def _slices(
    volume, rotations, xs, ys, out, pixels, padding, origin, side, row, BLOCK: tl.constexpr
):
    orientation = tl.program_id(0).to(tl.int64)
    pixel = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    mask = pixel < pixels
    x, y = tl.load(xs + pixel, mask, other=0.0), tl.load(ys + pixel, mask, other=0.0)
    rotation = rotations + orientation * 9
    real, imaginary = sample(volume, rotation, x, y, padding, origin, side, row)
    place = out + orientation * 2 * pixels + pixel
    tl.store(place, real, mask)
    tl.store(place + pixels, imaginary, mask)


@triton.jit
@no_type_check
def _insert(
    sums,
    rotations,
    xs,
    ys,
    values,
    weights,
    pixels,
    padding,
    origin,
    side,
    row,
    BLOCK: tl.constexpr,
):
    orientation = tl.program_id(0).to(tl.int64)
    pixel = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    mask = pixel < pixels
    x, y = tl.load(xs + pixel, mask, other=0.0), tl.load(ys + pixel, mask, other=0.0)
    place = values + orientation * 2 * pixels + pixel
    real = tl.load(place, mask, other=0.0)
    imaginary = tl.load(place + pixels, mask, other=0.0)
    weight = tl.load(weights + orientation * pixels + pixel, mask, other=0.0)
    rotation = rotations + orientation * 9
    add(sums, rotation, x, y, real, imaginary, weight, mask, padding, origin, side, row)


def slices(
    values: Float[Tensor, "z y x 2"],
    rotations: Float[Tensor, "orientation 3 3"],
    model_x: Float[Tensor, " pixel"],
    model_y: Float[Tensor, " pixel"],
    padding: int,
) -> Float[Tensor, "orientation 2 pixel"]:
    """Real and imaginary parts of central slices: see `kernels_torch.slices`."""
    side, row, pixels = values.shape[1], values.shape[2], len(model_x)
    out = values.new_empty(len(rotations), 2, pixels)
    if len(rotations) and pixels:
        grid = (len(rotations), triton.cdiv(pixels, PIXELS))
        place = (padding, (values.shape[0] - 1) // 2, side, row)
        turns = rotations.contiguous()
        _slices[grid](values, turns, model_x, model_y, out, pixels, *place, BLOCK=PIXELS)
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
    """Add slices and their weights to the sums, in place: see `kernels_torch.insert`.

    Sums of many orientations are added in no fixed order: two runs differ by rounding.
    """
    side, row, pixels = sums.shape[1], sums.shape[2], len(model_x)
    if len(rotations) and pixels:
        grid = (len(rotations), triton.cdiv(pixels, PIXELS))
        given = (rotations.contiguous(), model_x, model_y, values.contiguous())
        place = (padding, (sums.shape[0] - 1) // 2, side, row)
        _insert[grid](sums, *given, weights.contiguous(), pixels, *place, BLOCK=PIXELS)
