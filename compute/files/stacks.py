"""Stacks of images as MRC files: read image by image, and written batch by batch."""

import os
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Final

import numpy as np
from jaxtyping import Float, Float32, Integer

from compute.files.atomic import replacing
from compute.files.errors import InputError
from compute.files.mrc import HEADER_BYTES, fill_statistics, new_header, read_layout

_FLOAT16_LARGEST: Final = 65504.0


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
        self._file.write(bytes(HEADER_BYTES))

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
        header = new_header(shape, self._mode, self.pixel_size_A, is_stack=True)
        if self.count:
            deviation = float(np.sqrt(self._squares / (self.count * self.box**2)))
            fill_statistics(header, self._range[0], self._range[1], self._mean, deviation)
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
