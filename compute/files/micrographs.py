"""Micrograph STAR files: names, optics and CTF of every micrograph."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from compute.files.errors import InputError
from compute.files.labels import star_label
from compute.files.legacy import convert_legacy
from compute.files.optics import column, find_file, has
from compute.files.star import STAR_VERSION, check_finite, read_star
from compute.files.table import Table


@dataclass(frozen=True, slots=True)
class Micrographs:
    """The micrographs of a STAR file in its order, in the present layout.

    optics_row: row of each micrograph's group in `optics`. pixel_size_A: of each group.
    """

    path: Path
    table: Table
    optics: Table
    names: tuple[str, ...]
    files: tuple[Path, ...]
    optics_row: np.ndarray
    pixel_size_A: np.ndarray

    def __len__(self) -> int:
        return len(self.names)

    @property
    def group_names(self) -> tuple[str, ...]:
        """The name of each optics group."""
        default = [f"opticsGroup{n + 1}" for n in range(len(self.optics))]
        found = self.optics.columns.get(star_label("optics_group_name"), default)
        return tuple(str(name) for name in found)


def read_micrographs(path: Path | str, pixel_size_A: float | None = None) -> Micrographs:
    """The micrographs of a STAR file of version 3.0 or later.

    pixel_size_A: that of all micrographs, instead of what the file says. Raises InputError for a
    file without micrographs, without pixel size (and none given), and for undefined optics groups.
    """
    path = Path(path)
    optics, table = _tables(path, pixel_size_A)
    check_finite(table, str(path))
    names = tuple(str(name) for name in column(table, "micrograph_name", ""))
    if has(table, "optics_group"):
        numbers = table.columns[star_label("optics_group")]
    else:
        numbers = np.full(len(table), column(optics, "optics_group", 1.0)[0])
    defined = column(optics, "optics_group", 1.0).astype(np.int64)
    undefined = np.flatnonzero(~np.isin(numbers, defined))
    if len(undefined):
        raise InputError(
            f"{path}, row {undefined[0] + 1} of data_micrographs: optics group {numbers[undefined[0]]} is not in "
            f"data_optics, which defines {', '.join(map(str, defined))}."
        )
    order = np.argsort(defined)
    return Micrographs(
        path=path,
        table=table,
        optics=optics,
        names=names,
        files=tuple(find_file(name, path) for name in names),
        optics_row=order[np.searchsorted(defined[order], numbers)],
        pixel_size_A=_pixel_sizes(optics, path, pixel_size_A),
    )


def _tables(path: Path, pixel_size_A: float | None) -> tuple[Table, Table]:
    """The optics table and the micrograph table of a file."""
    label = star_label("micrograph_name")
    found = read_star(path)
    table = found.get("micrographs") or next(
        (one for name, one in found.items() if name != "optics" and label in one.columns), None
    )
    if table is None or label not in table.columns:
        raise InputError(
            f"{path} has no data_micrographs block with {label}; pick a micrograph file."
        )
    if not len(table):
        raise InputError(f"{path} contains no micrographs. Pick another file.")
    if star_label("image_name") in table.columns:
        raise InputError(
            f"{path} holds particles ({star_label('image_name')}); pick a micrograph file."
        )
    if "optics" in found and len(found["optics"]):
        return found["optics"], replace(table, name="micrographs")
    if table.version is not None and table.version >= STAR_VERSION:
        raise InputError(
            f"{path} has no data_optics block, which files of version {table.version} need."
        )
    return _converted(table, path, pixel_size_A)


def _converted(table: Table, path: Path, pixel_size_A: float | None) -> tuple[Table, Table]:
    """The tables of a file of version 3.0, whose pixel size is in each row or given by the user."""
    legacy = [star_label(name) for name in ("detector_pixel_size_um", "magnification")]
    if pixel_size_A is not None:
        rows = np.ones(len(table))
        columns = table.columns | {legacy[0]: pixel_size_A * rows, legacy[1]: 1e4 * rows}
        table = replace(table, columns=columns)
    elif any(name not in table.columns for name in legacy):
        raise _no_pixel_size(path)
    optics, converted = convert_legacy(table, str(path))
    image = star_label("image_pixel_size_A")
    sizes = optics.columns[image]
    others = {name: values for name, values in optics.columns.items() if name != image}
    others |= {
        star_label(name): sizes
        for name in ("micrograph_pixel_size_A", "micrograph_original_pixel_size_A")
    }
    return Table("optics", others), replace(converted, name="micrographs")


def _pixel_sizes(optics: Table, path: Path, given_A: float | None) -> np.ndarray:
    if given_A is not None:
        return np.full(len(optics), given_A)
    if not has(optics, "micrograph_pixel_size_A"):
        raise _no_pixel_size(path)
    sizes = optics.columns[star_label("micrograph_pixel_size_A")]
    if (sizes <= 0).any():
        raise InputError(
            f"{path}: {star_label('micrograph_pixel_size_A')} is {sizes.min():g} but must be positive (Å)."
        )
    return sizes


def _no_pixel_size(path: Path) -> InputError:
    return InputError(
        f"{path} does not say the pixel size of the micrographs "
        f"({star_label('micrograph_pixel_size_A')} in data_optics): give it (--micrograph-pixel-size)."
    )
