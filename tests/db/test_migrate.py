"""Databases come up to date step by step with their data, and never go back."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, MetaData, Table, inspect, text

from compute.files.errors import InputError
from db import migrate
from db.errors import Refused
from db.models.all import METADATA
from db.repository import projects
from db.session import WRITES, Database, open_database

NOON = "2026-11-01 12:00:00+00:00"


def test_the_revisions_make_the_tables_that_the_models_describe(bare_url: str) -> None:
    applied = migrate.upgrade(bare_url)
    assert applied == migrate.revisions()
    database = open_database(bare_url)
    with database.engine.connect() as connection:
        assert migrate.differences(connection) == []
        looking = inspect(connection)
        for table in METADATA.sorted_tables:
            named = {one["name"] for one in looking.get_check_constraints(table.name)}
            assert named == {one.name for one in table.constraints if is_check(one)}, table.name
    migrate.check_current(database)
    if database.is_sqlite:
        with database.reading() as session:
            made = dict(session.execute(text("SELECT name, sql FROM sqlite_master")).all())
        for table in METADATA.sorted_tables:
            is_asked = table.dialect_options["sqlite"]["autoincrement"]
            assert ("AUTOINCREMENT" in made[table.name]) == is_asked, table.name
    database.close()
    assert migrate.upgrade(bare_url) == []


def is_check(constraint: Any) -> bool:
    return type(constraint).__name__ == "CheckConstraint"


@pytest.mark.parametrize("place", range(len(migrate.revisions())))
def test_a_database_of_an_earlier_revision_comes_up_to_date_with_its_data(
    bare_url: str, place: int
) -> None:
    old = migrate.revisions()[place]
    migrate.upgrade(bare_url, old)
    database = open_database(bare_url)
    before = fill(database)
    assert before
    if old != migrate.revisions()[-1]:
        with pytest.raises(InputError, match=f"older version .{old}.: run 'halfmap migrate'"):
            migrate.check_current(database)
    assert migrate.upgrade(bare_url) == migrate.revisions()[place + 1 :]
    with database.engine.connect() as connection:
        assert migrate.differences(connection) == []
        for name, row in before.items():
            table = Table(name, MetaData(), autoload_with=connection)
            after = connection.execute(table.select()).mappings().all()
            assert [{key: one[key] for key in row} for one in after] == [row], name
    migrate.check_current(database)
    database.close()


def fill(database: Database) -> dict[str, dict[str, Any]]:
    """Put one row into every table of a database, whatever its revision; the rows as they stand there."""
    engine = database.engine.execution_options(**{WRITES: True})
    with engine.begin() as connection:
        tables = MetaData()
        tables.reflect(connection)
        for table in tables.sorted_tables:
            if table.name != "alembic_version":
                connection.execute(table.insert().values(row_for(connection, table)))
        return {
            table.name: dict(connection.execute(table.select()).mappings().one())
            for table in tables.sorted_tables
            if table.name != "alembic_version"
        }


WORDS = {
    "state": "draft",
    "role": "editor",
    "group_role": "viewer",
    "stop_request": "now",
    "news": "failed",
}


def row_for(connection: Connection, table: Table) -> dict[str, Any]:
    """A row that fits a table: 1 where a number is wanted, a word where one is, JSON and bytes for theirs."""
    is_sqlite = connection.dialect.name == "sqlite"
    row: dict[str, Any] = {}
    for column in table.columns:
        kind = str(column.type).partition("(")[0]
        if column.name in WORDS:
            row[column.name] = WORDS[column.name]
        elif column.name == "ending":
            row[column.name] = None
        elif kind in ("INTEGER", "BIGINT", "DOUBLE", "DOUBLE PRECISION", "FLOAT"):
            row[column.name] = 1
        elif kind == "BOOLEAN":
            row[column.name] = True
        elif kind in ("JSON", "JSONB"):
            row[column.name] = {"name": "Å"}
        elif kind in ("BLOB", "BYTEA"):
            row[column.name] = b"bytes"
        elif kind in ("DATETIME", "TIMESTAMP"):
            row[column.name] = text(f"'{NOON[:19] if is_sqlite else NOON}'")
        else:
            row[column.name] = "text"
    return row


def test_a_failed_step_leaves_the_database_as_it_was(
    bare_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: Sequence[str] = migrate.revisions()
    migrate.upgrade(bare_url, steps[0])
    monkeypatch.setattr(migrate, "_check_keys", fail)
    monkeypatch.setattr(migrate, "EnvironmentContext", Broken)
    with pytest.raises(ZeroDivisionError):
        migrate.upgrade(bare_url)
    database = open_database(bare_url)
    assert migrate.revision(database) == steps[0]
    with database.engine.connect() as connection:
        assert not inspect(connection).has_table("jobs")
    database.close()


def fail(connection: Connection) -> None:
    raise ZeroDivisionError


class Broken(migrate.EnvironmentContext):
    """Runs the steps, and fails after the last."""

    def run_migrations(self, **kw: Any) -> None:
        super().run_migrations(**kw)
        raise ZeroDivisionError


def test_going_back_is_refused(bare_url: str) -> None:
    migrate.upgrade(bare_url)
    first = migrate.revisions()[0]
    with pytest.raises(Refused, match=f"does not go back to {first}: put back a backup"):
        migrate.upgrade(bare_url, first)
    with pytest.raises(InputError, match="there is no revision r9999"):
        migrate.upgrade(bare_url, "r9999")


def test_a_database_of_a_newer_version_is_left_alone(bare_url: str) -> None:
    migrate.upgrade(bare_url)
    database = open_database(bare_url)
    with database.writing() as session:
        session.execute(text("UPDATE alembic_version SET version_num = 'r9999'"))
    for call in (lambda: migrate.upgrade(bare_url), lambda: migrate.check_current(database)):
        with pytest.raises(Refused, match="revision r9999, which this version .* newer version"):
            call()
    assert migrate.revision(database) == "r9999"
    database.close()


def test_a_database_without_tables_is_told_apart(bare_url: str) -> None:
    database = open_database(bare_url)
    with pytest.raises(InputError, match="has no tables yet: run 'halfmap migrate'"):
        migrate.check_current(database)
    database.close()


def test_ids_of_projects_that_are_gone_stay_dead_when_sqlite_makes_the_table_anew(
    tmp_path: Path,
) -> None:
    url = str(tmp_path / "old.db")
    migrate.upgrade(url, "r0005")
    database = open_database(url)
    before = fill(database)["projects"]
    with database.writing() as session:
        session.execute(text("DELETE FROM drafts"))
        session.execute(text("DELETE FROM projects"))
    migrate.upgrade(url)
    with database.writing() as session:
        added = projects.create(session, "new", "/data/new", who=None)
        assert added.id > before["id"]
    database.close()
