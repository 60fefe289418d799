"""The pixels of one micrograph: MRC or TIFF, in the type in which they are stored."""

from pathlib import Path
from typing import Final

import numpy as np

from compute.files.errors import InputError
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
    path = Path(path)
    if path.suffix.lower() in TIFF_ENDINGS:
        return _usable(_tiff(path, with_pixels=True))
    rows, columns = micrograph_shape(path)
    layout = read_layout(path)
    values = np.fromfile(path, dtype=layout.dtype, count=rows * columns, offset=layout.offset)
    return _usable(values.reshape(rows, columns))


def _usable(pixels: np.ndarray) -> np.ndarray:
    """Whole numbers of this machine's byte order as they are, everything else as float32."""
    is_plain = pixels.dtype.kind in "iu" and pixels.dtype.itemsize <= 2 and pixels.dtype.isnative
    return pixels if is_plain else pixels.astype(np.float32, copy=False)


def _tiff(path: Path, with_pixels: bool) -> np.ndarray:
    """The one page of a TIFF file; without its pixels, an empty array of its shape."""
    import tifffile

    if not path.is_file():
        raise InputError(f"{path} does not exist. Pick another file.")
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
