"""A map as the browser's viewer gets it: cut to the particle, at most 160 pixels wide, compressed."""

import gzip
import struct
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from compute.files.mrc import read_map

LARGEST_BOX = 160
MARGIN = 1.1
"""Beyond the particle's diameter there is only solvent."""
COMPRESSION = 1
"""Quick: the network is rarely slower than the compressor."""
HEADER_BYTES = 1024
KEPT_BITS = 10
"""Of the 23 of each number's mantissa; what is dropped is far below a pixel of the surface."""


def browser_map(path: Path, particle_diameter_A: float | None, is_whole: bool = False) -> bytes:
    """A gzip-compressed MRC file of mode 2 with coarse numbers, which are small when compressed.

    Raises InputError for a file that is no map.
    """
    found = read_map(path)
    volume, pixel_size_A = found.volume, found.pixel_size_A or 1.0
    if not is_whole:
        volume = cut_to(volume, particle_diameter_A, pixel_size_A)
        volume, factor = binned(volume)
        pixel_size_A *= factor
    return gzip.compress(_mrc(volume, pixel_size_A), COMPRESSION)


def cut_to(
    volume: Float32[np.ndarray, "z y x"], diameter_A: float | None, pixel_size_A: float
) -> np.ndarray:
    """The middle of a map, somewhat wider than the particle; the map itself without a diameter."""
    if not diameter_A:
        return volume
    box = volume.shape[0]
    side = min(box, 2 * int(np.ceil(diameter_A * MARGIN / pixel_size_A / 2)))
    start = (box - side) // 2
    cut = slice(start, start + side)
    return volume[cut, cut, cut]


def binned(volume: np.ndarray) -> tuple[np.ndarray, int]:
    """A map averaged over cubes of pixels until it is small enough, and their edge."""
    factor = -(-volume.shape[0] // LARGEST_BOX)
    if factor == 1:
        return volume, 1
    side = volume.shape[0] // factor
    cut = volume[: side * factor, : side * factor, : side * factor]
    return cut.reshape(side, factor, side, factor, side, factor).mean(axis=(1, 3, 5)), factor


def _rounded(volume: np.ndarray) -> np.ndarray:
    """float32 numbers whose last bits are zero."""
    dropped = 23 - KEPT_BITS
    bits = np.ascontiguousarray(volume, dtype="<f4").view("<u4")
    half = np.uint32(1 << (dropped - 1))
    return ((bits + half) >> dropped << dropped).view("<f4")


def _mrc(volume: np.ndarray, pixel_size_A: float) -> bytes:
    """A map as MRC of mode 2, with its statistics in the header."""
    values = _rounded(volume)
    side_z, side_y, side_x = values.shape
    header = bytearray(HEADER_BYTES)
    struct.pack_into("<10i", header, 0, side_x, side_y, side_z, 2, 0, 0, 0, side_x, side_y, side_z)
    edges = (side_x * pixel_size_A, side_y * pixel_size_A, side_z * pixel_size_A)
    struct.pack_into("<6f", header, 40, *edges, 90.0, 90.0, 90.0)
    struct.pack_into("<3i", header, 64, 1, 2, 3)
    exact = values.astype(np.float64)
    struct.pack_into("<3f", header, 76, exact.min(), exact.max(), exact.mean())
    struct.pack_into("<i", header, 88, 1)
    struct.pack_into("<i", header, 108, 20140)
    header[208:212] = b"MAP "
    header[212:216] = bytes((0x44, 0x44, 0, 0))
    struct.pack_into("<f", header, 216, exact.std())
    return bytes(header) + values.tobytes()
