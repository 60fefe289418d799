"""The pixels of one micrograph: MRC or TIFF, in the type in which they are stored."""

from io import FileIO
from pathlib import Path
from typing import Final

import numpy as np

from compute.files.errors import InputError, missing
from compute.files.mrc import read_layout

TIFF_ENDINGS: Final = (".tif", ".tiff")


def micrograph_shape(path: Path | str) -> tuple[int, int]:
    """Rows and columns of a micrograph, from its header and length only.

    Raises InputError for a missing or unreadable file and for one that holds several images.
    """
    path = Path(path)
    if path.suffix.lower() in TIFF_ENDINGS:
        return _tiff(path, with_pixels=False).shape
    images, rows, columns = read_layout(path).shape
    if images != 1:
        raise InputError(f"{path} holds {images} images; a micrograph is a single one.")
    return rows, columns


def read_micrograph(path: Path | str) -> np.ndarray:
    """The pixels (y, x), first row stored is y = 0; float32, or whole numbers as stored.

    Raises InputError as `micrograph_shape` does.
    """
    return PixelReader().read(path)


class PixelReader:
    """Reads micrographs one after another into the same memory, since fresh memory costs more than the copying."""

    def __init__(self) -> None:
        self._memory = np.empty(0, dtype=np.uint8)

    def read(self, path: Path | str) -> np.ndarray:
        """What `read_micrograph` gives, until the next one is read."""
        path = Path(path)
        if path.suffix.lower() in TIFF_ENDINGS:
            return _usable(_tiff(path, with_pixels=True))
        rows, columns = micrograph_shape(path)
        layout = read_layout(path)
        size = rows * columns * layout.dtype.itemsize
        if len(self._memory) < size:
            self._memory = np.empty(size, dtype=np.uint8)
        target = self._memory[:size]
        with path.open("rb", buffering=0) as file:
            file.seek(layout.offset)
            _fill(target, file, path)
        return _usable(target.view(layout.dtype).reshape(rows, columns))


def _fill(target: np.ndarray, file: FileIO, path: Path) -> None:
    """Read bytes until the target is full; one call gives at most 2 GB, and less where the file system says so."""
    missing = target.data
    while len(missing):
        count = file.readinto(missing)
        if not count:
            raise InputError(f"{path} ends in the middle of its pixels; it was changed.")
        missing = missing[count:]


def _usable(pixels: np.ndarray) -> np.ndarray:
    """Whole numbers of this machine's byte order as they are, everything else as float32."""
    is_plain = pixels.dtype.kind in "iu" and pixels.dtype.itemsize <= 2 and pixels.dtype.isnative
    return pixels if is_plain else pixels.astype(np.float32, copy=False)


def _tiff(path: Path, with_pixels: bool) -> np.ndarray:
    """The one page of a TIFF file; without its pixels, an empty array of its shape."""
    import tifffile

    if not path.is_file():
        raise missing(path)
    try:
        with tifffile.TiffFile(path) as file:
            pages = len(file.pages)
            page = file.pages.first
            shape = page.shape
            if pages != 1 or len(shape) != 2:
                raise InputError(
                    f"{path} holds {pages} pages of shape {shape}; a micrograph is a single grey image."
                )
            if not with_pixels:
                return np.broadcast_to(np.zeros((), np.float32), shape)
            pixels: np.ndarray = page.asarray()
            return pixels
    except (tifffile.TiffFileError, ValueError, OSError, KeyError, RuntimeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} cannot be read as TIFF: {error}.") from error
