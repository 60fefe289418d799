"""The grammar of STAR files: from bytes to blocks with their labels and rows."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from compute.files.errors import InputError

NUMBER: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_TOKEN: Final = re.compile(r"[^ \t]+")
_VERSION: Final = re.compile(r"#\s*version\s+(\d+)\s*$")
_BLANK_LINE: Final = re.compile(rb"\n[ \t]*(?=\n)")
_END_LINE: Final = re.compile(rb"\n(?:[ \t]*|data_[^ \t\n]*[ \t]*)(?=\n)")


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
        self.position = 0
        self.version: int | None = None
        self._counted, self._number = 0, 0

    @property
    def number(self) -> int:
        """How many lines lie before the position; counted when asked for, which a large last block never is."""
        self._number += self.data.count(b"\n", self._counted, self.position)
        self._counted = self.position
        return self._number

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

    def error(self, message: str) -> InputError:
        """The error for the current line."""
        return InputError(f"{self.path}, line {self.number + 1}: {message}")


def blocks_of(data: bytes, path: Path) -> Iterator[Block]:
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
    found = (_END_LINE if columns > 1 else _BLANK_LINE).search(lines.data, start)
    lines.position = found.start() + 1 if found else len(lines.data)
    return lines.data[start : lines.position]


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


def vector(text: str) -> tuple[float, ...]:
    """The numbers of a STAR vector `[a,b,c]`; raises ValueError where there are none."""
    parts = text[1:-1].split(",") if text != "[]" else []
    inner = all(NUMBER.fullmatch(part.strip()) for part in parts)
    if not (text.startswith("[") and text.endswith("]") and inner):
        raise ValueError(f"'{text}' but must be numbers in the form [a,b,c]")
    return tuple(float(part) for part in parts)
