"""The supervisor on PostgreSQL: a chain of real jobs, one that is stopped, and only one supervisor at a time."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from compute.files.relion import read_exit_marker
from tests.db import postgres
from tests.db.conftest import new_schema
from tests.webapp.conftest import SmallSet
from tests.webapp.supervising import Lab, laboratory
from webapp import actions
from webapp.office import running_supervisor

SHORT = {"maximum_iterations": 1, "mpi": 1}
LONG = {"maximum_iterations": 30, "healpix_order": 2, "mpi": 1}


@pytest.fixture
def lab(small_set: SmallSet, tmp_path: Path) -> Iterator[Lab]:
    if postgres.programs() is None:
        pytest.skip(postgres.MISSING)
    with (
        postgres.server() as server,
        laboratory(small_set, tmp_path, new_schema(server)) as made,
    ):
        yield made


def test_jobs_follow_each_other_and_stop_when_asked(lab: Lab) -> None:
    assert not lab.database.is_sqlite
    first = lab.submit(**SHORT)
    second = lab.submit(**LONG, reference="Refine3D/job001/run_class001.mrc")
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
