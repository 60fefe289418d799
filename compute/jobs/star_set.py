"""Particle and micrograph tables as they are selected from: rows with optics, whatever the columns."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path

import numpy as np

from compute.files.errors import InputError
from compute.files.labels import LABELS, star_label
from compute.files.legacy import pixels_to_A
from compute.files.local_names import local_name
from compute.files.optics import find_file
from compute.files.particles import particle_tables
from compute.files.star import read_star
from compute.files.table import Table

OPTICS_GROUP = star_label("optics_group")
IMAGE, MICROGRAPH = star_label("image_name"), star_label("micrograph_name")
MTF = star_label("mtf_file_name")


@dataclass(frozen=True, slots=True)
class StarSet:
    """The rows of a STAR file in the present layout; optics is None where an old micrograph file has none."""

    path: Path
    table: Table
    optics: Table | None

    def __len__(self) -> int:
        return len(self.table)

    @property
    def is_particles(self) -> bool:
        """Whether the rows are particles and not micrographs."""
        return self.table.name == "particles"

    @property
    def noun(self) -> str:
        """What the rows are."""
        return "particles" if self.is_particles else "micrographs"

    def rows(self, chosen: np.ndarray) -> "StarSet":
        """The same with these rows only, in this order."""
        columns = {label: values[chosen] for label, values in self.table.columns.items()}
        return replace(self, table=replace(self.table, columns=columns))

    def with_columns(
        self, columns: dict[str, np.ndarray], without: Sequence[str] = ()
    ) -> "StarSet":
        """The same with other columns put in, and some left out."""
        kept = {label: v for label, v in self.table.columns.items() if label not in without}
        return replace(self, table=replace(self.table, columns=kept | columns))

    def column(self, name: str) -> np.ndarray:
        """The values of a column by its label, or by ours; those of the optics table where the rows have none.

        Raises InputError naming a similar column where there is none of this name.
        """
        label = self.label(name)
        if label in self.table.columns:
            return self.table.columns[label]
        assert self.optics is not None
        return self.optics.columns[label][self.optics_row()]

    def label(self, name: str) -> str:
        """The label of a column named `rlnX`, `_rlnX`, `X` or as we name it."""
        optics = self.optics.columns if self.optics is not None else {}
        known = [*self.table.columns, *(one for one in optics if one != OPTICS_GROUP)]
        bare = name.removeprefix("_")
        ours = LABELS[bare].star if bare in LABELS else bare
        for wanted in (bare, ours, f"rln{bare}"):
            if wanted in known:
                return wanted
        near = get_close_matches(bare, known, n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]}?" if near else f"; it has {', '.join(known)}"
        raise InputError(f"{self.path} has no column {name}{hint}")

    def optics_row(self) -> np.ndarray:
        """The row of the optics table of every row; InputError for a group that is not defined."""
        assert self.optics is not None
        numbers = self.optics.columns[OPTICS_GROUP]
        if OPTICS_GROUP not in self.table.columns:
            if len(numbers) == 1:
                return np.zeros(len(self), dtype=np.int64)
            raise InputError(f"{self.path}: data_{self.table.name} has no {OPTICS_GROUP}")
        used = self.table.columns[OPTICS_GROUP]
        undefined = np.flatnonzero(~np.isin(used, numbers))
        if len(undefined):
            raise InputError(
                f"{self.path}, row {undefined[0] + 1} of data_{self.table.name}: optics group {used[undefined[0]]} "
                "is not in data_optics"
            )
        order = np.argsort(numbers)
        return order[np.searchsorted(numbers[order], used)]

    def optics_values(self, name: str) -> np.ndarray | None:
        """A number of the optics table for every row, by our name; None where the table does not have it."""
        label = star_label(name)
        if self.optics is None or label not in self.optics.columns:
            return None
        return self.optics.columns[label][self.optics_row()]


def read_set(path: Path) -> StarSet:
    """The particles or micrographs of a STAR file of any layout; InputError where it holds none."""
    tables = read_star(path)
    micrographs = tables.get("micrographs") or next(
        (
            one
            for name, one in tables.items()
            if name not in ("optics", "particles")
            and MICROGRAPH in one.columns
            and IMAGE not in one.columns
            and star_label("coordinate_x") not in one.columns
        ),
        None,
    )
    if micrographs is not None and "particles" not in tables:
        if not len(micrographs):
            raise InputError(f"{path} contains no micrographs. Pick another file.")
        return StarSet(path, replace(micrographs, name="micrographs"), tables.get("optics"))
    optics, table = particle_tables(path, needs_images=False)
    found = StarSet(path, table, optics)
    pixel_A = found.optics_values("image_pixel_size_A")
    return found if pixel_A is None else replace(found, table=pixels_to_A(table, pixel_A))


def with_files_found(found: StarSet, folder: Path) -> tuple[StarSet, int]:
    """The set with files named so that they are found from another folder, and how many names had to change.

    Other programs write paths relative to the project. A file (stack, micrograph, MTF) that is found beside the old
    STAR file but not from the new one gets its path from the current folder, or its whole path where it is not below
    that.
    """
    label = IMAGE if IMAGE in found.table.columns else MICROGRAPH
    better = _better_names(found.table, label, found.path, folder)
    if better:
        found = found.with_columns({label: _renamed(found.table.columns[label], better)})
    if found.optics is None:
        return found, len(better)
    better_mtf = _better_names(found.optics, MTF, found.path, folder)
    if better_mtf:
        columns = found.optics.columns | {MTF: _renamed(found.optics.columns[MTF], better_mtf)}
        found = replace(found, optics=replace(found.optics, columns=columns))
    return found, len(better) + len(better_mtf)


def _better_names(table: Table, label: str, star: Path, folder: Path) -> dict[str, str]:
    """New names of the files of a column that a STAR file names but that are not found from a folder."""
    names = table.columns.get(label, np.array([], dtype=object)).tolist()
    better = {}
    for name in dict.fromkeys(name.rpartition("@")[2] for name in names):
        old = find_file(name, star)
        if name and old.exists() and not find_file(name, folder / star.name).exists():
            better[name] = local_name(old)
    return better


def _renamed(names: np.ndarray, better: dict[str, str]) -> np.ndarray:
    """The names, each with or without the number of an image before the file."""
    parts = (name.rpartition("@") for name in names.tolist())
    renamed = [f"{number}{at}{better.get(file, file)}" for number, at, file in parts]
    return np.array(renamed, dtype=object)
