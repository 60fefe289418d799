"""Databases for tests: every test that asks for one runs on SQLite and on a real PostgreSQL."""

import itertools
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from db import migrate
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
def postgres_template(postgres_server: str) -> str:
    """The name of a PostgreSQL database that is up to date and empty."""
    postgres.run_in(postgres_server, "CREATE DATABASE empty")
    migrate.upgrade(f"{postgres_server}empty")
    return "empty"


@pytest.fixture(params=["sqlite", "postgresql"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def bare_url(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without any tables."""
    if kind == "sqlite":
        return f"sqlite:///{tmp_path / 'bare.db'}"
    server: str = request.getfixturevalue("postgres_server")
    name = f"test{next(COUNTER)}"
    postgres.run_in(server, f"CREATE DATABASE {name}")
    return server + name


@pytest.fixture
def url(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database that is up to date and empty."""
    if kind == "sqlite":
        path = tmp_path / "halfmap.db"
        shutil.copyfile(request.getfixturevalue("sqlite_template"), path)
        return f"sqlite:///{path}"
    server: str = request.getfixturevalue("postgres_server")
    template: str = request.getfixturevalue("postgres_template")
    name = f"test{next(COUNTER)}"
    postgres.run_in(server, f"CREATE DATABASE {name} TEMPLATE {template}")
    return server + name


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def database(url: str, clock: Clock) -> Iterator[Database]:
    opened = open_database(url, clock)
    yield opened
    opened.close()
