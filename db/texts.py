"""Texts on their way into the database: what has a longest length is a name of one line, and none has a NUL."""

from typing import Any

from sqlalchemy import String, Text, inspect
from sqlalchemy.orm import Session

from compute.files.given_text import is_one_line
from db.errors import Refused


def check_texts(session: Session, *_: Any) -> None:
    """Raise Refused for the first text of a new or changed row that its column cannot hold.

    PostgreSQL would refuse a NUL and what is too long in its own words, SQLite would keep both.
    """
    for row in (*session.new, *session.dirty):
        state = inspect(row)
        for name, column in state.mapper.columns.items():
            value = state.dict.get(name)
            if isinstance(value, str) and isinstance(column.type, String):
                _check(name.replace("_", " "), value, column.type)


def _check(name: str, value: str, kind: String) -> None:
    if kind.length is not None and len(value) > kind.length:
        raise Refused(
            f"the {name} '{value[:40]}…' has {len(value)} characters: {kind.length} at most"
        )
    if isinstance(kind, Text):
        if "\0" in value:
            raise Refused(f"the {name} cannot hold the character NUL")
    elif not is_one_line(value):
        raise Refused(f"the {name} {value[:60]!r} has to be one line without control characters")
