"""Optics groups: what all images taken with one microscope setting share."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from compute.files.errors import InputError
from compute.files.labels import star_label
from compute.files.star_text import vector
from compute.files.table import Table

_MAGNIFICATION: Final = ("mag_mat00", "mag_mat01", "mag_mat10", "mag_mat11")
_PARENTS: Final = 4


@dataclass(frozen=True, slots=True)
class OpticsGroup:
    """The microscope and the images of one group; `number` is the one that the file uses.

    Voltage, spherical aberration and amplitude contrast are 0 where the file gives none, and
    `image_size` is 0 until it is known. `magnification` is the matrix (00, 01, 10, 11) or None.
    `original_pixel_size_A` is that of the camera (0 if unknown), to which the MTF refers.
    """

    number: int
    name: str
    pixel_size_A: float
    image_size: int
    voltage_kV: float
    spherical_aberration_mm: float
    amplitude_contrast: float
    is_premultiplied: bool = False
    beam_tilt_x_mrad: float = 0.0
    beam_tilt_y_mrad: float = 0.0
    odd_zernike: tuple[float, ...] = ()
    even_zernike: tuple[float, ...] = ()
    magnification: tuple[float, float, float, float] | None = None
    mtf_path: Path | None = None
    original_pixel_size_A: float = 0.0


def column(table: Table, name: str, default: float | str) -> np.ndarray:
    """The column of a table by our name; `default` in every row where the table has none."""
    found = table.columns.get(star_label(name))
    if found is not None:
        return found
    if isinstance(default, str):
        return np.full(len(table), default, dtype=object)
    return np.full(len(table), default, dtype=np.float64)


def has(table: Table, *names: str) -> bool:
    """Whether a table has all these columns, by our names."""
    return all(star_label(name) in table.columns for name in names)


def optics_groups(table: Table, path: Path) -> tuple[OpticsGroup, ...]:
    """The groups of an optics table, in its order.

    Raises InputError for groups without number or pixel size, for a number given twice, a pixel
    size that is not positive and for images that are not 2D.
    """
    for name in ("optics_group", "image_pixel_size_A"):
        if not has(table, name):
            raise InputError(f"{path}: data_optics has no {star_label(name)}, which is needed.")
    numbers = column(table, "optics_group", 0.0).tolist()
    for number in numbers:
        if numbers.count(number) > 1:
            raise InputError(f"{path}: data_optics defines optics group {number} twice.")
    return tuple(_group(table, row, path) for row in range(len(table)))


def _group(table: Table, row: int, path: Path) -> OpticsGroup:
    def number(name: str) -> float:
        return float(column(table, name, 0.0)[row])

    def text(name: str, default: str) -> str:
        return str(column(table, name, default)[row])

    name = text("optics_group_name", f"opticsGroup{row + 1}")
    if number("image_pixel_size_A") <= 0:
        raise InputError(
            f"{path}: optics group '{name}' has {star_label('image_pixel_size_A')} "
            f"{number('image_pixel_size_A'):g}; it must be positive (Å)."
        )
    if has(table, "image_dimensionality") and number("image_dimensionality") != 2:
        raise InputError(f"{path}: optics group '{name}' has 3D images; only 2D ones can be used.")
    matrix = tuple(number(name) for name in _MAGNIFICATION)
    mtf = text("mtf_file_name", "")
    return OpticsGroup(
        number=int(number("optics_group")),
        name=name,
        pixel_size_A=number("image_pixel_size_A"),
        image_size=int(number("image_size")),
        voltage_kV=number("voltage_kV"),
        spherical_aberration_mm=number("spherical_aberration_mm"),
        amplitude_contrast=number("amplitude_contrast"),
        is_premultiplied=bool(number("ctf_data_are_ctf_premultiplied")),
        beam_tilt_x_mrad=number("beam_tilt_x_mrad"),
        beam_tilt_y_mrad=number("beam_tilt_y_mrad"),
        odd_zernike=vector(text("odd_zernike", "[]")),
        even_zernike=vector(text("even_zernike", "[]")),
        magnification=(
            (matrix[0], matrix[1], matrix[2], matrix[3]) if has(table, *_MAGNIFICATION) else None
        ),
        mtf_path=find_file(mtf, path) if mtf not in ("", "None") else None,
        original_pixel_size_A=number("micrograph_original_pixel_size_A"),
    )


def find_file(name: str, star_path: Path) -> Path:
    """The file that a STAR file names: beside it, in the current folder, or in one above it.

    Other programs write paths relative to the project, which is at most four folders above the
    STAR file. Where none of these exists, the path beside the STAR file.
    """
    folder = star_path.absolute().parent
    beside = folder / name
    for place in (folder, Path.cwd(), *folder.parents[:_PARENTS]):
        if (place / name).exists():
            return place / name
    return beside
