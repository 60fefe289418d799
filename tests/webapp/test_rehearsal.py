"""After the rehearsal of a start the first page finds its scripts compressed and its questions written."""

import gzip
from pathlib import Path

import pytest

from db import migrate
from db.repository import people
from db.session import open_database
from webapp.cli import JOBS
from webapp.maps import MapCache
from webapp.packed import Shelf
from webapp.records import RecordReader
from webapp.rehearsal import rehearse, scripts
from webapp.settings import Settings
from webapp.store import Store


def test_the_first_page_has_nothing_left_to_prepare(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path / 'halfmap.db'}"
    migrate.upgrade(url)
    database = open_database(url)
    with database.writing() as session:
        user = people.ensure_unix_user(session, "ana")
    told = Settings(database=url, data_roots=[tmp_path], projects=tmp_path, profiles={"local": {}})
    store, shelf = Store(database, told, RecordReader(), MapCache(), user.id, JOBS), Shelf()
    project = store.create_project("one", tmp_path / "one")
    made = store.submit(project.id, "simulate", {"phantom": True})
    cache = database.engine._compiled_cache
    assert cache is not None
    cache.clear()
    rehearse(store, shelf)
    monkeypatch.setattr(gzip, "compress", lambda *_, **__: pytest.fail("compressed again"))
    for script in scripts():
        assert gzip.decompress(shelf.packed(script)) == script.read_bytes()
    written = len(cache)
    assert written > 0
    store.home()
    store.project_jobs(project.id)
    store.job(made.id)
    assert len(cache) == written
    database.close()
