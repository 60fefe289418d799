"""Particle images from the pixels of a micrograph: windows, Fourier rescaling, and normalised backgrounds.

Images are float32 arrays (image, y, x); the particle's centre is the pixel (n//2, n//2).
"""

from typing import no_type_check

import numba as nb
import numpy as np
import scipy.fft
from jaxtyping import Float, Float32, Float64, Int64, Shaped

FLAT = 1e-10
"""A background whose standard deviation is smaller counts as constant."""
ROUNDING = 1e-6
"""So does one whose deviation is this part of its values: what is left is rounding of float32 numbers."""


def windows(
    micrograph: Shaped[np.ndarray, "rows columns"],
    centres: Int64[np.ndarray, "image 2"],
    box: int,
    fill: float | None = None,
) -> Float32[np.ndarray, "image y x"]:
    """Square windows c - n/2 … c + n/2 - 1 around centres (x, y).

    Pixels beyond the micrograph take the nearest one inside, or `fill` where that is given.
    """
    rows, columns = micrograph.shape
    images = np.empty((len(centres), box, box), dtype=np.float32)
    half = box // 2
    for image, (x, y) in zip(images, centres.tolist(), strict=True):
        top, left = y - half, x - half
        if top >= 0 and left >= 0 and top + box <= rows and left + box <= columns:
            image[:] = micrograph[top : top + box, left : left + box]
            continue
        at_y, at_x = np.arange(top, top + box), np.arange(left, left + box)
        image[:] = micrograph[at_y.clip(0, rows - 1)[:, None], at_x.clip(0, columns - 1)]
        if fill is not None:
            image[(at_y < 0) | (at_y >= rows)] = fill
            image[:, (at_x < 0) | (at_x >= columns)] = fill
    return images


def padding_share(
    centres: Int64[np.ndarray, "image 2"], box: int, shape: tuple[int, int]
) -> Float64[np.ndarray, "image"]:
    """The share of each window that lies beyond the micrograph (rows, columns); 1 where all of it does."""
    first = centres - box // 2
    size = np.array(shape[::-1])
    covered = (np.minimum(first + box, size) - np.maximum(first, 0)).clip(0)
    return 1.0 - covered.prod(axis=1) / box**2


def rescaled(
    images: Float[np.ndarray, "image y x"], new_box: int
) -> Float[np.ndarray, "image newy newx"]:
    """Images on another number of pixels, by cutting or padding their Fourier transform.

    Values are kept, and so is the centre. Smaller: the row of the highest y frequency is that of the
    positive one. Larger: only frequencies within the old circle of Nyquist are kept.
    """
    box = images.shape[-1]
    if new_box == box:
        return images
    half = min(box, new_box) // 2
    columns = scipy.fft.rfft(images, axis=-1)[..., : half + 1]
    transform = scipy.fft.fft(columns, axis=-2)
    placed = np.zeros((len(images), new_box, new_box // 2 + 1), dtype=transform.dtype)
    placed[:, : half + 1, : half + 1] = transform[:, : half + 1]
    placed[:, new_box - half + 1 :, : half + 1] = transform[:, box - half + 1 :]
    if new_box > box:
        y = scipy.fft.fftfreq(new_box, 1.0 / new_box)[:, None]
        placed[:, y**2 + np.arange(new_box // 2 + 1) ** 2 > half**2] = 0.0
    restored = scipy.fft.irfft2(placed, s=(new_box, new_box), overwrite_x=True)
    restored *= (new_box / box) ** 2
    return restored


def cut(images: Float[np.ndarray, "image y x"], box: int) -> Float[np.ndarray, "image newy newx"]:
    """The middle of images: a window of a smaller box around the same centre."""
    first = images.shape[-1] // 2 - box // 2
    return images[:, first : first + box, first : first + box]


def without_dust(
    images: Float32[np.ndarray, "image y x"],
    radius: int,
    white: float,
    black: float,
    generators: list[np.random.Generator],
) -> None:
    """Replace, in place, pixels far from the background's mean by noise of its mean and deviation.

    white, black: standard deviations beyond which a pixel is dust; 0 switches either off.
    """
    outside = is_background(images.shape[-1], radius)
    for image, generator in zip(images, generators, strict=True):
        background = image[outside].astype(np.float64)
        mean, deviation = background.mean(), background.std()
        is_dust = np.zeros(image.shape, dtype=bool)
        if white > 0:
            is_dust |= image - mean > white * deviation
        if black > 0:
            is_dust |= image - mean < -black * deviation
        image[is_dust] = generator.normal(mean, deviation, int(is_dust.sum()))


def is_background(box: int, radius: int) -> Shaped[np.ndarray, "y x"]:
    """Where x² + y² > R² about the pixel (n//2, n//2)."""
    along = np.arange(box) - box // 2
    return along[:, None] ** 2 + along**2 > radius**2


def normalise(
    images: Float32[np.ndarray, "image y x"], radius: int, has_ramp: bool, factor: float = 1.0
) -> int:
    """Bring, in place, the background to mean 0 and deviation 1, and multiply with `factor`.

    The background is what lies farther than `radius` pixels from the centre. With `has_ramp` its
    least-squares plane is taken off first. Sums are in float64. Images with a constant background
    are not divided; their number is returned.
    """
    inverse, reach = _ramp_design(images.shape[-1], radius, has_ramp)
    flat = np.zeros(len(images), dtype=np.bool_)
    _normalise(images, inverse, reach, factor, flat)
    return int(flat.sum())


def _ramp_design(
    box: int, radius: int, has_ramp: bool
) -> tuple[Float64[np.ndarray, "3 3"], Int64[np.ndarray, "y"]]:
    """What gives the plane from the background's sums, and per row how far the circle reaches (-1: not at all)."""
    along = np.arange(box) - box // 2
    squared = radius**2 - along**2
    reach = np.where(squared >= 0, np.floor(np.sqrt(np.maximum(squared, 0))), -1).astype(np.int64)
    y, x = np.nonzero(is_background(box, radius))
    centred = np.stack((x - box // 2, y - box // 2, np.ones(len(x)))).astype(np.float64)
    if has_ramp:
        return np.linalg.inv(centred @ centred.T), reach
    inverse = np.zeros((3, 3))
    inverse[2, 2] = 1.0 / len(x)
    return inverse, reach


@nb.njit(nogil=True, fastmath={"reassoc", "contract", "nsz"}, cache=True)
@no_type_check
def _background_sums(line, first, last, half):
    """Sum and first moment of the pixels first … last-1 of a line."""
    total, moment = 0.0, 0.0
    for i in range(first, last):
        value = np.float64(line[i])
        total += value
        moment += value * (i - half)
    return total, moment


@nb.njit(nogil=True, fastmath={"reassoc", "contract", "nsz"}, cache=True)
@no_type_check
def _residual_sums(line, first, last, start, slope):
    """Sum and sum of squares of the pixels first … last-1 without the line start + slope * i."""
    total, squares = 0.0, 0.0
    for i in range(first, last):
        value = np.float64(line[i]) - (start + slope * i)
        total += value
        squares += value * value
    return total, squares


@nb.njit(nogil=True, cache=True)
@no_type_check
def _normalise(images, inverse, reach, factor, flat):
    """What `normalised_plainly` defines, image by image; reach[y] is the circle's half width in a row."""
    box = images.shape[1]
    half = box // 2
    count = 0
    for y in range(box):
        count += box if reach[y] < 0 else max(0, half - reach[y]) + max(0, half - 1 - reach[y])
    for n in range(images.shape[0]):
        sum_v, sum_x, sum_y = 0.0, 0.0, 0.0
        for y in range(box):
            left = half - reach[y] if reach[y] >= 0 else box
            right = half + reach[y] + 1 if reach[y] >= 0 else box
            total, moment = _background_sums(images[n, y], 0, left, half)
            more, more_moment = _background_sums(images[n, y], right, box, half)
            sum_v += total + more
            sum_x += moment + more_moment
            sum_y += (total + more) * (y - half)
        a = inverse[0, 0] * sum_x + inverse[0, 1] * sum_y + inverse[0, 2] * sum_v
        b = inverse[1, 0] * sum_x + inverse[1, 1] * sum_y + inverse[1, 2] * sum_v
        c = inverse[2, 0] * sum_x + inverse[2, 1] * sum_y + inverse[2, 2] * sum_v
        total, squares = 0.0, 0.0
        for y in range(box):
            left = half - reach[y] if reach[y] >= 0 else box
            right = half + reach[y] + 1 if reach[y] >= 0 else box
            start = c + b * (y - half) - a * half
            one, square = _residual_sums(images[n, y], 0, left, start, a)
            two, more_square = _residual_sums(images[n, y], right, box, start, a)
            total += one + two
            squares += square + more_square
        mean = total / count
        deviation = np.sqrt(max(squares / count - mean * mean, 0.0))
        level = np.abs(c) + (np.abs(a) + np.abs(b)) * half
        flat[n] = deviation < max(FLAT, ROUNDING * level)
        scale = factor if flat[n] else factor / deviation
        for y in range(box):
            start = c + b * (y - half) - a * half + mean
            for x in range(box):
                images[n, y, x] = np.float32((images[n, y, x] - (start + a * x)) * scale)


def normalised_plainly(
    images: Float32[np.ndarray, "image y x"], radius: int, has_ramp: bool, factor: float = 1.0
) -> Float64[np.ndarray, "image y x"]:
    """The definition of `normalise`: a plane fitted to the background, its mean and its deviation."""
    box = images.shape[-1]
    outside = is_background(box, radius)
    y, x = np.mgrid[:box, :box] - box // 2
    design = np.stack((x, y, np.ones_like(x)), axis=-1).astype(np.float64)
    result = images.astype(np.float64)
    for image in result:
        if has_ramp:
            fit = np.linalg.lstsq(design[outside], image[outside], rcond=None)[0]
            image -= design @ fit
        image -= image[outside].mean()
        deviation = image[outside].std()
        image *= factor / deviation if deviation >= FLAT else factor
    return result
