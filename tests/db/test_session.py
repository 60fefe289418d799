"""Databases are opened from a URL; readers see one moment, writers have turns, and bad places are refused."""

import sqlite3
import threading
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, StatementError

from compute.files.errors import InputError
from db.models.jobs import Attempt, Job
from db.models.people import User
from db.models.projects import Project
from db.network import file_system, network_type
from db.repository import jobs, people
from db.session import Database, is_passing, open_database, parsed_url
from tests.db import scene
from tests.db.conftest import Clock


def test_moments_come_back_in_utc_whatever_zone_they_were_given_in(
    database: Database, clock: Clock
) -> None:
    clock.moment = datetime(2026, 7, 1, 1, 30, 0, 125_000, tzinfo=timezone(timedelta(hours=9)))
    with database.writing() as session:
        people.create_user(session, "ana", who=None)
    with database.reading() as session:
        found = session.scalars(select(User)).one().created_at
    assert found == clock.moment
    assert found.tzinfo == UTC


def test_a_moment_without_a_zone_is_refused(database: Database, clock: Clock) -> None:
    clock.moment = datetime(2026, 7, 1)
    with pytest.raises(StatementError, match="has no zone"), database.writing() as session:
        people.create_user(session, "ana", who=None)


def test_a_reader_cannot_write(database: Database) -> None:
    with pytest.raises(DBAPIError), database.reading() as session:
        session.add(User(name="ana", created_at=scene.NOON))
        session.flush()
    with database.writing() as session:
        people.create_user(session, "ana", who=None)


def test_a_reader_sees_one_moment_while_others_write(database: Database) -> None:
    with database.reading() as session:
        assert session.scalars(select(User)).all() == []
        with database.writing() as other:
            people.create_user(other, "ana", who=None)
        assert session.scalars(select(User)).all() == []
    with database.reading() as session:
        assert len(session.scalars(select(User)).all()) == 1


@pytest.mark.parametrize("is_writer", [False, True])
def test_what_an_error_left_unread_holds_no_moment_of_the_past(
    database: Database, is_writer: bool
) -> None:
    """The error's traceback keeps the open result alive, as it does while a server tells of the error."""
    with database.writing() as session:
        for name in ("ana", "bea", "cai"):
            people.create_user(session, name, who=None)
    with pytest.raises(ZeroDivisionError) as error:
        with database.writing() if is_writer else database.reading() as session:
            unread = session.scalars(select(User.name))
            raise ZeroDivisionError
    other = open_database(database.engine.url.render_as_string(hide_password=False))
    with other.writing() as session:
        people.create_user(session, "dan", who=None)
    other.close()
    with database.reading() as session:
        assert set(session.scalars(select(User.name))) == {"ana", "bea", "cai", "dan"}
    unread.close()
    assert error.value is not None


def test_after_an_error_nothing_of_a_block_is_stored(database: Database) -> None:
    with pytest.raises(ZeroDivisionError), database.writing() as session:
        people.create_user(session, "ana", who=None)
        raise ZeroDivisionError
    with database.reading() as session:
        assert session.scalars(select(User)).all() == []


def test_keys_that_point_nowhere_are_refused(database: Database) -> None:
    with pytest.raises(IntegrityError), database.writing() as session:
        session.add(Attempt(job_id=99, number=1, launcher="local", created_at=scene.NOON))


def test_a_state_that_is_no_word_of_ours_is_refused_by_the_database_itself(
    database: Database,
) -> None:
    with database.writing() as session:
        _, project = scene.lab(session)
        job = scene.draft(session, project)
    for change in ("state = 'broken'", "state = 'finished'", "cores = 0"):
        with pytest.raises(IntegrityError), database.writing() as session:
            session.execute(text(f"UPDATE jobs SET {change} WHERE id = {job.id}"))


def test_two_writers_change_one_row_one_after_the_other(database: Database) -> None:
    with database.writing() as session:
        _, project = scene.lab(session)
        job = scene.draft(session, project)
    has_row, may_go_on = threading.Event(), threading.Event()

    def first() -> None:
        with database.writing() as session:
            jobs.rename(session, job.id, "first", who=None)
            session.flush()
            has_row.set()
            may_go_on.wait(timeout=60)

    thread = threading.Thread(target=first)
    thread.start()
    assert has_row.wait(timeout=60)
    may_go_on.set()
    with database.writing() as session:
        changed = jobs.rename(session, job.id, "second", who=None)
        assert changed.version == job.version + 2
    thread.join()


def test_a_writer_who_waits_too_long_is_told_that_it_may_try_again(
    url: str, database: Database
) -> None:
    impatient = open_database(url, busy_s=0.2)
    with database.writing() as session:
        _, project = scene.lab(session)
    with database.writing() as session:
        session.get(Project, project.id, with_for_update=True)
        with pytest.raises(OperationalError) as caught, impatient.writing() as other:
            other.get(Project, project.id, with_for_update=True)
    assert is_passing(caught.value)
    assert not is_passing(ValueError())
    impatient.close()


def test_ids_of_deleted_rows_are_not_given_again(database: Database) -> None:
    with database.writing() as session:
        _, project = scene.lab(session)
        first = scene.draft(session, project)
        session.delete(first)
        session.flush()
        assert scene.draft(session, project).id > first.id
        assert session.get(Job, first.id) is None


def test_paths_and_urls_are_understood(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    assert parsed_url(str(path)).render_as_string() == f"sqlite+pysqlite:///{path}"
    assert parsed_url(f"sqlite:///{path}").drivername == "sqlite+pysqlite"
    assert parsed_url("postgresql://ana@host/lab").drivername == "postgresql+psycopg"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mysql://host/lab", "'mysql' is not known: use SQLite or PostgreSQL"),
        ("sqlite://", "needs a file"),
        ("nonsense://", "is not known"),
        ("sqlite:////nowhere/at/all/x.db", "the folder /nowhere/at/all of the database does not"),
    ],
)
def test_unusable_urls_are_refused_in_a_sentence(url: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        open_database(url)


MOUNTS = """\
/dev/sda1 / ext4 rw 0 0
proc /proc proc rw 0 0
server:/home /home nfs4 rw,vers=4.2 0 0
/dev/sdb1 /home/local xfs rw 0 0
server:/lab /mnt/lab\\040data cifs rw 0 0
ana@host:/x /mnt/ssh fuse.sshfs rw 0 0
mds@tcp:/fs /lustre lustre rw 0 0
beegfs_nodev /beegfs beegfs rw 0 0
/dev/gpfs /gpfs gpfs rw 0 0
/dev/sdc1 /homestead ext4 rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/home/ana/halfmap.db", "nfs4"),
        ("/home/local/halfmap.db", None),
        ("/homestead/halfmap.db", None),
        ("/mnt/lab data/halfmap.db", "cifs"),
        ("/mnt/ssh/a/b/halfmap.db", "fuse.sshfs"),
        ("/lustre/halfmap.db", "lustre"),
        ("/beegfs/halfmap.db", "beegfs"),
        ("/gpfs/halfmap.db", "gpfs"),
        ("/var/lib/halfmap.db", None),
    ],
)
def test_network_file_systems_are_known(path: str, kind: str | None, tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(MOUNTS)
    assert network_type(Path(path), mounts) == kind


def test_this_machine_tells_where_its_files_are(tmp_path: Path) -> None:
    assert file_system(tmp_path / "new.db") is not None
    assert file_system(Path("/proc/self/mounts")) == "proc"
    assert file_system(tmp_path, tmp_path / "no table of mounts") is None


def test_sqlite_on_a_network_file_system_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("db.session.network_type", lambda path: "nfs4")
    with pytest.raises(InputError, match=r"network file system \(nfs4\).*use PostgreSQL"):
        open_database(str(tmp_path / "x.db"))
    assert open_database("postgresql://host/lab").engine.dialect.name == "postgresql"


def test_a_file_that_another_program_makes_at_the_same_time_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "halfmap.db"
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("CREATE TABLE made (what TEXT)")
    other.execute("BEGIN IMMEDIATE")
    release = threading.Timer(0.4, lambda: other.execute("COMMIT"))
    release.start()
    database = open_database(f"sqlite:///{path}", busy_s=20)
    with database.reading() as session:
        assert session.execute(text("PRAGMA journal_mode")).scalar() == "wal"
    database.close()
    release.join()
    other.close()


def test_a_file_that_stays_locked_is_told_when_the_wait_is_over(tmp_path: Path) -> None:
    path = tmp_path / "halfmap.db"
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("CREATE TABLE made (what TEXT)")
    other.execute("BEGIN IMMEDIATE")
    database = open_database(f"sqlite:///{path}", busy_s=0.2)
    with pytest.raises(OperationalError, match="locked"), database.reading() as session:
        session.execute(text("SELECT 1"))
    database.close()
    other.close()
