"""Coordinates of particles in micrographs: lists and suffix files, and the files that they lead to."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from compute.files.errors import InputError, missing
from compute.files.labels import star_label
from compute.files.micrograph_names import output_stem, stripped_name
from compute.files.optics import find_file, has
from compute.files.star import read_star
from compute.files.table import Table

SUFFIX_MARK = "coords_suffix"


def coordinate_files(
    source: str, folder: str, suffix: str, micrographs: Sequence[str]
) -> dict[int, Path]:
    """The coordinate file of each micrograph (by position) that has one.

    source: a list with the block `coordinate_files`, or a suffix file `…coords_suffix_NAME.star`
    beside whose folder structure the files are; or empty, with `folder` and `suffix` given.
    Raises InputError where none of the micrographs has a file.
    """
    if not source:
        found = _by_suffix(Path(folder), suffix, micrographs)
        where = f"files that end in '{suffix}' in {folder or 'the current folder'}"
    elif SUFFIX_MARK in Path(source).name:
        if not Path(source).is_file():
            raise missing(source)
        end = Path(source).name.partition(SUFFIX_MARK)[2]
        found = _by_suffix(Path(source).parent, end, micrographs)
        where = f"{source}, which means files that end in '{end}'"
    else:
        found = _by_list(Path(source), micrographs)
        where = source
    if not found:
        raise InputError(
            f"no coordinates were found for any of the {len(micrographs)} micrographs in {where}. "
            f"The first micrograph is '{micrographs[0]}'."
        )
    return found


def _by_suffix(folder: Path, suffix: str, micrographs: Sequence[str]) -> dict[int, Path]:
    """Files named like the micrographs, without job folder and ending, with a suffix."""
    names = ((i, folder / (output_stem(name) + suffix)) for i, name in enumerate(micrographs))
    return {i: path for i, path in names if path.is_file()}


def _by_list(path: Path, micrographs: Sequence[str]) -> dict[int, Path]:
    """Files that a list of two columns names."""
    table = read_star(path).get("coordinate_files")
    if table is None or not has(table, "micrograph_name", "micrograph_coordinates"):
        raise InputError(
            f"{path} has no data_coordinate_files block with {star_label('micrograph_name')} and "
            f"{star_label('micrograph_coordinates')}; pick a list of coordinates."
        )
    positions = {stripped_name(name): i for i, name in enumerate(micrographs)}
    found: dict[int, Path] = {}
    for name, file in zip(
        table.columns[star_label("micrograph_name")],
        table.columns[star_label("micrograph_coordinates")],
        strict=True,
    ):
        position = positions.get(stripped_name(str(name)))
        if position is None:
            continue
        if position in found:
            raise InputError(f"{path} names two coordinate files for '{name}'; keep one.")
        found[position] = find_file(str(file), path)
        if not found[position].is_file():
            raise InputError(f"{path}: the coordinate file {file} of '{name}' does not exist.")
    return found


def read_coordinates(path: Path) -> Table:
    """The coordinates in one file, with the other columns that it has.

    STAR files keep all columns. `.box` files have corner x, corner y and box size in each line;
    other text files x and y. Raises InputError for anything else.
    """
    if path.suffix.lower() == ".star":
        for table in read_star(path).values():
            if has(table, "coordinate_x", "coordinate_y"):
                return table
        raise InputError(
            f"{path} has no {star_label('coordinate_x')} and {star_label('coordinate_y')}."
        )
    needed = 3 if path.suffix.lower() == ".box" else 2
    rows = []
    for number, line in enumerate(path.read_text(errors="replace").splitlines(), start=1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        try:
            rows.append([float(word) for word in words[:needed]])
        except ValueError:
            raise InputError(
                f"{path}, line {number}: '{line.strip()[:60]}' are no coordinates."
            ) from None
        if len(rows[-1]) < needed or not np.isfinite(rows[-1]).all():
            raise InputError(f"{path}, line {number}: {needed} numbers are needed.")
    values = np.array(rows).reshape(len(rows), needed)
    centre = np.trunc(values[:, :2]) + (np.trunc(values[:, 2:]) // 2 if needed == 3 else 0.0)
    columns = {
        star_label("coordinate_x"): centre[:, 0],
        star_label("coordinate_y"): centre[:, 1],
    }
    return Table("", columns)
