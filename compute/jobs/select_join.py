"""Several particle or micrograph files as one: their rows, the columns that all have, and their optics groups."""

from collections.abc import Sequence

import numpy as np

from compute.files.errors import InputError
from compute.files.labels import star_label
from compute.files.table import Table
from compute.jobs.star_set import IMAGE, MICROGRAPH, OPTICS_GROUP, StarSet

NAME = star_label("optics_group_name")


def joined(sets: Sequence[StarSet], said: list[str]) -> StarSet:
    """The rows of all sets, one behind the other, each image once.

    Optics groups that are alike in all values become one; others of one name get numbers behind it. Columns that not
    all sets have are left out, which is said. Raises InputError where particles meet micrographs, or files with
    optics those without.
    """
    first = sets[0]
    if len(sets) == 1:
        return first
    for other in sets[1:]:
        if other.table.name != first.table.name:
            raise InputError(
                f"{first.path} holds {first.noun} and {other.path} {other.noun}; they cannot be joined"
            )
        if (other.optics is None) != (first.optics is None):
            raise InputError(f"only one of {first.path} and {other.path} has data_optics")
    optics: Table | None = None
    numbers: list[np.ndarray] = []
    if first.optics is not None:
        optics, numbers = _joined_optics(sets)
    labels = [label for label in first.table.columns if _have(sets, label)]
    lost = sorted({label for one in sets for label in one.table.columns} - set(labels))
    if lost:
        said.append(f"Columns that not all files have were left out: {', '.join(lost)}.")
    columns = {
        label: np.concatenate([one.table.columns[label] for one in sets]) for label in labels
    }
    if optics is not None:
        columns[OPTICS_GROUP] = np.concatenate(numbers)
    whole = StarSet(first.path, Table(first.table.name, columns), optics)
    return _each_once(whole, said)


def _have(sets: Sequence[StarSet], label: str) -> bool:
    return all(label in one.table.columns for one in sets)


def _joined_optics(sets: Sequence[StarSet]) -> tuple[Table, list[np.ndarray]]:
    """One optics table, and for every set the new group numbers of its rows."""
    labels = [
        label
        for one in sets
        for label in (one.optics.columns if one.optics is not None else ())
        if label != OPTICS_GROUP
    ]
    labels = list(dict.fromkeys(labels))
    groups: dict[tuple, int] = {}
    numbers = []
    for one in sets:
        assert one.optics is not None
        missing = [label for label in labels if label not in one.optics.columns]
        if missing:
            raise InputError(
                f"data_optics of {one.path} has no {missing[0]}, which that of another file has; they cannot be joined"
            )
        rows = zip(*(one.optics.columns[label].tolist() for label in labels), strict=True)
        own = np.array([groups.setdefault(row, len(groups) + 1) for row in rows], dtype=np.int64)
        numbers.append(own[one.optics_row()])
    columns: dict[str, np.ndarray] = {OPTICS_GROUP: np.arange(1, len(groups) + 1)}
    for place, label in enumerate(labels):
        dtype = sets[0].optics.columns[label].dtype if sets[0].optics is not None else object
        columns[label] = np.array([row[place] for row in groups], dtype=dtype)
    if NAME in columns:
        columns[NAME] = _told_apart(columns[NAME].tolist())
    return Table("optics", columns), numbers


def _told_apart(names: list[str]) -> np.ndarray:
    """The names, with a number behind those that stand there already."""
    found: list[str] = []
    for name in names:
        new, number = name, 2
        while new in found:
            new, number = f"{name}_{number}", number + 1
        found.append(new)
    return np.array(found, dtype=object)


def _each_once(whole: StarSet, said: list[str]) -> StarSet:
    """The set without rows whose image (or micrograph) stood there before."""
    label = IMAGE if whole.is_particles else MICROGRAPH
    if label not in whole.table.columns:
        return whole
    _, first = np.unique(whole.table.columns[label].astype(str), return_index=True)
    repeated = len(whole) - len(first)
    if not repeated:
        return whole
    said.append(f"{repeated} {whole.noun} stand in more than one file and were taken once.")
    return whole.rows(np.sort(first))
