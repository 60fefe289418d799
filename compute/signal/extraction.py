"""Particle images from the pixels of a micrograph: windows, Fourier rescaling, and normalised backgrounds.

Images are float32 arrays (image, y, x); the particle's centre is the pixel (n//2, n//2).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Float64, Int64, Shaped

from compute.signal.pocketfft import transforms

FLAT = 1e-10
"""A background whose standard deviation is smaller counts as constant."""
ROUNDING = 3e-6
"""So does one whose deviation is this part of the values: what is left is rounding of float32 numbers."""


def windows(
    micrograph: Shaped[np.ndarray, "rows columns"],
    centres: Int64[np.ndarray, "image 2"],
    box: int,
    fill: float | None = None,
    level: float = 0.0,
) -> Float32[np.ndarray, "image y x"]:
    """Square windows c - n/2 … c + n/2 - 1 around centres (x, y), less a constant level.

    Pixels beyond the micrograph take the nearest one inside, or `fill` where that is given.
    """
    rows, columns = micrograph.shape
    images = np.empty((len(centres), box, box), dtype=np.float32)
    half, below = box // 2, np.float32(level)
    for image, (x, y) in zip(images, centres.tolist(), strict=True):
        top, left = y - half, x - half
        if top >= 0 and left >= 0 and top + box <= rows and left + box <= columns:
            np.subtract(
                micrograph[top : top + box, left : left + box], below, out=image, casting="unsafe"
            )
            continue
        _fill_beyond(image, micrograph, (top, left), fill)
        image -= below
    return images


def _fill_beyond(
    image: Float32[np.ndarray, "y x"],
    micrograph: Shaped[np.ndarray, "rows columns"],
    first: tuple[int, int],
    fill: float | None,
) -> None:
    """Copy a window that reaches beyond the micrograph; its first pixel is `first` (y, x) there."""
    box = len(image)
    inside, source = [], []
    for start, size in zip(first, micrograph.shape, strict=True):
        low, high = min(max(start, 0), size - 1), min(max(start + box, 1), size)
        place = min(max(-start, 0), box - 1)
        source.append(slice(low, high))
        inside.append(slice(place, place + high - low))
    rows, columns = inside
    image[rows, columns] = micrograph[source[0], source[1]]
    image[rows, : columns.start] = image[rows, columns.start, None]
    image[rows, columns.stop :] = image[rows, columns.stop - 1, None]
    image[: rows.start], image[rows.stop :] = image[rows.start], image[rows.stop - 1]
    if fill is not None:
        for axis, (start, size) in enumerate(zip(first, micrograph.shape, strict=True)):
            at = np.arange(start, start + box)
            image.swapaxes(0, axis)[(at < 0) | (at >= size)] = fill


def views(
    micrograph: Float32[np.ndarray, "rows columns"], centres: Int64[np.ndarray, "image 2"], box: int
) -> Iterator[Float32[np.ndarray, "y x"]]:
    """The windows of `windows` one by one, to be read only: those that lie inside are not copied."""
    rows, columns = micrograph.shape
    for centre in centres:
        left, top = (centre - box // 2).tolist()
        if top >= 0 and left >= 0 and top + box <= rows and left + box <= columns:
            yield micrograph[top : top + box, left : left + box]
        else:
            yield windows(micrograph, centre[None], box)[0]


def padding_share(
    centres: Int64[np.ndarray, "image 2"], box: int, shape: tuple[int, int]
) -> Float64[np.ndarray, "image"]:
    """The share of each window that lies beyond the micrograph (rows, columns); 1 where all of it does."""
    first = centres - box // 2
    size = np.array(shape[::-1])
    covered = (np.minimum(first + box, size) - np.maximum(first, 0)).clip(0)
    return 1.0 - covered.prod(axis=1) / box**2


def rescaled(
    images: Iterable[Float[np.ndarray, "y x"]], new_box: int
) -> Float[np.ndarray, "image newy newx"]:
    """Images on another number of pixels, by cutting or padding their Fourier transform.

    Values are kept, and so is the centre. Smaller: the row of the highest y frequency is that of the
    positive one. Larger: only frequencies within the old circle of Nyquist are kept.
    """
    given = list(images)
    result = np.empty((len(given), new_box, new_box), dtype=given[0].dtype)
    for one, image in zip(result, given, strict=True):  # one by one they stay in the caches
        if len(image) == new_box:
            one[:] = image
        else:
            _rescale(image, one)
    return result


def _rescale(image: Float[np.ndarray, "y x"], result: Float[np.ndarray, "newy newx"]) -> None:
    """One image on another number of pixels."""
    box, new_box, fourier = len(image), len(result), transforms()
    half = min(box, new_box) // 2
    transform = fourier.columns(fourier.rows(image)[:, : half + 1])
    shape = (new_box, new_box // 2 + 1)
    placed = (np.zeros if new_box > box else np.empty)(shape, dtype=transform.dtype)
    placed[: half + 1, : half + 1] = transform[: half + 1]
    placed[new_box - half + 1 :, : half + 1] = transform[box - half + 1 :]
    if new_box > box:
        y = np.fft.fftfreq(new_box, 1.0 / new_box)[:, None]
        placed[y**2 + np.arange(new_box // 2 + 1) ** 2 > half**2] = 0.0
    fourier.restore(placed, result)


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


@dataclass(frozen=True, slots=True)
class Background:
    """What the background of images of one box and radius is fitted with.

    is_outside: 1 in the background, else 0, per pixel. basis: x, y and 1 of every pixel (1 alone where no
    ramp is fitted), x and y in half boxes. weights: what gives the fit from an image's pixels.
    """

    is_outside: Float32[np.ndarray, "pixel"]
    basis: Float32[np.ndarray, "term pixel"]
    weights: Float32[np.ndarray, "term pixel"]
    pixels: int


def background(box: int, radius: int, has_ramp: bool) -> Background:
    """The background of images of `box` pixels outside a circle of `radius` pixels."""
    along = (np.arange(box) - box // 2) / (0.5 * box)
    y, x = np.meshgrid(along, along, indexing="ij")
    terms = np.stack([x, y, np.ones_like(x)] if has_ramp else [np.ones_like(x)]).reshape(-1, box**2)
    outside = is_background(box, radius).reshape(-1)
    inverse = np.linalg.inv(terms[:, outside] @ terms[:, outside].T)
    return Background(
        is_outside=outside.astype(np.float32),
        basis=terms.astype(np.float32),
        weights=(inverse @ (terms * outside)).astype(np.float32),
        pixels=int(outside.sum()),
    )


def normalise(
    images: Float32[np.ndarray, "image y x"],
    around: Background,
    factor: float = 1.0,
    level: float = 0.0,
) -> int:
    """Bring, in place, the background to mean 0 and deviation 1, and multiply with `factor`.

    The least-squares fit of the background is taken off, then the image is divided by the standard
    deviation of what is left there. Images with a constant background are not divided; their number is
    returned. level: what was taken off the images before, for the judgement what is constant.
    """
    flat = images.reshape(len(images), -1)
    fit = flat @ around.weights.T
    flat -= fit @ around.basis
    outside = flat * around.is_outside
    squares = np.array([np.dot(*pair) for pair in zip(outside, flat, strict=True)], np.float64)
    deviation = np.sqrt(squares / around.pixels)
    is_flat = deviation < np.maximum(FLAT, ROUNDING * (abs(level) + np.abs(fit).sum(axis=1)))
    flat *= (factor / np.where(is_flat, 1.0, deviation)).astype(np.float32)[:, None]
    return int(is_flat.sum())


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
