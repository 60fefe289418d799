"""The columns of a STAR block, with the types that their labels force.

A large body without quotes and comments goes through pandas' C tokeniser. Everything else, and every
body with which the tokeniser is not content, goes line by line; that path defines the grammar and
names the line of each error. Small tables never load pandas.
"""

import csv
import io
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from compute.files.errors import InputError
from compute.files.labels import Kind, label_kind
from compute.files.star_text import NUMBER, Block, split_row, vector

_UNUSUAL: Final = (b"'", b'"', b"#", b"\x07")
_NOT_PLAIN: Final = re.compile(rb"(?:^|[ \t\n])['\"]|\n[ \t]*#|^[ \t]*#|\x07")
_SEPARATED: Final = re.compile(r"[^ \t]+(?:( )[^ \t]+(?: [^ \t]+)*|(\t)[^ \t]+(?:\t[^ \t]+)*)")
_DTYPES: Final[Mapping[Kind, type]] = MappingProxyType(
    {"str": object, "vector": object, "int": np.int64, "bool": np.bool_, "float": np.float64}
)
_TOKEN_DTYPES: Final[Mapping[Kind, type]] = MappingProxyType({**_DTYPES, "bool": np.int64})
_LARGE_BYTES: Final = 200_000
"""From here on the tokeniser pays for its start."""
_NEEDED: Final = {"float": "a finite number", "int": "a whole number", "bool": "0 or 1"}


def columns_of(block: Block, path: Path) -> dict[str, np.ndarray]:
    """The columns of a block by label, with the types that the labels force.

    Raises InputError, naming line, row and label, for a row with too few or too many values and for
    a value that is not what its label needs: `nan` and `inf` are no numbers, 1.7 no whole one.
    """
    kinds = [label_kind(label) or "str" for label in block.labels]
    if block.is_list:
        return _list_columns(block, kinds, path)
    is_large = len(block.body) >= _LARGE_BYTES
    if is_large and "vector" not in kinds and not _needs_care(block.body):
        quick = _quick_columns(block, kinds)
        if quick is not None:
            return quick
    return _careful_columns(block, kinds, path)


def _needs_care(body: bytes) -> bool:
    """Whether quotes or comments may be among the tokens."""
    return any(mark in body for mark in _UNUSUAL) and _NOT_PLAIN.search(body) is not None


def _quick_columns(block: Block, kinds: list[Kind]) -> dict[str, np.ndarray] | None:
    """The columns through pandas' C tokeniser; None where anything at all is unusual."""
    first = block.body[: block.body.index(b"\n")].decode()
    tokens = split_row(first)
    if len(tokens) != len(kinds) or not all(
        kind == "str" or NUMBER.fullmatch(token) for token, kind in zip(tokens, kinds, strict=True)
    ):
        return None  # pandas would take a column of truth words as numbers
    even = _SEPARATED.fullmatch(first)
    frame = _frame(block.body, kinds, even[1] or even[2]) if even else None
    if frame is None and (frame := _frame(block.body, kinds, r"\s+")) is None:
        return None
    found: dict[str, np.ndarray] = {}
    for i, (label, kind) in enumerate(zip(block.labels, kinds, strict=True)):
        values = _typed_column(frame[i].to_numpy(copy=True), kind)
        if values is None:
            return None
        found[label] = values
    return found


def _frame(body: bytes, kinds: list[Kind], separator: str) -> Any | None:
    """A data frame of a body's tokens, separated by one character or by blanks; None where that fails."""
    import pandas as pd

    try:
        with np.errstate(invalid="ignore"):  # an infinite whole number is refused below
            frame = pd.read_csv(
                io.BytesIO(body),
                sep=separator,
                header=None,
                dtype={i: _TOKEN_DTYPES[kind] for i, kind in enumerate(kinds)},
                engine="c",
                na_filter=False,
                quoting=csv.QUOTE_NONE,
            )
    except (ValueError, OverflowError):
        return None
    is_short = any("" in frame[i].array for i, kind in enumerate(kinds) if kind == "str")
    return None if is_short or frame.shape[1] != len(kinds) else frame


def _typed_column(values: np.ndarray, kind: Kind) -> np.ndarray | None:
    """Values of the tokeniser in the type of their kind; None where one is out of its range."""
    if kind == "bool":
        return values.astype(np.bool_) if ((values == 0) | (values == 1)).all() else None
    return None if kind == "float" and not np.isfinite(values).all() else values


def _careful_columns(block: Block, kinds: list[Kind], path: Path) -> dict[str, np.ndarray]:
    """The columns of a loop, line by line."""
    rows: list[list[str]] = []
    numbers: list[int] = []
    first = block.lines[0] if block.lines else 0
    for number, line in enumerate(block.body.decode().split("\n")[:-1], start=first):
        if line.lstrip(" \t").startswith("#"):
            continue
        try:
            rows.append(split_row(line))
        except ValueError as error:
            raise InputError(f"{path}, line {number}: {error}.") from None
        if len(rows[-1]) != len(kinds):
            raise InputError(
                f"{path}, line {number}: {len(rows[-1])} values in a row of data_{block.name}, "
                f"which has {len(kinds)} labels."
            )
        numbers.append(number)
    found: dict[str, np.ndarray] = {}
    for i, (label, kind) in enumerate(zip(block.labels, kinds, strict=True)):
        values: np.ndarray = np.empty(len(rows), dtype=_DTYPES[kind])
        for j, row in enumerate(rows):
            try:
                values[j] = _typed(row[i], kind)
            except ValueError as error:
                where = f"{path}, line {numbers[j]} (row {j + 1} of data_{block.name})"
                raise InputError(f"{where}: {label} is {error}.") from None
        found[label] = values
    return found


def _list_columns(block: Block, kinds: list[Kind], path: Path) -> dict[str, np.ndarray]:
    """The values of a list, as columns of one row."""
    found: dict[str, np.ndarray] = {}
    for label, kind, text, line in zip(block.labels, kinds, block.values, block.lines, strict=True):
        try:
            found[label] = np.array([_typed(text, kind)], dtype=_DTYPES[kind])
        except ValueError as error:
            raise InputError(f"{path}, line {line}: {label} is {error}.") from None
    return found


def _typed(text: str, kind: Kind) -> str | int | bool | float:
    """The value of a token; raises ValueError saying what it is and what it should be."""
    if kind == "str":
        return text
    if kind == "vector":
        vector(text)
        return text
    number = float(text) if NUMBER.fullmatch(text) else np.nan
    if kind == "float" and np.isfinite(number):
        return number
    if kind == "int" and number.is_integer() and abs(number) < 2**63:
        return int(number)
    if kind == "bool" and number in (0.0, 1.0):
        return bool(number)
    raise ValueError(f"'{text}' but must be {_NEEDED[kind]}")
