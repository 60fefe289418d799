"""kill -9 of supervisor and submitter at random moments: every job ends once, truly, with its result."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest

from compute.files.events import Start
from compute.files.progress import read_progress
from db.models.jobs import Job
from db.repository import leases, overview
from tests.services.slurm import wait_until
from tests.webapp.conftest import SmallSet
from tests.webapp.supervising import Lab, laboratory
from tests.webapp.test_supervisor import results

ROOT = Path(__file__).parents[2]
SHORT = {"maximum_iterations": 2, "mpi": 1}
SUBMIT = (
    "--i set.star --ref set_reference.mrc --particle_diameter 90 --ini_high 25 --sym D2 --faster "
    "--healpix_order 1 --auto_local_healpix_order 2 --auto_iter_max 2 --random_seed 1 --j 1 --mpi 1"
).split()


@pytest.fixture
def lab(small_set: SmallSet, tmp_path: Path) -> Iterator[Lab]:
    with laboratory(small_set, tmp_path) as made:
        settings = tmp_path / "halfmap.toml"
        settings.write_text(f'database = "{made.settings.database}"\n')
        yield made


def start(lab: Lab, *words: str) -> subprocess.Popen[bytes]:
    """A command of `halfmap` in the lab's project, in a session of its own."""
    variables = {
        **os.environ,
        "HALFMAP_CONFIG": str(lab.folder.parents[1] / "halfmap.toml"),
        "PYTHONPATH": str(ROOT),
    }
    return subprocess.Popen(
        [sys.executable, "-m", "webapp.cli", *words],
        cwd=lab.folder,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def has_office(lab: Lab, pid: int) -> bool:
    """Whether a process supervises the lab's database."""
    with lab.database.reading() as session:
        lease = leases.holder(session, leases.SUPERVISOR)
    return lease is not None and lease.pid == pid


def kill_at_random_moments(lab: Lab, kills: int, is_over: Callable[[], bool], seed: int) -> None:
    """A supervisor that is killed and started again so often, then one that stays until all is over."""
    chance = random.Random(seed)
    for _ in range(kills):
        supervisor = start(lab, "supervisor")
        wait_until(partial(has_office, lab, supervisor.pid), "it has taken the office")
        with contextlib.suppress(subprocess.TimeoutExpired):
            supervisor.wait(timeout=chance.uniform(0.0, 3.0))
        assert supervisor.poll() is None
        supervisor.kill()
        supervisor.wait()
    supervisor = start(lab, "supervisor")
    try:
        wait_until(is_over, "all jobs have ended", 900)
    finally:
        supervisor.send_signal(signal.SIGTERM)
        supervisor.wait(timeout=200)


@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_the_supervisor_is_killed_again_and_again(lab: Lab, kills: int) -> None:
    count = 2 if kills < 10 else 8
    jobs = [lab.submit(**SHORT) for _ in range(count)]

    def is_over() -> bool:
        return all(lab.job(one).state in ("finished", "failed") for one in jobs)

    kill_at_random_moments(lab, kills, is_over, seed=kills)
    check_results(lab, jobs)


def check_results(lab: Lab, jobs: Sequence[int]) -> None:
    """Every job ran once, to its end, and all came to the same."""
    expected: dict[str, bytes] = {}
    for job_id in jobs:
        job = lab.job(job_id)
        assert (job.state, job.ending, lab.iterations(job_id)) == ("finished", "completed", [1, 2])
        events = read_progress(lab.job_folder(job_id) / "progress.jsonl")
        assert sum(isinstance(event, Start) for event in events) == 1
        assert [attempt.exit_status for attempt in lab.attempts(job_id)] == [0]
        found = results(lab.job_folder(job_id))
        expected = expected or found
        assert found.keys() == expected.keys()
        assert found["run_class001.mrc"] == expected["run_class001.mrc"]


def submit_and_kill(lab: Lab, kills: int) -> list[Job]:
    """One submitter, and others that are killed at some moment of the time that it took; the jobs that came of it."""
    chance, began_s = random.Random(kills), time.monotonic()
    assert start(lab, "submit", "refine", *SUBMIT).wait(timeout=300) == 0
    whole_s = time.monotonic() - began_s
    for _ in range(kills):
        submitter = start(lab, "submit", "refine", *SUBMIT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            submitter.wait(timeout=chance.uniform(0.1, 1.3) * whole_s)
        submitter.kill()
        submitter.wait()
    with lab.database.reading() as session:
        found = [line.job for line in overview.job_list(session, lab.project_id)]
    numbers = {job.number for job in found}
    # A number is reserved in the project's folder first: one that was lost there is never given again.
    assert len(numbers) == len(found) and max(numbers) <= kills + 1
    assert all(job.submitted_at is not None for job in found)
    return found


@pytest.mark.slow
def test_submitters_are_killed_while_jobs_run(lab: Lab) -> None:
    supervisor = start(lab, "supervisor")
    try:
        wait_until(partial(has_office, lab, supervisor.pid), "it has taken the office")
        jobs = [job.id for job in submit_and_kill(lab, 20)]

        def is_over() -> bool:
            return all(lab.job(one).state in ("finished", "failed") for one in jobs)

        wait_until(is_over, "all jobs have ended", 900)
    finally:
        supervisor.send_signal(signal.SIGTERM)
        supervisor.wait(timeout=200)
    check_results(lab, jobs)


@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_a_killed_submitter_leaves_a_whole_job_or_none(lab: Lab, kills: int) -> None:
    found = submit_and_kill(lab, kills)
    assert all(job.state == "waiting" for job in found)
    last = start(lab, "submit", "refine", *SUBMIT)
    assert last.wait(timeout=300) == 0
