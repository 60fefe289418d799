"""Brings a database up to date, step by step through the revisions in `db/migrations`; never backwards."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

import db.migrations
from compute.files.errors import InputError
from db.errors import Refused
from db.models.all import METADATA
from db.session import WRITES, Database, open_database

FOLDER = Path(db.migrations.__file__).parent
LOCK = 0x68616C66
"""The key under which PostgreSQL lets one program at a time migrate."""


def upgrade(url: str, to: str = "head") -> list[str]:
    """The revisions that were applied to bring the database at `url` up to date, oldest first.

    All of them are applied or none. Several programs may call this at once: one works, the others wait. Raises
    Refused where the database is newer than this program.
    """
    database = open_database(url)
    try:
        with _migrating(database) as connection:
            return _apply(connection, to)
    finally:
        database.close()


def revision(database: Database) -> str | None:
    """The revision that a database has; None where it has no tables yet."""
    with database.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def revisions() -> list[str]:
    """All revisions, oldest first. The last is the one that this program works with."""
    return [str(step.revision) for step in _script().walk_revisions()][::-1]


def check_current(database: Database) -> None:
    """Raise InputError, with the way out, where the tables are not those that this program works with."""
    found, known = revision(database), revisions()
    if found == known[-1]:
        return
    if found is not None and found not in known:
        raise Refused(_too_new(found))
    has = "has no tables yet" if found is None else f"is of an older version ({found})"
    raise InputError(f"the database {has}: run 'halfmap migrate'")


def differences(connection: Connection) -> list[Any]:
    """What differs between the tables of a database and those that the models describe; nothing when all is well."""
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return list(compare_metadata(context, METADATA))


def _script() -> ScriptDirectory:
    return ScriptDirectory(str(FOLDER), version_locations=[str(FOLDER)])


@contextmanager
def _migrating(database: Database) -> Iterator[Connection]:
    """A connection in a transaction that no other migration shares.

    SQLite changes a table by making a new one and dropping the old: its foreign keys rest meanwhile, and are
    checked as a whole before the end.
    """
    engine = database.engine.execution_options(**{WRITES: True})
    with engine.connect() as connection:
        if database.is_sqlite:
            raw: Any = connection.connection.driver_connection
            raw.execute("PRAGMA foreign_keys = OFF")
        with connection.begin():
            if not database.is_sqlite:
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
            yield connection
            if database.is_sqlite:
                _check_keys(connection)


def _apply(connection: Connection, to: str) -> list[str]:
    script = _script()
    known = revisions()
    found = MigrationContext.configure(connection).get_current_revision()
    target = known[-1] if to == "head" else to
    if found is not None and found not in known:
        raise Refused(_too_new(found))
    if target not in known:
        raise InputError(f"there is no revision {target}: the known ones are {', '.join(known)}")
    done = known.index(found) + 1 if found else 0
    if known.index(target) + 1 < done:
        raise Refused(
            f"the database has revision {found} and does not go back to {target}:"
            " put back a backup that was made before the upgrade"
        )

    def steps(revision: Any, context: MigrationContext) -> Any:
        return script._upgrade_revs(target, revision)

    with EnvironmentContext(Config(), script, fn=steps, as_sql=False) as environment:
        environment.configure(connection, target_metadata=METADATA, render_as_batch=True)
        environment.run_migrations()
    return known[done : known.index(target) + 1]


def _check_keys(connection: Connection) -> None:
    broken = connection.execute(text("PRAGMA foreign_key_check")).all()
    if broken:
        raise RuntimeError(f"rows of {broken[0][0]} would point nowhere after the migration")


def _too_new(found: str) -> str:
    return (
        f"the database has revision {found}, which this version of Halfmap does not know:"
        " it was made by a newer version; install that one, or put back an older backup"
    )
