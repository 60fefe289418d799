"""MRC files: density maps, and stacks of images that are read image by image."""

import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final

import mrcfile
import numpy as np
from jaxtyping import Float, Float32, Integer

from compute.files.atomic import replacing
from compute.files.errors import InputError

_HEADER_BYTES: Final = 1024
_READABLE_MODES: Final = (0, 1, 2, 6, 12)
_KNOWN_MODES: Final = (*_READABLE_MODES, 3, 4, 101)
_FLOAT16_LARGEST: Final = 65504.0
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
            data = file.read(_HEADER_BYTES)
            length = os.fstat(file.fileno()).st_size
    except FileNotFoundError:
        raise InputError(f"{path} does not exist. Pick another file.") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error
    if len(data) < _HEADER_BYTES:
        raise InputError(f"{path} has {len(data)} bytes; the header of an MRC file has 1024.")
    header, order = _header(data, path)
    shape = (int(header["nz"]), int(header["ny"]), int(header["nx"]))
    dtype = mrcfile.utils.dtype_from_mode(int(header["mode"])).newbyteorder(order)
    offset = _HEADER_BYTES + int(header["nsymbt"])
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
    moments = (float(values.min()), float(values.max()), float(values.mean(dtype=np.float64)))
    header = _new_header(values.shape, 2, float(pixel_size_A), is_stack=False)
    _fill_statistics(header, *moments, float(values.std(dtype=np.float64)))
    with replacing(Path(path)) as file:
        file.write(header.tobytes())
        file.write(values.data)


def _new_header(shape: Sequence[int], mode: int, pixel_size_A: float, is_stack: bool) -> np.ndarray:
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


def _fill_statistics(
    header: np.ndarray, smallest: float, largest: float, mean: float, deviation: float
) -> None:
    header["dmin"], header["dmax"] = smallest, largest
    header["dmean"], header["rms"] = mean, deviation


class StackReader:
    """The images of a stack, read by number from a file that stays open."""

    def __init__(self, path: Path | str) -> None:
        """Open a stack of square images; raises InputError as `read_layout` does."""
        self.path = Path(path)
        self._layout = read_layout(self.path)
        self.count, height, self.box = self._layout.shape
        if height != self.box:
            raise InputError(
                f"{self.path} has images of {self.box} x {height} pixels; they must be square."
            )
        self.pixel_size_A = self._layout.pixel_size_A
        self._descriptor = os.open(self.path, os.O_RDONLY)

    def read(self, indices: Integer[np.ndarray, "image"]) -> Float32[np.ndarray, "image y x"]:
        """The images with these numbers (from 0), in this order, as float32.

        Raises InputError for a number outside the stack and for a file that ends too early.
        """
        indices = np.asarray(indices, dtype=np.int64)
        outside = indices[(indices < 0) | (indices >= self.count)]
        if len(outside):
            raise InputError(
                f"{self.path} has {self.count} images; image {outside[0] + 1} does not exist."
            )
        images = np.empty((len(indices), self.box, self.box), dtype=self._layout.dtype)
        bounds = np.flatnonzero(np.diff(indices) != 1) + 1
        for start, end in zip((0, *bounds), (*bounds, len(indices)), strict=True):
            if end > start:
                self._fill(images[start:end], int(indices[start]))
        return images.astype(np.float32, copy=False)

    def _fill(self, images: np.ndarray, first: int) -> None:
        """Read consecutive images, from number `first` on, into `images`."""
        target = images.view(np.uint8).reshape(-1).data
        position = self._layout.offset + first * self.box**2 * images.itemsize
        while len(target):
            count = os.preadv(self._descriptor, [target], position)
            if count == 0:
                raise InputError(f"{self.path} ends in the middle of an image; it was changed.")
            target, position = target[count:], position + count

    def close(self) -> None:
        """Close the file; the reader is of no more use."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> "StackReader":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _sum_of_squares(flat: Float32[np.ndarray, "image pixel"]) -> float:
    """The sum of squares; in double precision where that of an image is beyond single precision."""
    with np.errstate(over="ignore"):
        total = sum(float(np.dot(image, image)) for image in flat)
    return total if np.isfinite(total) else float(np.square(flat, dtype=np.float64).sum())


class StackWriter:
    """A stack of images that grows batch by batch and takes its name when it is closed.

    Values are float32, or float16 with values beyond its range set to ±65504.
    """

    def __init__(
        self,
        path: Path | str,
        box: int,
        pixel_size_A: float | int,
        float16: bool = False,
        is_forced: bool = True,
    ) -> None:
        """Begin a stack; `is_forced` as for `replacing`."""
        self.box, self.pixel_size_A, self.count = box, float(pixel_size_A), 0
        self._mode = 12 if float16 else 2
        self._dtype: np.dtype = np.dtype("<f2" if float16 else "<f4")
        self._range = [np.inf, -np.inf]
        self._mean = self._squares = 0.0
        self._open = ExitStack()
        self._file = self._open.enter_context(replacing(Path(path), is_forced))
        self._file.write(bytes(_HEADER_BYTES))

    def append(self, images: Float[np.ndarray, "image y x"]) -> None:
        """Write images behind those already there; raises ValueError for another box."""
        if images.shape[1:] != (self.box, self.box):
            raise ValueError(f"images of shape {images.shape[1:]} in a stack of box {self.box}")
        if self._mode == 12:
            images = images.clip(-_FLOAT16_LARGEST, _FLOAT16_LARGEST)
        values = np.ascontiguousarray(images, dtype=self._dtype)
        if values.size:
            self._note(values)
        self._file.write(values.data)
        self.count += len(values)

    def _note(self, values: Float[np.ndarray, "image y x"]) -> None:
        """Take images into the statistics: means and squares about them, pooled (Chan et al. 1979)."""
        low, high = float(values.min()), float(values.max())
        self._range = [min(self._range[0], low), max(self._range[1], high)]
        flat = values.astype(np.float32, copy=False).reshape(len(values), -1)
        mean = float(flat.sum(axis=1).sum(dtype=np.float64)) / flat.size
        squares = _sum_of_squares(flat)
        if mean**2 * flat.size < 0.5 * squares:
            squares -= mean**2 * flat.size
        else:  # that difference would be what rounding has left
            squares = _sum_of_squares(flat - np.float32(mean))
        before, now = self.count * self.box**2, values.size
        apart = mean - self._mean
        self._mean += apart * now / (before + now)
        self._squares += squares + apart**2 * before * now / (before + now)

    def close(self) -> None:
        """Complete the header with the number of images and their statistics, and the file."""
        shape = (self.count, self.box, self.box)
        header = _new_header(shape, self._mode, self.pixel_size_A, is_stack=True)
        if self.count:
            deviation = float(np.sqrt(self._squares / (self.count * self.box**2)))
            _fill_statistics(header, self._range[0], self._range[1], self._mean, deviation)
        with self._open:
            self._file.seek(0)
            self._file.write(header.tobytes())

    def __enter__(self) -> "StackWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
        else:
            self._open.__exit__(kind, error, trace)
