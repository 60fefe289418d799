"""Tables of CTF parameters, one row for each micrograph, as comma-separated text."""

import csv
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from compute.files.errors import InputError

COLUMNS = ("defocus_u_A", "defocus_v_A", "defocus_angle_deg")


def read_ctf_table(path: Path | str) -> Float64[np.ndarray, "row 3"]:
    """Defocus U, V (Å) and angle (degrees) of every row; the first line names the columns.

    Other columns are ignored. Raises InputError for a missing file or column, an empty table and,
    with its line, a value that is not a finite number.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"CTF table {path} does not exist")
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            raise InputError(f"{path}: no column {missing[0]}; it needs {', '.join(COLUMNS)}")
        rows = [
            [_number(row[name], name, path, reader.line_num) for name in COLUMNS] for row in reader
        ]
    if not rows:
        raise InputError(f"{path} has no row of CTF parameters")
    return np.array(rows, dtype=np.float64)


def _number(text: str | None, name: str, path: Path, line: int) -> float:
    try:
        value = float(text or "")
    except ValueError:
        value = float("nan")
    if not np.isfinite(value):
        raise InputError(f"{path}, line {line}: {name} is '{text}' but must be a finite number")
    return value
