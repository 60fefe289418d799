"""One look tells many pages what is new of their jobs, each what its visitor may see."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import event

from compute.files.errors import InputError
from compute.files.progress import ProgressWriter
from db import migrate
from db.errors import Closed
from db.repository import jobs, members, people, projects
from db.session import Database, open_database
from db.words import Role
from tests.webapp.components.rows import iteration, start
from webapp.news import Found, News
from webapp.records import RecordReader


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    url = str(tmp_path / "halfmap.db")
    migrate.upgrade(url)
    made = open_database(url)
    yield made
    made.close()


@pytest.fixture
def lab(database: Database, tmp_path: Path) -> tuple[int, int, list[int], list[int]]:
    """Ana's project with two jobs, and ten people who see it; the last does not."""
    with database.writing() as session:
        ana = people.create_user(session, "ana", who=None).id
        project = projects.create(session, "beta", tmp_path / "beta", who=ana)
        made = [jobs.create(session, project.id, "refine", {}, who=ana).id for _ in range(2)]
        seeing = [people.create_user(session, f"user{n}", who=None).id for n in range(11)]
        for one in seeing[:-1]:
            members.set_role(session, project.id, one, Role.VIEWER, who=ana)
    return ana, project.id, made, seeing


def job_folder(database: Database, job_id: int) -> Path:
    with database.reading() as session:
        job = jobs.get(session, job_id)
        return Path(projects.get(session, job.project_id).folder) / job.folder


def found(news: News, job_id: int, user_id: int) -> Found:
    one = news.look([(job_id, user_id)])[job_id, user_id]
    assert isinstance(one, Found)
    return one


def test_the_mark_changes_with_job_records_and_role_and_with_nothing_else(
    database: Database, lab: tuple[int, int, list[int], list[int]]
) -> None:
    ana, project, (job, _), (ben, *_) = lab
    news, marks = News(database, RecordReader()), []
    marks.append(found(news, job, ben).mark)
    assert found(news, job, ben).mark == marks[0]
    with database.writing() as session:
        jobs.rename(session, job, "better", who=ana)
    assert found(news, job, ben).view.title.endswith("better")
    marks.append(found(news, job, ben).mark)
    with ProgressWriter(job_folder(database, job) / "progress.jsonl") as writer:
        for record in (start(), iteration(1)):
            writer.write(record)
    newest = found(news, job, ben).records.newest
    assert newest is not None and newest.iteration == 1
    marks.append(found(news, job, ben).mark)
    with database.writing() as session:
        members.set_role(session, project, ben, Role.EDITOR, who=ana)
    assert found(news, job, ben).view.can_edit
    marks.append(found(news, job, ben).mark)
    assert len(set(marks)) == 4


def test_each_is_answered_by_the_own_rights(
    database: Database, lab: tuple[int, int, list[int], list[int]]
) -> None:
    ana, project, (job, _), (ben, *_, out) = lab
    news = News(database, RecordReader())
    pairs = [(job, ana), (job, ben), (job, out), (99, ana), (job, 99)]
    seen = news.look(pairs)
    roles = [one.view.role if isinstance(one, Found) else type(one) for one in seen.values()]
    assert roles == [Role.OWNER, Role.VIEWER, Closed, Closed, Closed]
    with database.writing() as session:
        members.set_role(session, project, ben, None, who=ana)
    seen = news.look(pairs)
    assert isinstance(seen[job, ana], Found) and isinstance(seen[job, ben], Closed)


def test_many_who_look_cost_no_more_than_one(
    database: Database, lab: tuple[int, int, list[int], list[int]]
) -> None:
    ana, _, (job, _), seeing = lab
    news, statements = News(database, RecordReader()), []
    event.listen(
        database.engine, "before_cursor_execute", lambda *given: statements.append(given[2])
    )
    counts = []
    for pairs in ([(job, ana)], [(job, ana)], [(job, one) for one in (ana, *seeing[:-1])]):
        before = len(statements)
        assert all(isinstance(one, Found) for one in news.look(pairs).values())
        counts.append(len(statements) - before)
    first, again, many = counts
    assert many == again < first


def test_a_job_whose_records_cannot_be_read_keeps_no_other_from_being_shown(
    database: Database, lab: tuple[int, int, list[int], list[int]]
) -> None:
    ana, _, (job, other), _ = lab
    folder = job_folder(database, job)
    folder.mkdir(parents=True)
    (folder / "progress.jsonl").write_text("this is no record\n")
    news = News(database, RecordReader())
    seen = news.look([(job, ana), (other, ana)])
    assert isinstance(seen[job, ana], InputError) and isinstance(seen[other, ana], Found)
    shutil.rmtree(folder)
    assert isinstance(found(news, job, ana), Found)
