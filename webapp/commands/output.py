"""What commands print: tables and bars for people, plain columns in a pipe, JSON for programs."""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from compute.files.errors import InputError
from webapp.launch.local import LaunchError
from webapp.options import OptionError

USAGE_ERROR = 2
Row = Mapping[str, Any]


def parser(name: str, text: str, example: str = "") -> argparse.ArgumentParser:
    """The options of one command; every command has --json."""
    made = argparse.ArgumentParser(
        prog=f"halfmap {name}",
        description=text,
        epilog=f"Example: {example}" if example else None,
        allow_abbrev=False,
    )
    made.add_argument("--json", action="store_true", help="print JSON")
    return made


def guarded(name: str, action: Callable[[], int]) -> int:
    """The exit status of an action; what cannot be done is said in a sentence, on one line."""
    try:
        return action()
    except (InputError, OptionError, LaunchError) as error:
        for line in str(error).splitlines():
            print(f"halfmap {name}: {line}", file=sys.stderr)
        return USAGE_ERROR
    except SQLAlchemyError as error:
        said = str(getattr(error, "orig", None) or error).strip().splitlines()
        print(f"halfmap {name}: the database does not answer: {said[0]}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except KeyboardInterrupt:
        return 130


def show_json(value: Any) -> None:
    """Print a value as JSON."""
    print(json.dumps(value, indent=2, default=_plain, ensure_ascii=False))


def show_rows(rows: Sequence[Row], columns: Sequence[str], as_json: bool, nothing: str) -> None:
    """Print rows: JSON with all their fields; else a table of some columns, or a sentence where there are none."""
    if as_json:
        show_json(list(rows))
    elif not rows:
        print(nothing)
    elif sys.stdout.isatty():
        _rich_table(rows, columns)
    else:
        texts = [[shown(row.get(name)) for name in columns] for row in rows]
        lines = [[name.replace("_", " ") for name in columns], *texts]
        widths = [max(len(line[n]) for line in lines) for n in range(len(columns))]
        for line in lines:
            padded = (text.ljust(width) for text, width in zip(line, widths, strict=True))
            print("  ".join(padded).rstrip())


def shown(value: Any) -> str:
    """A value in a table."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else ""
    if isinstance(value, float):
        return f"{value:.2f}"
    if isinstance(value, datetime):
        return value.astimezone().strftime("%Y-%m-%d %H:%M")
    return str(value)


def ago(moment: datetime | None) -> str:
    """How long ago something was."""
    if moment is None:
        return ""
    seconds = (datetime.now(UTC) - moment).total_seconds()
    for limit, divisor, unit in ((120, 1, "s"), (7200, 60, "min"), (172800, 3600, "h")):
        if seconds < limit:
            return f"{max(0, seconds) / divisor:.0f} {unit} ago"
    return f"{seconds / 86400:.0f} days ago"


def _rich_table(rows: Sequence[Row], columns: Sequence[str]) -> None:
    from rich.console import Console
    from rich.table import Table

    colours = {"running": "green", "finished": "blue", "failed": "red", "waiting": "yellow"}
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in columns:
        is_number = any(isinstance(row.get(name), int | float) for row in rows)
        table.add_column(name.replace("_", " "), justify="right" if is_number else "left")
    for row in rows:
        style = colours.get(str(row.get("state", "")), "")
        table.add_row(*(_safe(shown(row.get(name))) for name in columns), style=style)
    Console().print(table)


def _safe(text: str) -> str:
    """A text in which nothing is markup."""
    from rich.markup import escape

    return escape(text)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)
