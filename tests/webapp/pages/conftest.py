"""A user's store with one project and a small particle set in it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from db import migrate
from db.models.projects import Project
from db.repository import people
from db.session import open_database
from tests.data import particle_set
from webapp.cli import JOBS
from webapp.components.look import LIGHT
from webapp.maps import MapCache
from webapp.pages.background import Background
from webapp.pages.forms import FormPage
from webapp.records import RecordReader
from webapp.settings import Settings
from webapp.store import Store


@dataclass(frozen=True, slots=True)
class Desk:
    """What a page is made with."""

    store: Store
    project: Project
    background: Background

    @property
    def folder(self) -> Path:
        """The project's folder."""
        return Path(self.project.folder)

    def form(self, **query: str) -> FormPage:
        """The form at an address."""
        words = {"project": str(self.project.id), **query}
        return FormPage(self.store, self.background, LIGHT, words)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A project of a user's, and a particle set of 40 images."""
    place = tmp_path_factory.mktemp("desk")
    url = f"sqlite:///{place / 'halfmap.db'}"
    migrate.upgrade(url)
    database = open_database(url)
    with database.writing() as session:
        user = people.ensure_unix_user(session, "ana")
    settings: dict[str, Any] = {"database": url, "data_roots": [place], "projects": place}
    told = Settings(profiles={"local": {}}, **settings)
    store = Store(database, told, RecordReader(), MapCache(), user.id, JOBS)
    project = store.create_project("one", place / "one")
    particle_set(place / "one", particles=40, symmetry="C1", snr=2.0)
    threads = ThreadPoolExecutor(1)
    yield Desk(store, project, Background(threads))
    store.previews.close()
    threads.shutdown()
    database.close()
