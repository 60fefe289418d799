"""RELION's way to another pixel size, with its rounding (jobs_and_files §4.1 to §4.3); for comparison only."""

import numpy as np


def rescaled_size(box: int, pixel_size_A: float, wanted_A: float) -> tuple[int, float]:
    """The even size that a box gets, and the pixel size that this gives instead of the one wanted."""
    size = int(np.floor(box * pixel_size_A / wanted_A + 0.5))
    size -= size % 2
    return size, box * pixel_size_A / size


def rescaled(volume: np.ndarray, size: int) -> np.ndarray:
    """A cubic map cut or filled up with zeros in Fourier space; the highest row is that of +size/2."""
    box = len(volume)
    source = np.fft.rfftn(volume.astype(np.float64), norm="forward")
    target = np.zeros((size, size, size // 2 + 1), dtype=complex)
    smaller = min(box, size)
    along = np.arange(-(smaller // 2) + (smaller + 1) % 2, smaller // 2 + 1)
    half = np.arange(smaller // 2 + 1)
    values = source[np.ix_(along % box, along % box, half)]
    if size > box:
        squared = along[:, None, None] ** 2 + along[:, None] ** 2 + half**2
        values = np.where(squared <= (box / 2) ** 2, values, 0.0)
    target[np.ix_(along % size, along % size, half)] = values
    return np.fft.irfftn(target, s=(size,) * 3, axes=(0, 1, 2), norm="forward")


def windowed(volume: np.ndarray, new_box: int) -> np.ndarray:
    """The map in another box, zeros around it, with index floor(n/2) on floor(new/2)."""
    box = len(volume)
    window = np.zeros((new_box,) * 3)
    for place in np.ndindex(window.shape):
        old = tuple(i - new_box // 2 + box // 2 for i in place)
        if min(old) >= 0 and max(old) < box:
            window[place] = volume[old]
    return window
