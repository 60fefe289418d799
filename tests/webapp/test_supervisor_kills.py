"""kill -9 of each process of a supervised job: told truly, nothing stays behind, and the job goes on undisturbed."""

from pathlib import Path

import psutil
import pytest

from compute.files.events import Start
from compute.files.progress import read_progress
from compute.files.relion import read_exit_marker
from tests.webapp.supervising import STEADY, Lab
from tests.webapp.test_supervisor import (
    check_like,
    continue_job,
    lab,
    launch_id,
    undisturbed,
    until_all_work,
)
from webapp.launch import processes

__all__ = ["lab", "undisturbed"]
NAMES = {"mpiexec": "mpiexec", "proxy": "hydra_pmi_proxy"}


def find(lab: Lab, job_id: int, victim: str) -> psutil.Process:
    """The process of a running job that plays this part."""
    attempt = lab.attempts(job_id)[-1]
    if victim == "keeper":
        return psutil.Process(attempt.pid)
    if victim == "leader":
        events = read_progress(lab.job_folder(job_id) / "progress.jsonl")
        start = [one for one in events if isinstance(one, Start)][-1]
        return psutil.Process(next(one.pid for one in start.ranks if one.rank == 0))
    running = [psutil.Process(one.pid) for one in processes.of(launch_id(lab, job_id))]
    (found,) = [one for one in running if Path(one.exe()).name.startswith(NAMES[victim])]
    return found


@pytest.mark.slow
def test_each_process_of_a_job_may_be_killed(lab: Lab, undisturbed: tuple[Lab, int]) -> None:
    job_id = lab.submit(**STEADY)
    lab.until_iterated(job_id)
    for victim in ("mpiexec", "proxy", "leader", "keeper"):
        until_all_work(lab, job_id)
        lab.until(lambda: lab.attempts(job_id)[-1].has_reported, "the job has told its processes")
        find(lab, job_id, victim).kill()
        lab.until_ended(job_id, limit_s=30)
        job = lab.job(job_id)
        assert job.state == "failed", (victim, job.ending, job.reason)
        assert "was killed" in job.reason and "--continue" in job.reason, (victim, job.reason)
        assert "\n" not in job.reason
        assert processes.of(launch_id(lab, job_id)) == []
        assert read_exit_marker(lab.job_folder(job_id)) == "failure"
        continue_job(lab, job_id, after=1)
    lab.until_ended(job_id)
    check_like(undisturbed, lab, job_id)
    assert len(lab.attempts(job_id)) == 5
