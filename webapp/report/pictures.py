"""Central slices of a map as PNG pictures inside a document."""

import base64
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from compute.files.errors import InputError
from compute.files.mrc import read_map
from webapp.components.slices import AXES, grey_scale, greys, round_length_A, slice_of

SMALLEST_PX = 220
"""Small boxes are enlarged by a whole number of times to at least this width."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One slice: the `data:` address of its PNG, what it shows, and the length of its scale bar."""

    address: str
    words: str
    bar_share: float
    bar_words: str


def central_slices(path: Path) -> list[Picture]:
    """The three central slices of a map on one grey scale; none where there is no such map."""
    try:
        found = read_map(path)
    except (InputError, OSError):
        return []
    box, pixel_A = found.volume.shape[0], found.pixel_size_A
    scale = grey_scale(found.volume)
    bar_A = round_length_A(box * pixel_A)
    return [
        Picture(
            png_address(greys(slice_of(found.volume, axis, box // 2), scale)[::-1]),
            f"{path.name}, central slice at right angles to {axis}",
            bar_A / (box * pixel_A),
            f"{bar_A:g} Å",
        )
        for axis in AXES
    ]


def png_address(pixels: np.ndarray) -> str:
    """Greys (row, column) as the `data:` address of a PNG picture."""
    from PIL import Image

    times = max(1, -(-SMALLEST_PX // pixels.shape[1]))
    enlarged = np.repeat(np.repeat(pixels, times, axis=0), times, axis=1)
    held = io.BytesIO()
    Image.fromarray(enlarged, mode="L").save(held, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(held.getvalue()).decode("ascii")
