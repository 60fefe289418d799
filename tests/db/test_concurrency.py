"""Many processes at one database: nothing is lost, nothing is done twice, and the order holds."""

from sqlalchemy import select

from db import migrate
from db.models.jobs import Attempt, Job
from db.models.people import AuditEntry
from db.models.projects import Project
from db.models.queue import Hold
from db.repository import machines, queue
from db.session import Database, open_database
from db.words import State
from tests.db import scene, workers

PROCESSES, JOBS = 8, 50
SHARES = [JOBS // PROCESSES + (rank < JOBS % PROCESSES) for rank in range(PROCESSES)]


def test_fifty_jobs_from_eight_processes_while_others_start_them(
    url: str, database: Database
) -> None:
    with database.writing() as session:
        _, project = scene.lab(session)
        machines.register(session, "mill", cores=3)
    submitters = [
        (workers.submit, (url, project.id, share, rank)) for rank, share in enumerate(SHARES)
    ]
    starters = [(workers.start_all, (url, "mill", JOBS))] * 2
    results = workers.at_once(*submitters, *starters)
    numbers = [number for part in results[:PROCESSES] for number in part]
    claimed = [job_id for part in results[PROCESSES:] for job_id in part]
    assert sorted(numbers) == list(range(1, JOBS + 1))
    with database.reading() as session:
        rows = session.scalars(select(Job)).all()
        assert sorted(claimed) == sorted(job.id for job in rows)
        assert {job.state for job in rows} == {State.FINISHED}
        found = session.scalars(select(Attempt)).all()
        assert sorted(one.job_id for one in found) == sorted(claimed)
        assert {one.number for one in found} == {1}
        seen = session.get_one(Project, project.id)
        assert (seen.next_job_number, seen.version) == (JOBS + 1, JOBS + 1)
        assert session.scalars(select(Hold)).all() == []


def test_waiting_jobs_are_started_by_priority_and_then_in_the_order_of_submission(
    url: str, database: Database
) -> None:
    with database.writing() as session:
        _, project = scene.lab(session)
        machines.register(session, "mill", cores=1)
        queue.pause(session, "counting", who=None)
    workers.at_once(
        *((workers.submit, (url, project.id, share, rank)) for rank, share in enumerate(SHARES))
    )
    with database.writing() as session:
        expected = [job.id for job in queue.waiting(session)]
        rows = session.scalars(select(Job)).all()
        by_hand = sorted(rows, key=lambda job: (-job.priority, job.submitted_at, job.id))
        assert expected == [job.id for job in by_hand]
        queue.resume(session, who=None)
    workers.at_once(*[(workers.start_all, (url, "mill", JOBS))] * 2)
    with database.reading() as session:
        started = select(AuditEntry.job_id).where(AuditEntry.action == "job starting")
        assert list(session.scalars(started.order_by(AuditEntry.id))) == expected


def test_programs_that_make_the_tables_at_once_make_them_once(bare_url: str) -> None:
    applied = workers.at_once(*[(workers.upgrade, (bare_url,))] * 4)
    assert sorted(applied) == [[], [], [], migrate.revisions()]
    database = open_database(bare_url)
    with database.engine.connect() as connection:
        assert migrate.differences(connection) == []
    database.close()
