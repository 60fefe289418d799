"""Slicing and insertion in Triton, for CUDA devices. What they compute is defined in `kernels_torch`.

Importing this module needs Triton, which CUDA builds of torch bring with them. With TRITON_INTERPRET=1 in the
environment the same code runs, slowly, on tensors of the CPU.
"""

from typing import no_type_check

import torch
import triton
import triton.language as tl
from jaxtyping import Float
from torch import Tensor

from compute.projection import kernels_torch
from compute.projection.reference import (
    ON_DEVICE,
    PairedProjector,
    Projector,
    grid_shape,
    paired,
)

PIXELS = 128
"""Points of a slice that one program samples at a time."""
MOST_INDICES = 1 << 31
"""Volumes of more values are numbered with 64 bits."""
ADDS_FOUR = (9, 0)
"""GPUs from this compute capability on add four neighbouring numbers at once."""


@triton.jit
@no_type_check
def two_columns(rotation):
    """The six numbers of rotation matrices that turn a plane: x, y and z of its first, and of its second axis."""
    return (
        tl.load(rotation),
        tl.load(rotation + 1),
        tl.load(rotation + 2),
        tl.load(rotation + 3),
        tl.load(rotation + 4),
        tl.load(rotation + 5),
    )


@triton.jit
@no_type_check
def point(turn, x, y, origin, side, row, WIDE: tl.constexpr):
    """Where the pixels (x, y) of slices lie: number of the voxel below, the rest of (x, y, z), sign of the half.

    x, y: in voxels. WIDE: whether voxels are numbered with 64 bits.
    """
    at_x = turn[0] * x + turn[3] * y
    at_y = turn[1] * x + turn[4] * y
    at_z = turn[2] * x + turn[5] * y
    sign = tl.where(at_x >= 0, 1.0, -1.0)
    at_x, at_y, at_z = at_x * sign, at_y * sign + origin, at_z * sign + origin
    low_x, low_y, low_z = tl.floor(at_x), tl.floor(at_y), tl.floor(at_z)
    if WIDE:
        layer = low_z.to(tl.int64) * side + low_y.to(tl.int64)
    else:
        layer = low_z.to(tl.int32) * side + low_y.to(tl.int32)
    voxel = layer * row + low_x.to(tl.int32)
    return voxel, at_x - low_x, at_y - low_y, at_z - low_z, sign


@triton.jit
@no_type_check
def _half(bits):
    return bits.to(tl.int16).to(tl.float16, bitcast=True).to(tl.float32)


@triton.jit
@no_type_check
def _between(record, part_x):
    """Real and imaginary part between the two values of a record."""
    first, second = record.to(tl.int32), (record >> 32).to(tl.int32)
    real, imaginary = _half(first), _half(first >> 16)
    real += part_x * (_half(second) - real)
    imaginary += part_x * (_half(second >> 16) - imaginary)
    return real, imaginary


@triton.jit
@no_type_check
def sample(records, turn, x, y, origin, side, row, WIDE: tl.constexpr):
    """Real and imaginary part of a paired volume at the pixels of slices, by linear interpolation."""
    voxel, part_x, part_y, part_z, sign = point(turn, x, y, origin, side, row, WIDE)
    place = records + voxel
    here = tl.load(place)
    above = tl.load(place + row)
    if WIDE:
        place += side.to(tl.int64) * row
    else:
        place += side * row
    behind = tl.load(place)
    last = tl.load(place + row)
    real, imaginary = _between(here, part_x)
    other_real, other_imaginary = _between(above, part_x)
    real += part_y * (other_real - real)
    imaginary += part_y * (other_imaginary - imaginary)
    far_real, far_imaginary = _between(behind, part_x)
    other_real, other_imaginary = _between(last, part_x)
    far_real += part_y * (other_real - far_real)
    far_imaginary += part_y * (other_imaginary - far_imaginary)
    real += part_z * (far_real - real)
    imaginary += part_z * (far_imaginary - imaginary)
    return real, imaginary * sign


@triton.jit
@no_type_check
def _add_four(place, first, second, third, mask):
    """Add three numbers and a zero to four in a row, at once."""
    tl.inline_asm_elementwise(
        """{
        .reg .pred p;
        setp.ne.s32 p, $5, 0;
        @p red.relaxed.gpu.global.add.v4.f32 [$1], {$2, $3, $4, 0f00000000};
        mov.u32 $0, 0;
        }""",
        "=r,l,f,f,f,r",
        [place.to(tl.int64), first, second, third, mask.to(tl.int32)],
        dtype=tl.int32,
        is_pure=False,
        pack=1,
    )


@triton.jit
@no_type_check
def add(
    sums,
    turn,
    x,
    y,
    real,
    imaginary,
    weight,
    mask,
    origin,
    side,
    row,
    WIDE: tl.constexpr,
    STEP: tl.constexpr,
    AT_ONCE: tl.constexpr,
):
    """Add values with their weights to the eight neighbours of the pixels of slices.

    STEP: how many numbers a voxel has, 3 or 4. AT_ONCE: whether four of them are added by one instruction.
    """
    voxel, part_x, part_y, part_z, sign = point(turn, x, y, origin, side, row, WIDE)
    imaginary *= sign
    first = sums + voxel.to(tl.int64) * STEP
    for corner in tl.static_range(8):
        dx, dy, dz = corner % 2, (corner // 2) % 2, corner // 4
        along_x = part_x if dx else 1 - part_x
        along_y = part_y if dy else 1 - part_y
        along_z = part_z if dz else 1 - part_z
        share = along_x * along_y * along_z
        place = first + ((dz * side + dy) * row + dx) * STEP
        if AT_ONCE:
            _add_four(place, share * real, share * imaginary, share * weight, mask)
        else:
            tl.atomic_add(place, share * real, mask=mask, sem="relaxed")
            tl.atomic_add(place + 1, share * imaginary, mask=mask, sem="relaxed")
            tl.atomic_add(place + 2, share * weight, mask=mask, sem="relaxed")


@triton.jit
@no_type_check
def _slices(
    records,
    rotations,
    xs,
    ys,
    out,
    factor,
    pixels,
    padding,
    origin,
    side,
    row,
    WIDE: tl.constexpr,
    BLOCK: tl.constexpr,
):
    orientation = tl.program_id(0).to(tl.int64)
    pixel = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    mask = pixel < pixels
    x, y = tl.load(xs + pixel, mask, other=0.0), tl.load(ys + pixel, mask, other=0.0)
    turn = two_columns(rotations + orientation * 9)
    real, imaginary = sample(records, turn, padding * x, padding * y, origin, side, row, WIDE)
    place = out + orientation * 2 * pixels + pixel
    tl.store(place, factor * real, mask)
    tl.store(place + pixels, factor * imaginary, mask)


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
    WIDE: tl.constexpr,
    STEP: tl.constexpr,
    AT_ONCE: tl.constexpr,
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
    turn, x, y = two_columns(rotations + orientation * 9), padding * x, padding * y
    given = (real, imaginary, weight, mask, origin, side, row)
    add(sums, turn, x, y, *given, WIDE, STEP, AT_ONCE)


def slices(
    projector: PairedProjector,
    rotations: Float[Tensor, "orientation 3 3"],
    model_x: Float[Tensor, " pixel"],
    model_y: Float[Tensor, " pixel"],
) -> Float[Tensor, "orientation 2 pixel"]:
    """Real and imaginary parts of central slices: see `kernels_torch.slices`."""
    pixels = len(model_x)
    out = torch.empty(len(rotations), 2, pixels, device=rotations.device)
    if len(rotations) and pixels:
        grid = (len(rotations), triton.cdiv(pixels, PIXELS))
        given = (projector.records, rotations.contiguous(), model_x, model_y, out)
        _slices[grid](*given, projector.factor, pixels, *place_of(projector), BLOCK=PIXELS)
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
    pixels = len(model_x)
    if len(rotations) and pixels:
        grid = (len(rotations), triton.cdiv(pixels, PIXELS))
        given = (rotations.contiguous(), model_x, model_y, values.contiguous())
        place, how = place_in(sums, padding)
        _insert[grid](sums, *given, weights.contiguous(), pixels, *place, *how, BLOCK=PIXELS)


def try_out(device: torch.device) -> None:
    """Slice and put back a few points; RuntimeError unless both give what plain torch gives."""
    draw, radius, padding = torch.Generator().manual_seed(1), 4, 2

    def random(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=draw).to(device)

    shape = grid_shape(padding, radius)
    volume = paired(Projector(random(*shape, 2), padding, radius))
    turns = torch.linalg.qr(random(3, 3, 3).cpu()).Q.contiguous().to(device)
    x, y = (part.contiguous() for part in random(2, 50).clamp(-2.0, 2.0))
    expected = kernels_torch.slices(volume.values, turns, x, y, padding)
    _check("slices", slices(volume, turns, x, y), expected)
    weights = random(3, 50).abs()
    sums = torch.zeros(2, *shape, ON_DEVICE, device=device)[..., :3]
    kernels_torch.insert(sums[0], turns, x, y, padding, expected, weights)
    insert(sums[1], turns, x, y, padding, expected, weights)
    _check("sums", sums[1], sums[0])


def _check(what: str, found: Tensor, expected: Tensor) -> None:
    error = float((found - expected).abs().max() / expected.abs().max())
    if not error < 1e-4:
        raise RuntimeError(
            f"{what} of a kernel in Triton differ from those of torch by {error:.1e}"
        )


def place_of(projector: PairedProjector) -> tuple[int, int, int, int, bool]:
    """Padding, index of the zero frequency, lengths of the axes y and x, and whether voxels need 64 bits."""
    _, side, row = projector.records.shape
    is_wide = projector.records.numel() >= MOST_INDICES
    return projector.padding, projector.origin, side, row, is_wide


def place_in(
    sums: Float[Tensor, "z y x 3"], padding: int
) -> tuple[tuple[int, int, int, int], tuple[bool, int, bool]]:
    """The same of sums; then whether voxels need 64 bits, how many numbers each has, whether four are added at once."""
    depth, side, row = sums.shape[:3]
    step = sums.stride(2)
    is_able = sums.is_cuda and torch.cuda.get_device_capability(sums.device) >= ADDS_FOUR
    how = (depth * side * row >= MOST_INDICES, step, step == 4 and is_able)
    return (padding, (depth - 1) // 2, side, row), how
