"""Copies of a database, made while it is in use, each of one moment; and putting one back.

A copy of SQLite is a SQLite file. A copy of PostgreSQL is a zip file: the revision, and every table as PostgreSQL's
own COPY writes it.
"""

import json
import os
import sqlite3
import zipfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, inspect, text
from sqlalchemy.engine import URL

from compute.files.errors import InputError
from db import migrate
from db.session import Database, open_database, parsed_url

CONTENTS = "contents.json"
ORDER_OF_COPY = 1
VERSION_TABLE = "alembic_version"
CHUNK = 1 << 20


def save(url: str, path: Path) -> int:
    """Copy the database at `url` to the new file `path` as it is at this moment; its size in bytes.

    The copy is its owner's alone: it holds hashes of passwords and keys. Whoever works with the database is not held
    up. Raises InputError where `path` exists or cannot be written.
    """
    with _new_file(path) as unfinished:
        if (parsed := parsed_url(url)).get_backend_name() == "sqlite":
            _copy_sqlite(_existing(parsed), unfinished)
        else:
            _save_postgresql(url, unfinished)
        unfinished.chmod(0o600)
    return path.stat().st_size


def restore(path: Path, url: str) -> None:
    """Make the database at `url`, which has no tables yet, from a copy, and bring it up to date.

    Raises InputError for a file that is no copy, or of the other kind of database, and for a database with tables.
    """
    if not path.is_file():
        raise InputError(f"{path} does not exist: name a file that 'halfmap backup' has made")
    is_zip, parsed = zipfile.is_zipfile(path), parsed_url(url)
    is_sqlite = parsed.get_backend_name() == "sqlite"
    if is_sqlite == is_zip:
        other = "PostgreSQL" if is_zip else "SQLite, or no copy at all"
        raise InputError(f"{path} is a copy of {other}: it does not fit {parsed.drivername}")
    if is_sqlite:
        with _new_file(Path(str(parsed.database))) as unfinished:
            _copy_sqlite(path, unfinished)
    else:
        _restore_postgresql(path, url)
    migrate.upgrade(url)


@contextmanager
def _new_file(path: Path) -> Iterator[Path]:
    """The name of an unfinished file, which becomes `path` when the block has ended well."""
    if path.exists():
        raise InputError(f"{path} exists: copies do not overwrite anything, choose another name")
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        yield unfinished
        with unfinished.open("rb") as file:
            os.fsync(file.fileno())
        os.link(unfinished, path)
    except FileExistsError as error:
        raise InputError(f"{path} has appeared meanwhile: choose another name") from error
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from error
    finally:
        unfinished.unlink(missing_ok=True)


def _existing(url: URL) -> Path:
    path = Path(str(url.database))
    if not path.is_file():
        raise InputError(f"the database {path} does not exist")
    return path


def _copy_sqlite(source: Path, target: Path) -> None:
    """Copy all pages in one step, which sees one moment and lets writers go on; then look the copy over."""
    try:
        with (
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as old,
            closing(sqlite3.connect(target)) as new,
        ):
            old.backup(new)
            verdict = new.execute("PRAGMA quick_check").fetchone()[0]
            if new.execute("PRAGMA journal_mode = DELETE").fetchone()[0] != "delete":
                raise sqlite3.DatabaseError("the copy cannot be closed")
    except sqlite3.Error as error:
        raise InputError(f"{source} cannot be copied: {error}") from error
    if verdict != "ok":
        raise InputError(f"{source} is damaged: {verdict}")


def _save_postgresql(url: str, path: Path) -> None:
    database = open_database(url)
    try:
        with (
            database.reading() as session,
            zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file,
        ):
            connection = session.connection()
            tables = _tables(connection)
            revision = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()
            contents = {"order": ORDER_OF_COPY, "revision": revision, "tables": tables}
            file.writestr(CONTENTS, json.dumps(contents))
            for name, columns in tables.items():
                with file.open(name, "w", force_zip64=True) as entry:
                    _copy_out(connection, name, columns, entry)
    finally:
        database.close()


def _tables(connection: Connection) -> dict[str, list[str]]:
    """The tables that are there, those that others point to first, with their columns."""
    looking = inspect(connection)
    names = [name for name, _ in looking.get_sorted_table_and_fkc_names() if name]
    return {
        name: [column["name"] for column in looking.get_columns(name)]
        for name in names
        if name != VERSION_TABLE
    }


def _copy_out(connection: Connection, name: str, columns: list[str], entry: Any) -> None:
    statement = f'COPY "{name}" ({_listed(columns)}) TO STDOUT'
    with _driver(connection).cursor().copy(statement) as copy:
        for block in copy:
            entry.write(block)


def _restore_postgresql(path: Path, url: str) -> None:
    with zipfile.ZipFile(path) as file:
        try:
            contents = json.loads(file.read(CONTENTS))
        except (KeyError, ValueError) as error:
            raise InputError(f"{path} is no copy of a database") from error
        database = open_database(url)
        try:
            if migrate.revision(database) is not None:
                raise InputError("the database has tables already: restore into an empty one")
            migrate.upgrade(url, contents["revision"])
            _fill(database, file, contents["tables"])
        finally:
            database.close()


def _fill(database: Database, file: zipfile.ZipFile, tables: dict[str, list[str]]) -> None:
    """Put the rows back, all or none, and let new rows be counted from behind them."""
    with database.writing() as session:
        connection = session.connection()
        for name, columns in tables.items():
            statement = f'COPY "{name}" ({_listed(columns)}) FROM STDIN'
            with file.open(name) as entry, _driver(connection).cursor().copy(statement) as copy:
                while block := entry.read(CHUNK):
                    copy.write(block)
        for name, columns in tables.items():
            if "id" in columns:
                _count_on(connection, name)


def _count_on(connection: Connection, table: str) -> None:
    counter = "pg_get_serial_sequence(:name, 'id')"
    behind = f'(SELECT coalesce(max(id), 0) + 1 FROM "{table}")'
    connection.execute(text(f"SELECT setval({counter}, {behind}, false)"), {"name": table})


def _listed(columns: list[str]) -> str:
    return ", ".join(f'"{column}"' for column in columns)


def _driver(connection: Connection) -> Any:
    """The driver's own connection, which knows COPY."""
    return connection.connection.driver_connection
