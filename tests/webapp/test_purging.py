"""Jobs of the bin are removed for good: what goes, what is refused, and what is known afterwards."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from db import migrate
from db.errors import NotFound, Refused
from db.models.jobs import Node
from db.models.projects import Project
from db.repository import audit, bin, jobs, people, projects
from db.session import Database, open_database
from tests.db import scene
from webapp import actions, cli, purging


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    url = f"sqlite:///{tmp_path}/halfmap.db"
    migrate.upgrade(url)
    opened = open_database(url)
    yield opened
    opened.close()


@pytest.fixture
def project(database: Database, tmp_path: Path) -> Project:
    """A project whose job 2 read what job 1 made; each has a file."""
    folder = tmp_path / "beta"
    with database.writing() as session:
        user = people.ensure_unix_user(session, "ana")
        made = projects.create(session, "beta", str(folder), who=user.id)
        first = scene.draft(session, made, "extract")
        scene.draft(session, made, "refine", f"{first.folder}/particles.star")
        for job, size in ((first, 1000), (jobs.find(session, made.id, "2"), 50)):
            path = folder / job.folder / "deep" / "particles.star"
            path.parent.mkdir(parents=True)
            path.write_bytes(bytes(size))
    return made


def test_where_one_folder_cannot_be_moved_all_jobs_stay(
    database: Database, project: Project
) -> None:
    folder = Path(project.folder)
    with database.reading() as session:
        first, second = (jobs.find(session, project.id, one) for one in ("1", "2"))
    taken = folder / "Trash" / second.folder
    taken.mkdir(parents=True)
    with pytest.raises(Refused, match="exists already: move it away first"):
        with database.writing() as session:
            actions.delete(session, [first.id], who=None, with_descendants=True)
    for job in (first, second):
        assert (folder / job.folder / "deep" / "particles.star").is_file()
    with database.writing() as session:
        assert bin.content(session, project.id) == []
        taken.rmdir()
        assert len(actions.delete(session, [first.id], who=None, with_descendants=True)) == 2
    assert (taken / "deep" / "particles.star").is_file()


def test_a_job_goes_with_its_files(database: Database, project: Project) -> None:
    folder = Path(project.folder)
    with database.writing() as session:
        second = jobs.find(session, project.id, "2")
        with pytest.raises(Refused, match="job 2 is not in the bin"):
            purging.purge(session, [second.id], who=None)
        actions.delete(session, [second.id], who=None)
        (seen,) = purging.remains(session, [second.id])
        assert (seen.files, seen.size_bytes, seen.refusal) == (1, 50, "")
        assert seen.folder == folder / "Trash" / second.folder and seen.folder.is_dir()
        purging.purge(session, [second.id], who=None)
    assert not seen.folder.exists()
    assert (folder / "Extract/job001/deep/particles.star").is_file()
    with database.reading() as session:
        with pytest.raises(NotFound):
            jobs.get(session, second.id, in_bin=True)
        entry = audit.entries(session, project_id=project.id)[0]
    assert (entry.action, entry.details["files"], entry.details["bytes"]) == ("purged job", 1, 50)


def test_what_others_have_read_goes_only_by_force(database: Database, project: Project) -> None:
    with database.writing() as session:
        first = jobs.find(session, project.id, "1")
        actions.delete(session, [first.id], who=None)
        with pytest.raises(Refused, match="job 2 read files of job 1: they could not be repeated"):
            purging.purge(session, [first.id], who=None)
        (seen,) = purging.remains(session, [first.id])
        assert seen.folder.is_dir() and seen.readers == ("job 2",)
        purging.purge(session, [first.id], who=None, is_forced=True)
        assert not seen.folder.exists()
        node = session.scalars(select(Node).where(Node.path.like("%particles.star"))).one()
        assert node.job_id is None


def test_jobs_that_read_each_other_go_together(database: Database, project: Project) -> None:
    with database.writing() as session:
        first, second = (jobs.find(session, project.id, number) for number in "12")
        actions.delete(session, [first.id, second.id], who=None)
        everything = [job.id for job in bin.content(session, project.id)]
        assert len(purging.purge(session, everything, who=None)) == 2
        assert bin.content(session, project.id) == []
        assert session.scalars(select(Node)).all() == []


def test_force_does_not_take_a_job_out_of_work(database: Database, project: Project) -> None:
    with database.writing() as session:
        first = jobs.find(session, project.id, "1")
        with pytest.raises(Refused, match="not in the bin"):
            purging.purge(session, [first.id], who=None, is_forced=True)
    assert (Path(project.folder) / "Extract/job001/deep/particles.star").is_file()


def test_a_link_in_the_trash_is_not_followed(
    database: Database, project: Project, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "precious").write_text("x")
    folder = Path(project.folder)
    with database.writing() as session:
        second = jobs.find(session, project.id, "2")
        (folder / second.folder / "link").symlink_to(tmp_path / "elsewhere")
        actions.delete(session, [second.id], who=None)
        purging.purge(session, [second.id], who=None)
    assert (tmp_path / "elsewhere" / "precious").is_file()
    assert not (folder / "Trash" / second.folder).exists()


def test_the_command_shows_before_it_removes(
    database: Database,
    project: Project,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = tmp_path / "halfmap.toml"
    settings.write_text(f'database = "{tmp_path}/halfmap.db"\ndata_roots = ["{tmp_path}"]\n')
    monkeypatch.setenv("HALFMAP_CONFIG", str(settings))
    monkeypatch.setattr("getpass.getuser", lambda: "ana")
    with database.writing() as session:
        actions.delete(session, [jobs.find(session, project.id, "1").id], who=None)
    trash = Path(project.folder) / "Trash" / "Extract" / "job001"
    purge = ["purge", "--project", "beta"]

    def asked(*words: str) -> dict:
        capsys.readouterr()
        assert cli.command([*purge, *words, "--json"]) == 0
        found: dict = json.loads(capsys.readouterr().out)
        return found

    seen = asked("--all")
    assert (seen["removed"], [one["number"] for one in seen["jobs"]]) == (False, [1])
    assert trash.is_dir()
    assert cli.command([*purge, "1", "--yes"]) == 2
    assert "job 2 read files of job 1" in capsys.readouterr().err
    assert trash.is_dir()
    assert asked("1", "--yes", "--force")["removed"] and not trash.exists()
    assert asked("--all", "--yes")["jobs"] == []
    assert cli.command(purge) == 2
