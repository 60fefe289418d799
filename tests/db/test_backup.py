"""A copy that is made while others write holds one moment, and a database comes back from it."""

import threading
from pathlib import Path

import pytest
from sqlalchemy import func, select

from compute.files.errors import InputError
from db import backup, migrate
from db.models.all import METADATA
from db.models.jobs import Job
from db.models.projects import Project
from db.repository import jobs
from db.session import Database, open_database
from tests.db import scene


@pytest.fixture
def second_url(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a database can be put back."""
    if kind == "sqlite":
        return f"sqlite:///{tmp_path / 'restored.db'}"
    return str(request.getfixturevalue("bare_url"))


def test_a_database_comes_back_from_its_copy(
    url: str, database: Database, second_url: str, tmp_path: Path
) -> None:
    with database.writing() as session:
        _, project = scene.lab(session)
        job = scene.draft(session, project, "refine", "/elsewhere/particles.star")
        job.notes = "Å, \\ and\ttabs\nand lines"
        scene.run(session, job, scene.start(), scene.iteration(1, 9.0), scene.end())
    copy = tmp_path / "copy"
    assert backup.save(url, copy) == copy.stat().st_size > 0
    assert copy.stat().st_mode & 0o077 == 0
    backup.restore(copy, second_url)
    restored = open_database(second_url)
    try:
        for table in METADATA.sorted_tables:
            with database.reading() as old, restored.reading() as new:
                query = select(table).order_by(*table.primary_key.columns)
                assert old.execute(query).all() == new.execute(query).all(), table.name
        with restored.writing() as session:
            project = session.get_one(Project, project.id)
            assert scene.draft(session, project).number == 2
        migrate.check_current(restored)
    finally:
        restored.close()


def test_a_copy_made_while_others_write_is_of_one_moment(
    url: str, database: Database, second_url: str, tmp_path: Path
) -> None:
    with database.writing() as session:
        _, project = scene.lab(session)
    written, enough = threading.Event(), threading.Event()

    def write() -> None:
        while not enough.is_set():
            with database.writing() as session:
                jobs.create(session, project.id, "refine", {}, who=None)
            written.set()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert written.wait(timeout=60)
        for number in range(3):
            backup.save(url, tmp_path / f"copy{number}")
    finally:
        enough.set()
        writer.join()
    backup.restore(tmp_path / "copy1", second_url)
    restored = open_database(second_url)
    with restored.reading() as session:
        numbered = session.get_one(Project, project.id).next_job_number - 1
        assert session.scalar(select(func.count()).select_from(Job)) == numbered > 0
    restored.close()


def test_nothing_is_overwritten(url: str, tmp_path: Path) -> None:
    taken = tmp_path / "copy"
    taken.write_text("mine")
    with pytest.raises(InputError, match="exists: copies do not overwrite"):
        backup.save(url, taken)
    backup.save(url, tmp_path / "good")
    with pytest.raises(InputError, match=r"exists: copies|has tables already"):
        backup.restore(tmp_path / "good", url)
    assert taken.read_text() == "mine"
    assert not list(tmp_path.glob("*.tmp"))


def test_what_is_no_copy_is_refused(url: str, tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("no database")
    with pytest.raises(InputError, match=r"cannot be copied|is a copy of SQLite"):
        backup.restore(text, url.replace("halfmap.db", "new.db"))
    with pytest.raises(InputError, match="does not exist"):
        backup.restore(tmp_path / "nothing", url)


def test_a_full_or_missing_folder_is_said(url: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot be (written|copied)"):
        backup.save(url, tmp_path / "missing" / "copy")
