"""The blocks of our own STAR files, from our names: lists of settings and loops of columns."""

from collections.abc import Mapping

import numpy as np

from compute.files.labels import LABELS, star_label
from compute.files.table import Table

UNKNOWN = 999.0
"""What RELION's tools read as "not yet known", for resolutions, accuracies and changes."""

Value = str | bool | int | float | np.integer | np.floating | np.bool_


def list_table(name: str, values: Mapping[str, Value]) -> Table:
    """The block `name` with one value per label, from values by our names.

    Raises ValueError for a number that is not finite, which STAR readers take for zero.
    """
    columns = {key: np.array([value]) for key, value in values.items()}
    return Table(name, _labelled(name, columns), is_list=True)


def loop_table(name: str, columns: Mapping[str, np.ndarray]) -> Table:
    """The block `name` with one row per element, from columns by our names.

    Raises ValueError for columns of unequal length and for numbers that are not finite.
    """
    lengths = {key: len(column) for key, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"the columns of {name} differ in length: {lengths}")
    return Table(name, _labelled(name, columns))


def _labelled(name: str, columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The columns by label, each in the type that its label has in files."""
    return {star_label(key): _typed(f"{key} of {name}", key, x) for key, x in columns.items()}


def known(value: float | None) -> float:
    """The value, or 999 where it is None or not finite."""
    return float(value) if value is not None and np.isfinite(value) else UNKNOWN


def _typed(what: str, key: str, column: np.ndarray) -> np.ndarray:
    """The column in the type of the label of `key`; truth values as 0 and 1."""
    kind = LABELS[key].kind
    if kind == "float":
        values = np.asarray(column, dtype=np.float64)
        is_bad = ~np.isfinite(values)
        if is_bad.any():
            row = int(np.argmax(is_bad))
            raise ValueError(f"{what} is {values[row]} in row {row + 1} but must be finite")
        return values
    if kind in ("int", "bool"):
        return np.asarray(column, dtype=np.int64)
    return np.array([str(value) for value in column], dtype=object)
