"""Jobs from the queue to their true end under a supervisor in this process: real refinements of three processes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from compute.files.relion import read_exit_marker
from tests.webapp.conftest import SmallSet
from tests.webapp.supervising import Lab, laboratory


@pytest.fixture
def lab(small_set: SmallSet, tmp_path: Path) -> Iterator[Lab]:
    with laboratory(small_set, tmp_path) as made:
        yield made


def test_a_job_is_started_watched_and_settled(lab: Lab) -> None:
    job_id = lab.submit(title="first")
    lab.until_ended(job_id)
    job = lab.job(job_id)
    assert (job.state, job.ending, job.folder) == ("finished", "completed", "Refine3D/job001")
    assert lab.iterations(job_id) == [1, 2, 3, 4, 5]
    assert job.particles == 80
    assert job.disk_bytes is not None and job.disk_bytes > 100_000
    (attempt,) = lab.attempts(job_id)
    assert attempt.exit_status == 0
    assert attempt.environment["versions"]["halfmap"]
    assert attempt.environment["seed"] == 1
    assert read_exit_marker(lab.job_folder(job_id)) == "success"
