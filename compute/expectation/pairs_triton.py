"""Images against slices of their own, in Triton: every slice is made once, in registers, and used for all shifts.

What is computed is defined in `pairs_torch`. Importing this module needs Triton, see
`compute.projection.kernels_triton`.
"""

from typing import no_type_check

import torch
import triton
import triton.language as tl
from jaxtyping import Float, Int
from torch import Tensor

from compute.projection.kernels_triton import add, place_in, place_of, sample, two_columns
from compute.projection.reference import AnyProjector, paired

PAIRS, PIXELS, SHIFTS = 16, 16, 128
"""What one program compares at a time: pairs of image and orientation, pixels, and at most so many shifts."""
WARPS, STAGES = 4, 2
"""How many warps work on a program, and how many steps of its loop are under way."""
EXACT = "tf32x3"
"""How the second pass multiplies: three products of factors rounded to tf32 err as little as single precision does."""
SUMMED_PIXELS = 128
"""Pixels that one program sums or puts back at a time."""


@triton.jit
@no_type_check
def _scores(
    records,
    rotations,
    image_of,
    xs,
    ys,
    weighted,
    strength,
    phases,
    cross,
    power,
    factor,
    pairs,
    pixels,
    shifts,
    phase_pixels,
    padding,
    origin,
    side,
    row,
    WIDE: tl.constexpr,
    PAIRS: tl.constexpr,
    PIXELS: tl.constexpr,
    SHIFTS: tl.constexpr,
    PRECISION: tl.constexpr,
):
    pair = tl.program_id(0) * PAIRS + tl.arange(0, PAIRS)
    shift = tl.program_id(1) * SHIFTS + tl.arange(0, SHIFTS)
    is_pair, is_shift = pair < pairs, shift < shifts
    pair = tl.where(is_pair, pair, 0).to(tl.int64)
    image = tl.load(image_of + pair).to(tl.int64)[:, None]
    turn = two_columns((rotations + pair * 9)[:, None])
    of_images, of_powers = weighted + image * (2 * pixels), strength + image * pixels
    of_phases = phases + shift[None, :] * (2 * phase_pixels)
    products = tl.zeros((PAIRS, SHIFTS), tl.float32)
    strengths = tl.zeros((PAIRS, PIXELS), tl.float32)
    for start in range(0, pixels, PIXELS):
        pixel = start + tl.arange(0, PIXELS)
        is_pixel = pixel < pixels
        x = padding * tl.load(xs + pixel, is_pixel, other=0.0)[None, :]
        y = padding * tl.load(ys + pixel, is_pixel, other=0.0)[None, :]
        real, imaginary = sample(records, turn, x, y, origin, side, row, WIDE)
        image_real = tl.load(of_images + pixel[None, :], is_pixel[None, :], other=0.0)
        image_imaginary = tl.load(
            of_images + (pixel + pixels)[None, :], is_pixel[None, :], other=0.0
        )
        of_power = tl.load(of_powers + pixel[None, :], is_pixel[None, :], other=0.0)
        strengths += (real * real + imaginary * imaginary) * of_power
        both = is_pixel[:, None] & is_shift[None, :]
        phase_real = tl.load(of_phases + pixel[:, None], both, other=0.0)
        phase_imaginary = tl.load(of_phases + (pixel + phase_pixels)[:, None], both, other=0.0)
        along = real * image_real + imaginary * image_imaginary
        across = real * image_imaginary - imaginary * image_real
        products = tl.dot(along, phase_real, products, input_precision=PRECISION)
        products = tl.dot(across, phase_imaginary, products, input_precision=PRECISION)
    place = cross + pair[:, None] * shifts + shift[None, :]
    tl.store(place, factor * products, is_pair[:, None] & is_shift[None, :])
    if tl.program_id(1) == 0:
        tl.store(power + pair, factor * factor * tl.sum(strengths, 1), is_pair)


@triton.jit
@no_type_check
def _model_sums(
    records,
    rotations,
    first,
    last,
    xs,
    ys,
    masked,
    shares,
    means,
    fit,
    model,
    factor,
    pixels,
    mean_pixels,
    padding,
    origin,
    side,
    row,
    WIDE: tl.constexpr,
    BLOCK: tl.constexpr,
):
    image = tl.program_id(0).to(tl.int64)
    pixel = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    mask = pixel < pixels
    x = padding * tl.load(xs + pixel, mask, other=0.0)
    y = padding * tl.load(ys + pixel, mask, other=0.0)
    of_image = masked + image * 2 * pixels + pixel
    image_real = tl.load(of_image, mask, other=0.0)
    image_imaginary = tl.load(of_image + pixels, mask, other=0.0)
    place = image * pixels + pixel
    fits, models = tl.zeros((BLOCK,), tl.float32), tl.zeros((BLOCK,), tl.float32)
    for pair in range(tl.load(first + image), tl.load(last + image)):
        turn = two_columns(rotations + pair * 9)
        real, imaginary = sample(records, turn, x, y, origin, side, row, WIDE)
        of_mean = means + pair * 2 * mean_pixels + pixel
        along = real * image_real + imaginary * image_imaginary
        across = real * image_imaginary - imaginary * image_real
        fits += along * tl.load(of_mean, mask, other=0.0)
        fits += across * tl.load(of_mean + mean_pixels, mask, other=0.0)
        models += tl.load(shares + pair) * (real * real + imaginary * imaginary)
    fits = factor * fits + tl.load(fit + place, mask, other=0.0)
    models = factor * factor * models + tl.load(model + place, mask, other=0.0)
    tl.store(fit + place, fits, mask)
    tl.store(model + place, models, mask)


@triton.jit
@no_type_check
def _put_back(
    sums,
    rotations,
    image_of,
    xs,
    ys,
    images,
    shares,
    means,
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
    pair = tl.program_id(0).to(tl.int64)
    pixel = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    mask = pixel < pixels
    image = tl.load(image_of + pair).to(tl.int64)
    x = padding * tl.load(xs + pixel, mask, other=0.0)
    y = padding * tl.load(ys + pixel, mask, other=0.0)
    of_image = images + image * 2 * pixels + pixel
    image_real = tl.load(of_image, mask, other=0.0)
    image_imaginary = tl.load(of_image + pixels, mask, other=0.0)
    of_mean = means + pair * 2 * pixels + pixel
    mean_real = tl.load(of_mean, mask, other=0.0)
    mean_imaginary = tl.load(of_mean + pixels, mask, other=0.0)
    real = image_real * mean_real + image_imaginary * mean_imaginary
    imaginary = image_imaginary * mean_real - image_real * mean_imaginary
    weight = tl.load(weights + image * pixels + pixel, mask, other=0.0) * tl.load(shares + pair)
    given = (real, imaginary, weight, mask, origin, side, row)
    add(sums, two_columns(rotations + pair * 9), x, y, *given, WIDE, STEP, AT_ONCE)


def scores(
    projector: AnyProjector,
    rotations: Float[Tensor, "pair 3 3"],
    image_of: Int[Tensor, " pair"],
    xy: tuple[Float[Tensor, " pixel"], Float[Tensor, " pixel"]],
    weighted: Float[Tensor, "image 2 pixel"],
    strength: Float[Tensor, "image pixel"],
    phases: Float[Tensor, "translation 2 more_pixel"],
    is_exact: bool,
) -> tuple[Float[Tensor, "pair translation"], Float[Tensor, " pair"]]:
    """Products of shifted images with slices, and the slices' power: see `pairs_torch.scores`."""
    pairs, pixels, shifts = len(rotations), len(xy[0]), len(phases)
    cross, power = strength.new_empty(pairs, shifts), strength.new_empty(pairs)
    if not pairs:
        return cross, power
    block = min(SHIFTS, max(16, triton.next_power_of_2(shifts)))
    volume = paired(projector)
    _scores[(triton.cdiv(pairs, PAIRS), triton.cdiv(shifts, block))](
        volume.records,
        rotations,
        image_of,
        *xy,
        weighted,
        strength,
        phases,
        cross,
        power,
        volume.factor,
        pairs,
        pixels,
        shifts,
        phases.shape[2],
        *place_of(volume),
        PAIRS=PAIRS,
        PIXELS=PIXELS,
        SHIFTS=block,
        PRECISION=EXACT if is_exact else "tf32",
        num_warps=WARPS,
        num_stages=STAGES,
    )
    return cross, power


def model_sums(
    projector: AnyProjector,
    rotations: Float[Tensor, "pair 3 3"],
    image_of: Int[Tensor, " pair"],
    xy: tuple[Float[Tensor, " pixel"], Float[Tensor, " pixel"]],
    masked: Float[Tensor, "image 2 pixel"],
    shares: Float[Tensor, " pair"],
    means: Float[Tensor, "pair 2 more_pixel"],
    fit: Float[Tensor, "image pixel"],
    model: Float[Tensor, "image pixel"],
) -> None:
    """Posterior sums over the pairs of each image, added to fit and model: see `pairs_torch.model_sums`.

    Pairs are in the order of their images.
    """
    images, pixels = len(masked), len(xy[0])
    if not len(rotations):
        return
    numbers = torch.arange(images, device=image_of.device)
    first = torch.searchsorted(image_of, numbers).int()
    last = torch.searchsorted(image_of, numbers, right=True).int()
    volume = paired(projector)
    _model_sums[(images, triton.cdiv(pixels, SUMMED_PIXELS))](
        volume.records,
        rotations,
        first,
        last,
        *xy,
        masked,
        shares,
        means,
        fit,
        model,
        volume.factor,
        pixels,
        means.shape[2],
        *place_of(volume),
        BLOCK=SUMMED_PIXELS,
    )


def put_back(
    sums: Float[Tensor, "z y x 3"],
    padding: int,
    rotations: Float[Tensor, "pair 3 3"],
    image_of: Int[Tensor, " pair"],
    xy: tuple[Float[Tensor, " pixel"], Float[Tensor, " pixel"]],
    images: Float[Tensor, "image 2 pixel"],
    shares: Float[Tensor, " pair"],
    means: Float[Tensor, "pair 2 pixel"],
    weights: Float[Tensor, "image pixel"],
) -> None:
    """Add shifted images and their weights to the sums, in no fixed order: see `pairs_torch.put_back`."""
    pairs, pixels = len(rotations), len(xy[0])
    if not pairs:
        return
    place, how = place_in(sums, padding)
    _put_back[(pairs, triton.cdiv(pixels, SUMMED_PIXELS))](
        sums,
        rotations,
        image_of,
        *xy,
        images,
        shares,
        means,
        weights,
        pixels,
        *place,
        *how,
        BLOCK=SUMMED_PIXELS,
    )
