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

from compute.projection.kernels_triton import add, sample

PAIRS, PIXELS, SHIFTS = 16, 32, 128
"""What one program compares at a time: pairs of image and orientation, pixels, and at most so many shifts."""
SUMMED_PIXELS = 128
"""Pixels that one program sums or puts back at a time."""


@triton.jit
@no_type_check
def _scores(
    volume,
    rotations,
    image_of,
    xs,
    ys,
    weighted,
    strength,
    phases,
    cross,
    power,
    pairs,
    pixels,
    shifts,
    phase_pixels,
    padding,
    origin,
    side,
    row,
    PAIRS: tl.constexpr,
    PIXELS: tl.constexpr,
    SHIFTS: tl.constexpr,
    PRECISION: tl.constexpr,
):
    pair = tl.program_id(0) * PAIRS + tl.arange(0, PAIRS)
    shift = tl.program_id(1) * SHIFTS + tl.arange(0, SHIFTS)
    is_pair, is_shift = pair < pairs, shift < shifts
    pair = tl.where(is_pair, pair, 0).to(tl.int64)
    image = tl.load(image_of + pair).to(tl.int64)
    rotation = (rotations + pair * 9)[:, None]
    products = tl.zeros((PAIRS, SHIFTS), tl.float32)
    strengths = tl.zeros((PAIRS,), tl.float32)
    for start in range(0, pixels, PIXELS):
        pixel = start + tl.arange(0, PIXELS)
        is_pixel = pixel < pixels
        x, y = tl.load(xs + pixel, is_pixel, other=0.0), tl.load(ys + pixel, is_pixel, other=0.0)
        real, imaginary = sample(
            volume, rotation, x[None, :], y[None, :], padding, origin, side, row
        )
        of_image = weighted + image[:, None] * (2 * pixels) + pixel[None, :]
        image_real = tl.load(of_image, is_pixel[None, :], other=0.0)
        image_imaginary = tl.load(of_image + pixels, is_pixel[None, :], other=0.0)
        of_power = strength + image[:, None] * pixels + pixel[None, :]
        square = real * real + imaginary * imaginary
        strengths += tl.sum(square * tl.load(of_power, is_pixel[None, :], other=0.0), 1)
        of_phase = phases + shift[None, :] * (2 * phase_pixels) + pixel[:, None]
        both = is_pixel[:, None] & is_shift[None, :]
        phase_real = tl.load(of_phase, both, other=0.0)
        phase_imaginary = tl.load(of_phase + phase_pixels, both, other=0.0)
        along = real * image_real + imaginary * image_imaginary
        across = real * image_imaginary - imaginary * image_real
        products = tl.dot(along, phase_real, products, input_precision=PRECISION)
        products = tl.dot(across, phase_imaginary, products, input_precision=PRECISION)
    place = cross + pair[:, None] * shifts + shift[None, :]
    tl.store(place, products, is_pair[:, None] & is_shift[None, :])
    if tl.program_id(1) == 0:
        tl.store(power + pair, strengths, is_pair)


@triton.jit
@no_type_check
def _model_sums(
    volume,
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
    pixels,
    mean_pixels,
    padding,
    origin,
    side,
    row,
    BLOCK: tl.constexpr,
):
    image = tl.program_id(0).to(tl.int64)
    pixel = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    mask = pixel < pixels
    x, y = tl.load(xs + pixel, mask, other=0.0), tl.load(ys + pixel, mask, other=0.0)
    of_image = masked + image * 2 * pixels + pixel
    image_real = tl.load(of_image, mask, other=0.0)
    image_imaginary = tl.load(of_image + pixels, mask, other=0.0)
    place = image * pixels + pixel
    fits = tl.load(fit + place, mask, other=0.0)
    models = tl.load(model + place, mask, other=0.0)
    for pair in range(tl.load(first + image), tl.load(last + image)):
        real, imaginary = sample(volume, rotations + pair * 9, x, y, padding, origin, side, row)
        of_mean = means + pair * 2 * mean_pixels + pixel
        along = real * image_real + imaginary * image_imaginary
        across = real * image_imaginary - imaginary * image_real
        fits += along * tl.load(of_mean, mask, other=0.0)
        fits += across * tl.load(of_mean + mean_pixels, mask, other=0.0)
        models += tl.load(shares + pair) * (real * real + imaginary * imaginary)
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
    BLOCK: tl.constexpr,
):
    pair = tl.program_id(0).to(tl.int64)
    pixel = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    mask = pixel < pixels
    image = tl.load(image_of + pair).to(tl.int64)
    x, y = tl.load(xs + pixel, mask, other=0.0), tl.load(ys + pixel, mask, other=0.0)
    of_image = images + image * 2 * pixels + pixel
    image_real = tl.load(of_image, mask, other=0.0)
    image_imaginary = tl.load(of_image + pixels, mask, other=0.0)
    of_mean = means + pair * 2 * pixels + pixel
    mean_real = tl.load(of_mean, mask, other=0.0)
    mean_imaginary = tl.load(of_mean + pixels, mask, other=0.0)
    real = image_real * mean_real + image_imaginary * mean_imaginary
    imaginary = image_imaginary * mean_real - image_real * mean_imaginary
    weight = tl.load(weights + image * pixels + pixel, mask, other=0.0) * tl.load(shares + pair)
    rotation = rotations + pair * 9
    add(sums, rotation, x, y, real, imaginary, weight, mask, padding, origin, side, row)


def scores(
    values: Float[Tensor, "z y x 2"],
    padding: int,
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
    cross, power = values.new_empty(pairs, shifts), values.new_empty(pairs)
    if not pairs:
        return cross, power
    block = min(SHIFTS, max(16, triton.next_power_of_2(shifts)))
    _scores[(triton.cdiv(pairs, PAIRS), triton.cdiv(shifts, block))](
        values,
        rotations,
        image_of,
        *xy,
        weighted,
        strength,
        phases,
        cross,
        power,
        pairs,
        pixels,
        shifts,
        phases.shape[2],
        *_place(values, padding),
        PAIRS=PAIRS,
        PIXELS=PIXELS,
        SHIFTS=block,
        PRECISION="ieee" if is_exact else "tf32",
    )
    return cross, power


def model_sums(
    values: Float[Tensor, "z y x 2"],
    padding: int,
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
    _model_sums[(images, triton.cdiv(pixels, SUMMED_PIXELS))](
        values,
        rotations,
        first,
        last,
        *xy,
        masked,
        shares,
        means,
        fit,
        model,
        pixels,
        means.shape[2],
        *_place(values, padding),
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
        *_place(sums, padding),
        BLOCK=SUMMED_PIXELS,
    )


def _place(volume: Tensor, padding: int) -> tuple[int, int, int, int]:
    """Padding, index of the zero frequency, and lengths of the axes y and x."""
    return padding, (volume.shape[0] - 1) // 2, volume.shape[1], volume.shape[2]
