"""MRC files: their headers, and density maps."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import mrcfile
import numpy as np
from jaxtyping import Float, Float32

from compute.files.atomic import replacing
from compute.files.errors import InputError, missing

HEADER_BYTES: Final = 1024
_READABLE_MODES: Final = (0, 1, 2, 6, 12)
_KNOWN_MODES: Final = (*_READABLE_MODES, 3, 4, 101)
_VERSION_2014: Final = 20140
_LITTLE_ENDIAN_STAMP: Final = (0x44, 0x44, 0, 0)


@dataclass(frozen=True, slots=True)
class MapFile:
    """A density map and its pixel size; 0.0 where the header does not know it."""

    volume: Float32[np.ndarray, "z y x"]
    pixel_size_A: float


@dataclass(frozen=True, slots=True)
class Layout:
    """Where and how the values of an MRC file lie: shape (z, y, x), type, offset in bytes."""

    shape: tuple[int, int, int]
    dtype: np.dtype
    offset: int
    pixel_size_A: float


def read_layout(path: Path | str) -> Layout:
    """The layout of an MRC file, from its header and its length only.

    The byte order is found from the mode, so odd machine stamps do no harm. Axis order, origin and
    start are ignored, as other programs do. The pixel size is 0.0 where the header gives none.
    Raises InputError for a missing file, another format, an unreadable mode and a file that is
    shorter than 1024 + nsymbt + nx·ny·nz·bytes.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            data = file.read(HEADER_BYTES)
            length = os.fstat(file.fileno()).st_size
    except FileNotFoundError:
        raise missing(path) from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error
    if len(data) < HEADER_BYTES:
        raise InputError(f"{path} has {len(data)} bytes; the header of an MRC file has 1024.")
    header, order = _header(data, path)
    shape = (int(header["nz"]), int(header["ny"]), int(header["nx"]))
    dtype = mrcfile.utils.dtype_from_mode(int(header["mode"])).newbyteorder(order)
    offset = HEADER_BYTES + int(header["nsymbt"])
    expected = offset + shape[0] * shape[1] * shape[2] * dtype.itemsize
    if length < expected:
        raise InputError(
            f"{path} is cut short: {shape[2]} x {shape[1]} x {shape[0]} values of mode "
            f"{int(header['mode'])} need {expected} bytes, found {length}. Copy or make it again."
        )
    return Layout(shape, dtype, offset, _pixel_size_A(header))


def _header(data: bytes, path: Path) -> tuple[np.void, str]:
    """The header and its byte order; raises InputError where it makes sense in neither order."""
    for order in "<>":
        dtype = mrcfile.dtypes.HEADER_DTYPE.newbyteorder(order)
        header = np.frombuffer(data, dtype=dtype)[0]
        mode = int(header["mode"])
        if mode not in _KNOWN_MODES or not 0 <= int(header["nsymbt"]) < 2**31 - 1024:
            continue
        if any(not 1 <= int(header[name]) < 2**27 for name in ("nx", "ny", "nz")):
            continue
        if mode == 101:
            raise InputError(
                f"{path} holds packed 4-bit values (mode 101); convert it to mode 2 or 12 first."
            )
        if mode not in _READABLE_MODES:
            raise InputError(
                f"{path} has mode {mode}, complex values; modes 0, 1, 2, 6 and 12 can be read."
            )
        return header, order
    raise InputError(f"{path} is not an MRC file: sizes and mode in its header make no sense.")


def _pixel_size_A(header: np.void) -> float:
    """Cell edge over the number of samples along x; 0.0 where either is missing."""
    edge, samples = float(header["cella"]["x"]), int(header["mx"])
    return edge / samples if samples > 0 and np.isfinite(edge) and edge > 0 else 0.0


def read_map(path: Path | str) -> MapFile:
    """The density map of an MRC file, as float32.

    Raises InputError as `read_layout` does, and for a stack of images (.mrcs or a single image).
    """
    path = Path(path)
    layout = read_layout(path)
    if path.suffix == ".mrcs" or layout.shape[0] == 1:
        raise InputError(f"{path} holds images, not a map; pick a 3D map (.mrc).")
    count = layout.shape[0] * layout.shape[1] * layout.shape[2]
    values = np.fromfile(path, dtype=layout.dtype, count=count, offset=layout.offset)
    volume = values.astype(np.float32, copy=False).reshape(layout.shape)
    return MapFile(volume, layout.pixel_size_A)


def write_map(
    path: Path | str, volume: Float[np.ndarray, "z y x"], pixel_size_A: float | int
) -> None:
    """Write a density map as float32 (space group 1), at once or not at all."""
    values = np.ascontiguousarray(volume, dtype="<f4")
    mean = float(values.mean(dtype=np.float64))
    squares = 0.0
    for plane in values.reshape(len(values), -1):
        beyond = (
            plane.astype(np.float64) - mean
        )  # a plane at a time, which stays in the processor's cache
        squares += float(beyond @ beyond)
    header = new_header(values.shape, 2, float(pixel_size_A), is_stack=False)
    deviation = (squares / max(1, values.size)) ** 0.5
    fill_statistics(header, float(values.min()), float(values.max()), mean, deviation)
    with replacing(Path(path)) as file:
        file.write(header.tobytes())
        file.write(values.data)


def new_header(shape: Sequence[int], mode: int, pixel_size_A: float, is_stack: bool) -> np.ndarray:
    """A header of MRC2014 for an array of shape (z, y, x)."""
    header = np.zeros((), dtype=mrcfile.dtypes.HEADER_DTYPE.newbyteorder("<"))
    nz, ny, nx = shape
    mz = 1 if is_stack else nz
    for name, value in {"nx": nx, "ny": ny, "nz": nz, "mx": nx, "my": ny, "mz": mz}.items():
        header[name] = value
    header["mode"] = mode
    header["cella"] = (nx * pixel_size_A, ny * pixel_size_A, mz * pixel_size_A)
    header["cellb"] = (90.0, 90.0, 90.0)
    header["mapc"], header["mapr"], header["maps"] = 1, 2, 3
    header["ispg"] = 0 if is_stack else 1
    header["nversion"] = _VERSION_2014
    header["map"] = b"MAP "
    header["machst"] = _LITTLE_ENDIAN_STAMP
    header["nlabl"] = 1
    header["label"][0] = b"Halfmap"
    return header


def fill_statistics(
    header: np.ndarray, smallest: float, largest: float, mean: float, deviation: float
) -> None:
    """Enter the range, mean and deviation of the values into a header."""
    header["dmin"], header["dmax"] = smallest, largest
    header["dmean"], header["rms"] = mean, deviation
