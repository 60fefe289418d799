"""Maps on another grid: Fourier resampling to an exact pixel size, and centred windows.

A map of N voxels is padded with zeros to P, resampled by band-limited (trigonometric) interpolation
to E, and windowed to the new box, all about the centre voxel n//2. P and E are chosen so that P *
old / new = E. The three steps are linear and act on each axis alone, so they are one small matrix
per axis; the padded map itself, which can be large, is never made. Where no padding of up to four
boxes gives a whole E, the matrix takes the samples at the exact places between those of the nearest
grid, so that the new pixel size is always the one asked for.
"""

import math

import torch
from jaxtyping import Complex, Float, Float32, Float64
from torch import Tensor

EXACT = 1e-6  # how far P * old / new may be from a whole number and still be called exact
LARGEST_PADDING = 4  # padded boxes up to this many times the map's box are tried
TAPER_VOXELS = 3  # width of the cosine that takes the map to zero before it is padded


def resize_map(
    volume: Float[Tensor, "z y x"], pixel_size_A: float, new_pixel_size_A: float, new_box: int
) -> Float[Tensor, "new new new"]:
    """The map on `new_box` voxels of exactly the new pixel size.

    Densities are kept (values are not rescaled), the centre voxel n//2 stays the centre, and voxels
    that the old map does not cover are zero. Frequencies that the new grid cannot hold are removed.
    Where the map has to be padded before it is resampled, its outer three voxels are faded to zero
    by a cosine. Raises ValueError for maps that are not cubic, new boxes below 2 and pixel sizes
    that are not positive.
    """
    box = volume.shape[0]
    _check(volume, pixel_size_A, new_pixel_size_A, new_box)
    step = new_pixel_size_A / pixel_size_A
    if abs(step - 1.0) * max(box, new_box) < EXACT:
        return window(volume, new_box)
    padded, resampled = resize_plan(box, pixel_size_A, new_pixel_size_A)
    matrix = _axis_matrix(box, padded, resampled, new_box, step).to(volume.device, volume.dtype)
    resized = volume
    for _ in range(3):
        resized = torch.tensordot(resized, matrix, dims=([0], [1]))
    return resized.contiguous()


def resize_plan(box: int, pixel_size_A: float, new_pixel_size_A: float) -> tuple[int, int]:
    """The even box P to pad to and the even box E to resample it to.

    The smallest P >= box for which P * old / new is an even whole number to 1e-6; if there is none
    up to four boxes, the P that comes nearest to the pixel size.
    """
    ratio = pixel_size_A / new_pixel_size_A
    best, smallest_error = (0, 0), math.inf
    for padded in range(box + box % 2, LARGEST_PADDING * box + 1, 2):
        resampled = max(2, 2 * round(0.5 * padded * ratio))
        error = abs(padded * ratio - resampled)
        if error < EXACT:
            return padded, resampled
        if error / resampled < smallest_error:
            best, smallest_error = (padded, resampled), error / resampled
    return best


def covering_box(box: int, pixel_size_A: float, new_pixel_size_A: float) -> int:
    """The smallest even box of the new pixel size that holds all of a map."""
    voxels = box * pixel_size_A / new_pixel_size_A
    return max(2, 2 * math.ceil(0.5 * (voxels - EXACT)))


def window(volume: Float[Tensor, "z y x"], new_box: int) -> Float[Tensor, "new new new"]:
    """The voxels around the centre n//2, zero where the map does not reach."""
    box = volume.shape[0]
    windowed = volume.new_zeros(new_box, new_box, new_box)
    offset = new_box // 2 - box // 2
    target = slice(max(0, offset), min(new_box, offset + box))
    source = slice(target.start - offset, target.stop - offset)
    windowed[target, target, target] = volume[source, source, source]
    return windowed


def without_high_frequencies(
    volume: Float32[Tensor, "z y x"], new_box: int
) -> Float32[Tensor, "new new new"]:
    """The map on fewer voxels of the same extent, which hold its lower frequencies; densities stay as they are.

    `new_box` is even; the frequencies from its Nyquist on are lost.
    """
    return lower_frequencies(torch.fft.rfftn(volume), new_box)


def lower_frequencies(
    transform: Complex[Tensor, "z y xhalf"], new_box: int
) -> Float32[Tensor, "new new new"]:
    """What `without_high_frequencies` gives, from the map's transform."""
    box, half = len(transform), new_box // 2
    rows = torch.cat([torch.arange(half), torch.arange(box - half, box)])
    cut = transform[:, :, : half + 1][rows][:, rows]
    return torch.fft.irfftn(cut, s=(new_box,) * 3) * (new_box / box) ** 3


def _axis_matrix(
    box: int, padded: int, resampled: int, new_box: int, step: float
) -> Float64[Tensor, "new old"]:
    """What takes one axis of the map to the same axis of the new map: taper, pad, resample, window.

    Band-limited interpolation of `padded` periodic samples, at places `step` old voxels apart, with
    the frequencies that both grids hold; the highest one, h, enters as a cosine, so that the result
    is real and the centre stays fixed. The sum of its waves, 1 + 2 Σ cos 2πkd + cos 2πhd over k < h,
    is sin(2πhd) / tan(πd).
    """
    old = torch.arange(box, dtype=torch.float64) - box // 2
    new = torch.arange(new_box, dtype=torch.float64) - new_box // 2
    distance = (new[:, None] * step - old[None, :]) / padded
    distance -= torch.round(distance)
    highest = min(padded, resampled) // 2
    is_same = distance.abs() < 1e-12
    distance = torch.where(is_same, 0.25, distance)
    waves = torch.sin(2 * math.pi * highest * distance) / torch.tan(math.pi * distance)
    matrix = torch.where(is_same, 2.0 * highest, waves) / padded
    matrix[(new < -(resampled // 2)) | (new >= resampled // 2)] = 0.0
    return matrix * _taper(box) if padded != box else matrix


def _taper(box: int) -> Float64[Tensor, "old"]:
    """One inside, falling as a cosine over the outer voxels of an axis."""
    index = torch.arange(box, dtype=torch.float64)
    depth = (torch.minimum(index, box - 1 - index) + 1) / (TAPER_VOXELS + 1)
    return 0.5 - 0.5 * torch.cos(math.pi * depth.clamp(max=1.0))


def _check(
    volume: Float[Tensor, "z y x"], pixel_size_A: float, new_pixel_size_A: float, new_box: int
) -> None:
    """Raises ValueError with the first thing that makes a resize impossible."""
    if len(set(volume.shape)) != 1:
        raise ValueError(f"a map must be cubic but has shape {tuple(volume.shape)} (z, y, x)")
    if new_box < 2:
        raise ValueError(f"the new box is {new_box} voxels but must be at least 2")
    for name, size in (("pixel size", pixel_size_A), ("new pixel size", new_pixel_size_A)):
        if not size > 0:
            raise ValueError(f"the {name} of the map is {size} Å but must be positive")
