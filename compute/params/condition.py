"""Conditions on the columns of a table, as a user writes them: `rlnDefocusU < 20000; rlnClassNumber in 1..3`."""

import re
from dataclasses import dataclass
from typing import Literal

Operator = Literal["<=", ">=", "<", ">", "=", "!=", "~", "!~", "in"]

_CONDITION = re.compile(r"_?([A-Za-z][\w]*)\s*(<=|>=|==|!=|!~|<|>|=|~|\bin\b)\s*(.+)")
_RANGE = re.compile(r"(\S+?)\s*\.\.\s*(\S+)")
_HINT = "write COLUMN, then one of <= >= < > = != ~ (contains) !~ or in A..B, then a value"


@dataclass(frozen=True, slots=True)
class Condition:
    """What the values of a column must be: `in` has two values, the others one."""

    column: str
    operator: Operator
    values: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.column} {self.operator} {'..'.join(self.values)}"


def parse_conditions(text: str) -> tuple[Condition, ...]:
    """The conditions of a text, parted by semicolons or line ends; ValueError says which one is wrong."""
    parts = [part.strip() for part in re.split(r"[;\n]", text)]
    return tuple(_condition(part) for part in parts if part)


def _condition(text: str) -> Condition:
    found = _CONDITION.fullmatch(text)
    if not found:
        raise ValueError(f"the condition '{text}' cannot be understood: {_HINT}")
    column, operator, value = found[1], found[2].replace("==", "="), found[3].strip()
    if operator == "in":
        ends = _RANGE.fullmatch(value)
        if not ends or not _is_number(ends[1]) or not _is_number(ends[2]):
            raise ValueError(f"the condition '{text}' needs a range of numbers, as in 1..3")
        if float(ends[1]) > float(ends[2]):
            raise ValueError(f"the range {value} of the condition '{text}' is empty")
        return Condition(column, "in", (ends[1], ends[2]))
    if operator in ("<=", ">=", "<", ">") and not _is_number(value):
        raise ValueError(f"the condition '{text}' needs a number behind {operator}")
    return Condition(column, operator, (value,))  # type: ignore[arg-type]


def _is_number(text: str) -> bool:
    try:
        return abs(float(text)) < float("inf")
    except ValueError:
        return False


def parse_numbers(text: str) -> tuple[int, ...]:
    """The whole numbers of a list as in `1,3-5`, each once, in order; ValueError says what is wrong."""
    numbers: set[int] = set()
    for part in filter(None, re.split(r"[,\s]+", text)):
        ends = re.fullmatch(r"(\d+)(?:-(\d+))?", part)
        if not ends or (ends[2] and int(ends[1]) > int(ends[2])):
            raise ValueError(f"'{part}' is not a number or a range of numbers, as in 1,3-5")
        numbers.update(range(int(ends[1]), int(ends[2] or ends[1]) + 1))
    return tuple(sorted(numbers))
