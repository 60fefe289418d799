"""The supervisor on PostgreSQL: a chain of real jobs, one that is stopped, and a server that restarts."""

import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from compute.files.progress import read_progress
from compute.files.relion import read_exit_marker
from tests.db import postgres
from tests.db.conftest import new_schema
from tests.services.slurm import wait_until
from tests.webapp.conftest import SmallSet
from tests.webapp.supervising import LONG, STEADY, Lab, laboratory
from webapp import actions
from webapp.office import running_supervisor

SHORT = {"maximum_iterations": 1, "mpi": 1}


@pytest.fixture
def lab(small_set: SmallSet, tmp_path: Path) -> Iterator[Lab]:
    if postgres.programs() is None:
        pytest.skip(postgres.MISSING)
    with (
        postgres.server() as server,
        laboratory(small_set, tmp_path, new_schema(server)) as made,
    ):
        yield made


def has_ended(records: Path) -> bool:
    """Whether a job has told its end."""
    return any(event.kind == "end" for event in read_progress(records))


def test_jobs_follow_each_other_and_stop_when_asked(lab: Lab) -> None:
    assert not lab.database.is_sqlite
    first = lab.submit(**SHORT)
    second = lab.submit(**LONG, mpi=1, reference="Refine3D/job001/run_class001.mrc")
    lab.supervisor.cycle()
    assert lab.job(second).reason == "waits for job 1 (refine) to finish"
    other = lab.new_supervisor()
    assert not other.cycle()
    assert "process" in running_supervisor(lab.database)
    lab.until(lambda: lab.job(second).state == "running", "the second job runs")
    assert (lab.job(first).state, lab.job(first).ending) == ("finished", "completed")
    assert lab.iterations(first) == [1]
    with lab.database.writing() as session:
        actions.stop(session, second, who=None, at_once=True)
    lab.until_ended(second)
    assert (lab.job(second).state, lab.job(second).ending) == ("finished", "stopped by user")
    assert read_exit_marker(lab.job_folder(second)) == "aborted"
    assert [one.end_reason for one in lab.attempts(first)] == ["iteration limit"]


def test_a_server_that_restarts_costs_a_job_nothing(small_set: SmallSet, tmp_path: Path) -> None:
    """The server goes away twice, once while the job ends: the supervisor asks until it is back."""
    if postgres.programs() is None:
        pytest.skip(postgres.MISSING)
    with (
        postgres.cluster() as server,
        laboratory(small_set, tmp_path, new_schema(server.url)) as lab,
    ):
        job_id = lab.submit(**STEADY, maximum_iterations=8, mpi=1)
        records = lab.job_folder(job_id) / "progress.jsonl"
        is_over = threading.Event()
        supervisor = threading.Thread(target=lab.supervisor.run, args=(is_over,))
        supervisor.start()
        try:
            wait_until(lambda: lab.job(job_id).state == "running", "the job runs")
            server.stop(signal.SIGINT)
            server.start()
            wait_until(lambda: lab.iterations(job_id) != [], "an iteration is told")
            server.stop()
            assert not has_ended(records)
            wait_until(lambda: has_ended(records), "the job has ended")
            server.start()
            wait_until(lambda: lab.job(job_id).state in ("finished", "failed"), "its end is told")
        finally:
            is_over.set()
            supervisor.join()
        assert (lab.job(job_id).state, lab.iterations(job_id)) == ("finished", [*range(1, 9)])
        assert [one.exit_status for one in lab.attempts(job_id)] == [0]
