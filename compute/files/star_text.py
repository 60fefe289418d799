"""The grammar of STAR files: bytes to blocks, and a block's body to typed columns.

A body without quotes and comments goes through pandas' C tokeniser. Everything else, and every body
with which the tokeniser is not content, goes line by line; that path defines the grammar and names
the line of each error.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

import numpy as np
import pandas as pd

from compute.files.errors import InputError
from compute.files.labels import Kind, label_kind

_NUMBER: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_TOKEN: Final = re.compile(r"[^ \t]+")
_VERSION: Final = re.compile(r"#\s*version\s+(\d+)\s*$")
_BLANK_LINE: Final = re.compile(rb"\n[ \t]*(?=\n)")
_BLOCK_LINE: Final = re.compile(rb"\ndata_[^ \t\n]*[ \t]*(?=\n)")
_UNUSUAL: Final = (b"'", b'"', b"#", b"\x07")
_NOT_PLAIN: Final = re.compile(rb"(?:^|[ \t\n])['\"]|\n[ \t]*#|^[ \t]*#|\x07")
_SEPARATED: Final = re.compile(r"[^ \t]+(?:( )[^ \t]+(?: [^ \t]+)*|(\t)[^ \t]+(?:\t[^ \t]+)*)")
_DTYPES: Final[Mapping[Kind, type]] = MappingProxyType(
    {"str": object, "vector": object, "int": np.int64, "bool": np.bool_, "float": np.float64}
)
_TOKEN_DTYPES: Final[Mapping[Kind, type]] = MappingProxyType({**_DTYPES, "bool": np.int64})
_NEEDED: Final = {"float": "a finite number", "int": "a whole number", "bool": "0 or 1"}


@dataclass(frozen=True, slots=True)
class Block:
    """One `data_` block as it stands in the file; `body` is the rows of a loop, one per line.

    A list has its tokens in `values`. `lines` are the line numbers of its values, or of the first row.
    """

    name: str
    version: int | None
    is_list: bool
    labels: tuple[str, ...]
    values: tuple[str, ...]
    body: bytes
    lines: tuple[int, ...]


class _Lines:
    """The lines of a file with their numbers, and the position in its bytes."""

    def __init__(self, data: bytes, path: Path) -> None:
        self.data, self.path = data, path
        self.position, self.number = 0, 0
        self.version: int | None = None

    def peek(self) -> str | None:
        """The next line that is neither blank nor a comment, not yet taken; None at the end."""
        while self.position < len(self.data):
            end = self.data.index(b"\n", self.position)
            line = self.data[self.position : end].decode().strip(" \t")
            if line and not line.startswith("#"):
                return line
            if found := _VERSION.match(line):
                self.version = int(found[1])
            self.take()
        return None

    def take(self) -> None:
        """Move behind the current line."""
        self.position = self.data.index(b"\n", self.position) + 1
        self.number += 1

    def error(self, message: str) -> InputError:
        """The error for the current line."""
        return InputError(f"{self.path}, line {self.number + 1}: {message}")


def blocks(data: bytes, path: Path) -> Iterator[Block]:
    """The blocks of a STAR file, in the file's order.

    Raises InputError for text outside a block, rows behind the blank line that ends a loop, a label
    given twice and a list label without its one value.
    """
    lines = _Lines(data, path)
    while (line := lines.peek()) is not None:
        if not line.startswith("data_"):
            raise lines.error(f"'{line[:60]}' stands outside any data block ('data_...').")
        name, version, lines.version = _tokens(line, lines)[0][5:], lines.version, None
        lines.take()
        line = lines.peek()
        if line is not None and line.startswith("loop_"):
            lines.take()
            yield _loop_block(lines, name, version)
        elif line is not None and line.startswith("_"):
            yield _list_block(lines, name, version)
        else:
            yield Block(name, version, False, (), (), b"", ())


def _tokens(line: str, lines: _Lines) -> list[str]:
    try:
        return split_row(line)
    except ValueError as error:
        raise lines.error(f"{error}.") from None


def _list_block(lines: _Lines, name: str, version: int | None) -> Block:
    items: dict[str, str] = {}
    numbers: list[int] = []
    while (line := lines.peek()) is not None and not line.startswith("data_"):
        tokens = _tokens(line, lines)
        if len(tokens) > 2 and tokens[2].startswith("#"):
            tokens = tokens[:2]
        if len(tokens) != 2 or not line.startswith("_"):
            raise lines.error(f"'{line[:60]}' in data_{name} must be one label and one value.")
        if tokens[0][1:] in items:
            raise lines.error(f"{tokens[0]} stands twice in data_{name}.")
        items[tokens[0][1:]] = tokens[1]
        numbers.append(lines.number + 1)
        lines.take()
    return Block(name, version, True, tuple(items), tuple(items.values()), b"", tuple(numbers))


def _loop_block(lines: _Lines, name: str, version: int | None) -> Block:
    labels: list[str] = []
    while (line := lines.peek()) is not None and line.startswith("_"):
        label = _TOKEN.findall(line)[0][1:]
        if label in labels:
            raise lines.error(f"_{label} stands twice in data_{name}.")
        labels.append(label)
        lines.take()
    if not labels:
        raise lines.error(f"the loop of data_{name} has no labels.")
    first = lines.number + 1
    if line is None or line.startswith("data_") and len(_TOKEN.findall(line)) == 1 < len(labels):
        return Block(name, version, False, tuple(labels), (), b"", ())
    body = _take_body(lines, len(labels))
    line = lines.peek()
    if line is not None and not line.startswith("data_"):
        raise lines.error(
            f"a row behind the blank line that ended the loop of data_{name}; remove that line."
        )
    return Block(name, version, False, tuple(labels), (), body, (first,))


def _take_body(lines: _Lines, columns: int) -> bytes:
    """The rows up to the first blank line, the next block or the end of the file."""
    start = lines.position
    found = _BLANK_LINE.search(lines.data, start)
    end = found.start() + 1 if found else len(lines.data)
    if columns > 1 and (found := _BLOCK_LINE.search(lines.data, start, end)):
        end = found.start() + 1
    body = lines.data[start:end]
    lines.position, lines.number = end, lines.number + body.count(b"\n")
    return body


def split_row(line: str) -> list[str]:
    """The tokens of a line: separated by blanks, quoted where a token starts with a quote.

    A closing quote is followed by a blank or the end; the bell character takes away the meaning of
    a quote behind it. Raises ValueError for a quote that is not closed.
    """
    if "'" not in line and '"' not in line:
        return _TOKEN.findall(line)
    tokens: list[str] = []
    position = 0
    while found := re.compile(r"[^ \t]").search(line, position):
        position = found.start()
        quote = line[position]
        if quote in "'\"":
            closed = re.compile(rf"(?<!\x07){quote}(?=[ \t]|$)").search(line, position + 1)
            if closed is None:
                raise ValueError(f"the quote {quote} at column {position + 1} is not closed")
            tokens.append(line[position + 1 : closed.start()].replace(f"\x07{quote}", quote))
            position = closed.end()
        else:
            token = _TOKEN.findall(line[position:])[0]
            tokens.append(token)
            position += len(token)
    return tokens


def columns(block: Block, path: Path) -> dict[str, np.ndarray]:
    """The columns of a block by label, with the types that the labels force.

    Raises InputError, naming line, row and label, for a row with too few or too many values and for
    a value that is not what its label needs: `nan` and `inf` are no numbers, 1.7 no whole one.
    """
    kinds = [label_kind(label) or "str" for label in block.labels]
    if block.is_list:
        return _list_columns(block, kinds, path)
    if block.body and "vector" not in kinds and not _needs_care(block.body):
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
    tokens = _TOKEN.findall(first)
    if len(tokens) != len(kinds) or not all(
        kind == "str" or _NUMBER.fullmatch(token) for token, kind in zip(tokens, kinds, strict=True)
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


def _frame(body: bytes, kinds: list[Kind], separator: str) -> pd.DataFrame | None:
    """The tokens of a body, separated by one character or by blanks; None where that fails."""
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
    number = float(text) if _NUMBER.fullmatch(text) else np.nan
    if kind == "float" and np.isfinite(number):
        return number
    if kind == "int" and number.is_integer() and abs(number) < 2**63:
        return int(number)
    if kind == "bool" and number in (0.0, 1.0):
        return bool(number)
    raise ValueError(f"'{text}' but must be {_NEEDED[kind]}")


def vector(text: str) -> tuple[float, ...]:
    """The numbers of a STAR vector `[a,b,c]`; raises ValueError where there are none."""
    parts = text[1:-1].split(",") if text != "[]" else []
    inner = all(_NUMBER.fullmatch(part.strip()) for part in parts)
    if not (text.startswith("[") and text.endswith("]") and inner):
        raise ValueError(f"'{text}' but must be numbers in the form [a,b,c]")
    return tuple(float(part) for part in parts)
