"""The database behind a URL, and sessions for reading and writing: SQLite in a file, or PostgreSQL."""

import random
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from weakref import WeakSet

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, OperationalError
from sqlalchemy.orm import Session

import db.models.all  # noqa: F401
from compute.files.errors import InputError
from db.network import network_type
from db.texts import check_texts

BUSY_S = 30.0
"""How long a writer waits for others before it gives up."""
WRITES = "halfmap_writes"
CLOCK = "clock"
Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The present moment."""
    return datetime.now(UTC)


def now(session: Session) -> datetime:
    """The present moment by the clock of the session's database."""
    moment: datetime = session.info[CLOCK]()
    return moment


@dataclass(frozen=True, slots=True)
class Database:
    """A database that is open; may be shared by threads, not by forked processes.

    Objects that a session has read stay readable when it is over.
    """

    engine: Engine
    clock: Clock

    @property
    def is_sqlite(self) -> bool:
        """Whether it is a file of SQLite."""
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that sees one moment of the database, never waits for writers, and changes nothing."""
        with Session(self._reader(), expire_on_commit=False, info={CLOCK: self.clock}) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A session whose changes are stored together at the end of the block, or not at all after an error.

        In SQLite there is one writer at a time; it has its turn from the beginning of the block on.
        """
        engine = self.engine.execution_options(**{WRITES: True})
        with (
            Session(engine, expire_on_commit=False, info={CLOCK: self.clock}) as session,
            session.begin(),
        ):
            event.listen(session, "before_flush", check_texts)
            yield session

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    def _reader(self) -> Engine:
        if self.is_sqlite:
            return self.engine
        return self.engine.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )


def open_database(url: str, clock: Clock = utc_now, busy_s: float = BUSY_S) -> Database:
    """The database at `url`: `sqlite:////folder/halfmap.db`, `postgresql://user@host/name`, or a path of a SQLite file.

    Its tables are made and kept up to date by `db.migrate`. Raises InputError where the URL is not usable, or names
    a SQLite file on a network file system.
    """
    parsed = parsed_url(url)
    if parsed.get_backend_name() == "sqlite":
        return Database(_sqlite(parsed, busy_s), clock)
    given = parsed.query.get("options", "")
    limits = {
        "connect_timeout": max(2, round(busy_s)),
        "options": f"-c lock_timeout={round(busy_s * 1000)} {given}",
    }
    return Database(create_engine(parsed, pool_pre_ping=True, connect_args=limits), clock)


def parsed_url(url: str) -> URL:
    """The URL with its driver; a path becomes the URL of a SQLite file."""
    if "://" not in url:
        return URL.create("sqlite+pysqlite", database=str(Path(url).expanduser().absolute()))
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise InputError(
            f"'{url}' is not a database URL: use sqlite:////folder/file.db or postgresql://user@host/name"
        ) from error
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        return parsed.set(drivername="sqlite+pysqlite")
    if backend in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+psycopg")
    raise InputError(f"the database '{backend}' is not known: use SQLite or PostgreSQL")


def is_passing(error: BaseException) -> bool:
    """Whether the same request may succeed a little later: the database was busy, unreachable or out of space."""
    return isinstance(error, OperationalError)


def _sqlite(url: URL, busy_s: float) -> Engine:
    if not url.database or url.database == ":memory:":
        raise InputError("a SQLite database needs a file: sqlite:////folder/file.db")
    path = Path(url.database)
    if not path.parent.is_dir():
        raise InputError(f"the folder {path.parent} of the database does not exist: make it first")
    if kind := network_type(path):
        raise InputError(
            f"{path} lies on a network file system ({kind}), where SQLite loses data:"
            " put the database on a local disc, or use PostgreSQL"
        )
    engine = create_engine(url, connect_args={"timeout": busy_s, "factory": _SqliteConnection})
    event.listen(engine, "connect", partial(_prepare_sqlite, busy_s))
    event.listen(engine, "begin", _begin_sqlite)
    event.listen(engine, "checkin", _close_cursors)
    return engine


class _SqliteConnection(sqlite3.Connection):
    """A connection that knows its cursors."""

    def __init__(self, *words: Any, **options: Any) -> None:
        super().__init__(*words, **options)
        self.open_cursors: WeakSet[sqlite3.Cursor] = WeakSet()

    def cursor(self, factory: Any = sqlite3.Cursor) -> Any:
        made = super().cursor(factory)
        self.open_cursors.add(made)
        return made


def _close_cursors(connection: _SqliteConnection | None, record: object) -> None:
    """Leave nothing unread on a connection whose session is over.

    After an error a cursor lives as long as the traceback, and until it is closed its connection goes on seeing the
    moment at which it was opened, whatever was rolled back and begun since.
    """
    if connection is not None:
        for cursor in list(connection.open_cursors):
            cursor.close()


def _prepare_sqlite(busy_s: float, connection: Any, record: object) -> None:
    """Set up a new connection. The driver's own handling of transactions is switched off: it begins too late."""
    connection.isolation_level = None
    cursor = connection.cursor()
    _write_ahead(cursor, busy_s)
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _write_ahead(cursor: Any, busy_s: float) -> None:
    """Have the file keep its changes in a log beside it, which it does from then on.

    Where several programs make a file at the same time, SQLite refuses all but one of them at once, without the wait
    that it grants to other statements.
    """
    deadline = time.monotonic() + busy_s
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(random.uniform(0.01, 0.05))


def _begin_sqlite(connection: Connection) -> None:
    """Writers take their turn at once: a reader that turns writer later could only fail."""
    is_writer = connection.get_execution_options().get(WRITES, False)
    connection.exec_driver_sql(f"PRAGMA query_only = {'OFF' if is_writer else 'ON'}")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_writer else "BEGIN")
