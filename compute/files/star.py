"""STAR files: typed tables in, typed tables out.

Our own reader and writer serve particle tables (types forced by label, errors with line and column,
fast); the small tables of a refinement (model, sampling, curves) are written here, since loading
`starfile` and its pandas holds a refinement up for half a second, and read by `starfile`.
"""

import linecache
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from compute.files.atomic import replacing, write_whole
from compute.files.errors import InputError, missing
from compute.files.labels import LABELS, label_kind
from compute.files.star_columns import columns_of
from compute.files.star_text import blocks_of
from compute.files.table import Table

STAR_VERSION: Final = 30001
"""The layout that is written: the first one with an optics table."""

_ROWS_AT_ONCE: Final = 4_000
_MANY_ROWS: Final = 1_000
_SPECIAL: Final = (
    *(" ", "\t", "\n", "\r", "'", '"', "\x07"),
    *("\0\0", "\0_", "\0#", "\0data_", "\0loop_"),
)
_NUMBER_TYPES: Final[Mapping[str | None, type]] = MappingProxyType(
    {"int": int, "bool": bool, "float": float}
)


def read_star(path: Path | str) -> dict[str, Table]:
    """The blocks of a STAR file by name, in the file's order.

    Known labels have their own types, unknown ones are kept as text. Raises InputError with the
    line of the first fault: wrong number of values in a row, a number that is none (`nan`, `inf`,
    text, 1.7 for a whole one), a block or label given twice, bytes that are not UTF-8, no block.
    """
    path = Path(path)
    found: dict[str, Table] = {}
    for block in blocks_of(_read_text(path), path):
        if block.name in found:
            raise InputError(f"{path}: data_{block.name} stands there twice; keep one.")
        columns = columns_of(block, path)
        found[block.name] = Table(block.name, columns, block.is_list, block.version)
    if not found:
        raise InputError(f"{path} holds no data block ('data_...'); is it a STAR file?")
    return found


def _read_text(path: Path) -> bytes:
    """The bytes of a STAR file with `\\n` line ends and without byte order mark.

    Raises InputError for a file that is missing, not UTF-8 or that holds zero bytes.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise missing(path) from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError(f"{path} is UTF-16 text; save it as UTF-8.")
    data = data.removeprefix(b"\xef\xbb\xbf")
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if not data.isascii():
        _check_utf8(data, path)
    if b"\0" in data:
        line = data.count(b"\n", 0, data.index(b"\0")) + 1
        raise InputError(
            f"{path}, line {line}: zero bytes; the file is damaged or not a STAR file."
        )
    return data if data.endswith(b"\n") else data + b"\n"


def _check_utf8(data: bytes, path: Path) -> None:
    try:
        data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        byte = data[error.start]
        raise InputError(
            f"{path}, line {line}: byte 0x{byte:02x} is not UTF-8 text; save the file as UTF-8."
        ) from None


def write_star(
    path: Path | str,
    tables: Sequence[Table],
    comments: Sequence[str] = (),
    is_forced: bool = True,
) -> None:
    """Write tables as a STAR file that other programs read, at once or not at all; `is_forced` as for `replacing`.

    Tables without rows are left out. Floating-point values have 12 significant digits, so that
    values read from a file keep their value. Raises ValueError for a value that is not finite and
    for columns of unequal length, before anything is written.
    """
    path = Path(path)
    for table in tables:
        check_finite(table, str(path))
        if len({len(values) for values in table.columns.values()}) > 1:
            raise ValueError(f"{path}: the columns of data_{table.name} differ in length.")
    with replacing(path, is_forced) as file:
        file.write(_comment_text(comments).encode())
        for table in tables:
            for text in _table_text(table, _texts) if len(table) else ():
                file.write(text.encode())


def check_finite(table: Table, where: str) -> None:
    """Raise InputError naming row and label of the first number of a table that is not finite."""
    for label, values in table.columns.items():
        if values.dtype.kind != "f" or np.isfinite(values).all():
            continue
        row = int(np.argmin(np.isfinite(values)))
        raise InputError(
            f"{where}, row {row + 1} of data_{table.name}: {label} is {values[row]} "
            "but must be a finite number."
        )


def _table_text(table: Table, texts: Callable[[np.ndarray], list[str]]) -> Iterator[str]:
    """The text of a table, in pieces; `texts` makes the tokens of a column."""
    head = f"\n# version {STAR_VERSION}\n\ndata_{table.name}\n\n"
    if table.is_list:
        width = max(map(len, table.columns)) + 1
        pairs = ((label, texts(values)[0]) for label, values in table.columns.items())
        yield head + "".join(f"_{label:<{width}} {text}\n" for label, text in pairs) + " \n"
        return
    labels = "".join(f"_{label} #{i} \n" for i, label in enumerate(table.columns, start=1))
    yield f"{head}loop_ \n{labels}"
    for start in range(0, len(table), _ROWS_AT_ONCE):
        cut = slice(start, start + _ROWS_AT_ONCE)
        columns = [texts(values[cut]) for values in table.columns.values()]
        yield "\n".join(map(" ".join, zip(*columns, strict=True))) + "\n"
    yield " \n"


def _texts(values: np.ndarray) -> list[str]:
    """The tokens of a column; a number that stands in many rows is formatted once."""
    if values.dtype.kind in "fbiu":
        form = "%.12g" if values.dtype.kind == "f" else "%d"
        if len(values) < _MANY_ROWS:
            return list(map(form.__mod__, values.tolist()))
        distinct, codes = np.unique(values, return_inverse=True)
        if len(distinct) > len(values) // 2:
            return list(map(form.__mod__, values.tolist()))
        return np.array(list(map(form.__mod__, distinct.tolist())), dtype=object)[codes].tolist()
    texts = list(map(str, values.tolist()))
    joined = "\0".join(["", *texts, ""])
    return [quoted(text) for text in texts] if any(mark in joined for mark in _SPECIAL) else texts


def quoted(text: str) -> str:
    """A text as one STAR token, in quotes where it would not be read back otherwise.

    Raises ValueError for line breaks, which STAR rows cannot hold.
    """
    if any(mark in text for mark in "\n\r\0\x07"):
        raise ValueError(f"{text!r} holds a line break or control character; STAR cannot.")
    starts = text.startswith(("'", '"', "_", "#", "data_", "loop_"))
    if text and not starts and " " not in text and "\t" not in text:
        return text
    if '"' not in text:
        return f'"{text}"'
    return "'" + text.replace("'", "\x07'") + "'"


def read_tables(path: Path | str) -> dict[str, Any]:
    """The blocks of one of our own small tables by name: a dict for a list, a DataFrame for a loop.

    Types are those of the labels (whole numbers, floats, bools, texts), never guessed. Raises
    InputError for a file that is missing or is no STAR file.
    """
    import starfile

    path = Path(path)
    _read_text(path)
    texts = [label.star for label in LABELS.values() if label.kind in ("str", "vector")]
    linecache.clearcache()
    try:
        found = starfile.read(path, always_dict=True, parse_as_string=texts)
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise InputError(f"{path} cannot be read as STAR tables: {error}.") from error
    finally:
        linecache.clearcache()
    if not found:
        raise InputError(f"{path} holds no data block ('data_...'); is it a STAR file?")
    for block in found.values():
        for label in block:
            kind = label_kind(label)
            if kind in _NUMBER_TYPES:
                number = _NUMBER_TYPES[kind]
                is_list = isinstance(block, dict)
                block[label] = number(block[label]) if is_list else block[label].astype(number)
    return found


def write_tables(path: Path | str, tables: Sequence[Table], comments: Sequence[str] = ()) -> None:
    """Write small tables of our own, at once or not at all; loops have nine significant digits.

    The values of a list keep every digit. Tables without rows are left out. Raises InputError for
    numbers that are not finite and for texts with quotes, backslashes or line breaks, which
    `read_tables` would not get back.
    """
    pieces = [_comment_text(comments)]
    for table in tables:
        check_finite(table, str(path))
        for label, values in table.columns.items():
            _check_plain(label, values)
        if len(table):
            pieces += _table_text(table, _exact_texts if table.is_list else _short_texts)
    write_whole(Path(path), "".join(pieces).encode())


def _check_plain(label: str, values: np.ndarray) -> None:
    """Raise InputError for a text that starfile would not get back."""
    for text in values if values.dtype.kind not in "fbiu" else ():
        if any(mark in str(text) for mark in "'\"\\\n\r"):
            raise InputError(
                f"{label} is {text!r}; quotes, backslashes and line breaks cannot stand in our "
                "tables. Rename the file or folder."
            )


def _exact_texts(values: np.ndarray) -> list[str]:
    """The tokens of a column of our own tables, numbers with every digit; texts are quoted, whatever they look like."""
    if values.dtype.kind == "f":
        return list(map(repr, values.tolist()))
    return _short_texts(values)


def _short_texts(values: np.ndarray) -> list[str]:
    """The same, with nine significant digits."""
    if values.dtype.kind in "fbiu":
        form = "%.9g" if values.dtype.kind == "f" else "%d"
        return list(map(form.__mod__, values.tolist()))
    return [f'"{text}"' for text in values]


def _comment_text(comments: Sequence[str]) -> str:
    return "".join(f"# {line}\n" for comment in comments for line in comment.splitlines())
