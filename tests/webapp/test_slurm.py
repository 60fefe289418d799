"""Refinements at a real Slurm: to the end, cancelled, killed by their memory limit, and on a node that goes away."""

import shutil
import uuid
from pathlib import Path
from typing import Any

import psutil
import pytest

from compute.files.events import AnyEvent, End, Iteration, Phase
from compute.files.progress import read_progress
from tests.services.slurm import SlurmService, wait_until
from tests.webapp.conftest import SmallSet
from webapp.launch import local, orders, processes
from webapp.launch.profiles import Profile
from webapp.launch.slurm import Slurm, SlurmUnavailable, judge, states_in_words


class Submitted:
    """A refinement that was submitted in a folder of its own."""

    def __init__(
        self,
        service: SlurmService,
        small: SmallSet,
        folder: Path,
        given: dict[str, Any] | None = None,
        **options: object,
    ) -> None:
        self.slurm = Slurm({**psutil.Process().environ(), **service.variables})
        shutil.copytree(small.folder, folder)
        self.folder = folder / "Refine3D" / "job001"
        self.launch_id = str(uuid.uuid4())
        profile = Profile.model_validate(
            {"name": "cluster", "kind": "slurm", "partition": "short", **options}
        )
        params = small.asking("Refine3D/job001/run", **(given or {}))
        self.order = orders.Order(
            self.launch_id, "refine", params, folder, self.folder, "run", local.Share(3, 1)
        )
        self.profile = profile
        self.number = orders.submit(self.slurm, profile, self.order)

    def events(self) -> list[AnyEvent]:
        path = self.folder / "progress.jsonl"
        return read_progress(path) if path.exists() else []

    def iterations(self) -> int:
        return sum(isinstance(one, Iteration) for one in self.events())

    def end(self) -> End | None:
        last = self.events()[-1:]
        return last[0] if last and isinstance(last[0], End) else None

    def stage(self) -> str:
        job = self.slurm.job(self.number)
        assert job is not None
        return job.stage

    def wait_over(self, limit_s: float = 120) -> None:
        wait_until(lambda: self.stage() not in {"waiting", "running"}, "the job is over", limit_s)


def test_everything_listens_on_loopback_only(slurm_of_one_node: SlurmService) -> None:
    listening = [one for one in slurm_of_one_node.connections() if one.status == "LISTEN"]
    assert len(listening) >= 2
    assert {one.laddr.ip for one in listening} == {"127.0.0.1"}


def test_a_refinement_of_three_processes_ends_well(
    slurm_of_one_node: SlurmService, small_set: SmallSet, tmp_path: Path
) -> None:
    job = Submitted(slurm_of_one_node, small_set, tmp_path / "p")
    again = orders.submit(job.slurm, job.profile, job.order)
    assert again == job.number
    wait_until(lambda: job.iterations() >= 1, "an iteration", 120)
    shown = job.slurm.queue()[job.number]
    assert (shown.stage, shown.nodes) == ("running", slurm_of_one_node.host)
    assert states_in_words(shown, job.slurm.lost_nodes(shown.nodes)) == ""
    job.wait_over()
    ending = judge(job.end(), job.slurm.job(job.number))
    assert ending.state == "finished"
    assert (job.folder / "run_class001.mrc").is_file()
    script = (job.folder / "run_submit.script").read_text()
    assert "#SBATCH --ntasks=3" in script
    assert "#SBATCH --account" not in script


def test_a_cancelled_refinement_says_so(
    slurm_of_one_node: SlurmService, small_set: SmallSet, tmp_path: Path
) -> None:
    job = Submitted(slurm_of_one_node, small_set, tmp_path / "p")
    wait_until(lambda: job.iterations() >= 1, "an iteration", 120)
    job.slurm.cancel(job.number)
    job.wait_over()
    ending = judge(job.end(), job.slurm.job(job.number))
    assert ending.state == "stopped"
    assert processes.wait_gone(job.launch_id, 20)
    assert not (job.folder / "run_class001.mrc").exists()
    job.slurm.cancel(job.number)


def test_a_refinement_over_its_memory_limit_says_so(
    slurm_of_one_node: SlurmService, small_set: SmallSet, tmp_path: Path
) -> None:
    job = Submitted(slurm_of_one_node, small_set, tmp_path / "p", memory_GB=0.3)
    job.wait_over()
    shown = job.slurm.job(job.number)
    assert shown is not None
    ending = judge(job.end(), shown, "Go on.")
    assert ending.state == "failed"
    assert "memory" in ending.sentence
    assert processes.wait_gone(job.launch_id, 20)


def test_a_lost_node_is_told_and_its_job_is_not_started_again(
    slurm_of_one_node: SlurmService, small_set: SmallSet, tmp_path: Path
) -> None:
    long = {"healpix_order": 3, "maximum_iterations": 50}
    job = Submitted(slurm_of_one_node, small_set, tmp_path / "p", long)
    wait_until(lambda: any(isinstance(one, Phase) for one in job.events()), "the start", 120)
    slurm_of_one_node.lose_node()
    try:
        wait_until(lambda: bool(job.slurm.lost_nodes(slurm_of_one_node.host)), "loss noticed", 60)
        shown = job.slurm.job(job.number)
        assert shown is not None
        words = states_in_words(shown, job.slurm.lost_nodes(slurm_of_one_node.host))
        assert words == f"node not answering: {slurm_of_one_node.host}"
        wait_until(lambda: job.stage() == "failed", "Slurm gives the job up", 60)
        gone = job.slurm.job(job.number)
        assert gone is not None
        assert (gone.state, gone.restarts) == ("NODE_FAIL", 0)
        assert judge(None, gone).sentence.startswith("The node of the job failed")
        processes.end(job.launch_id, 9)
        assert processes.wait_gone(job.launch_id, 20)
    finally:
        slurm_of_one_node.start_node()
    assert job.stage() == "failed"


def test_a_slurm_that_is_away_is_told_apart_from_a_job_that_is(tmp_path: Path) -> None:
    away = Slurm({"PATH": str(tmp_path)})
    with pytest.raises(SlurmUnavailable, match="not installed"):
        away.job(1)
