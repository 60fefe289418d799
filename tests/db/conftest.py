"""Databases for tests: every test that asks for one runs on SQLite and on a real PostgreSQL."""

import itertools
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete

from db import migrate
from db.models.all import METADATA
from db.session import Database, open_database
from tests.db import postgres

COUNTER = itertools.count()


class Clock:
    """A clock that goes only when it is told to."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 11, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.moment

    def forward(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    if postgres.programs() is None:
        pytest.skip(postgres.MISSING)
    with postgres.server() as url:
        yield url


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite database that is up to date and empty."""
    path = tmp_path_factory.mktemp("template") / "empty.db"
    migrate.upgrade(str(path))
    return path


@pytest.fixture(scope="session")
def postgres_filled(postgres_server: str) -> str:
    """The URL of a PostgreSQL database that is up to date."""
    url = new_schema(postgres_server)
    migrate.upgrade(url)
    return url


def new_schema(server: str) -> str:
    """The URL of a place in the server's database `postgres` that is empty, as a database of its own would be."""
    name = f"test{next(COUNTER)}"
    postgres.run_in(server, f"CREATE SCHEMA {name}")
    return f"{server}postgres&options=-csearch_path%3D{name}"


@pytest.fixture(params=["sqlite", "postgresql"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def bare_url(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without any tables."""
    if kind == "sqlite":
        return f"sqlite:///{tmp_path / 'bare.db'}"
    return new_schema(request.getfixturevalue("postgres_server"))


@pytest.fixture
def url(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database that is up to date and empty."""
    if kind == "sqlite":
        path = tmp_path / "halfmap.db"
        shutil.copyfile(request.getfixturevalue("sqlite_template"), path)
        return f"sqlite:///{path}"
    filled: str = request.getfixturevalue("postgres_filled")
    database = open_database(filled)
    with database.writing() as session:
        for table in reversed(METADATA.sorted_tables):
            session.execute(delete(table))
    database.close()
    return filled


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def database(url: str, clock: Clock) -> Iterator[Database]:
    opened = open_database(url, clock)
    yield opened
    opened.close()
