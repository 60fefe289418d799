"""Refinements at a real Slurm: to the end, cancelled, killed by their memory limit, and on a node that goes away."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from db.errors import Refused
from tests.services import accounting
from tests.services import slurm as slurm_service
from tests.services.accounting import AccountedSlurm
from tests.services.slurm import SlurmService, wait_until
from tests.webapp.conftest import SmallSet
from tests.webapp.supervising import LONG, Lab, laboratory
from tests.webapp.test_supervisor import continue_job, results
from webapp import actions
from webapp.launch import orders, processes, slurm_text
from webapp.launch.local import Share
from webapp.launch.profiles import Profile
from webapp.launch.slurm import Slurm, SlurmUnavailable
from webapp.launch.starting import LAUNCH_ID

PROFILES = {
    "cluster": {"kind": "slurm", "partition": "short"},
    "narrow": {"kind": "slurm", "partition": "short", "memory_GB": 0.3},
    "graphics": {"kind": "slurm", "partition": "short", "options": ["--hold"]},
}


def client(service: SlurmService) -> Slurm:
    return Slurm({**os.environ, **service.variables})


@pytest.fixture
def lab(small_set: SmallSet, tmp_path: Path, slurm_of_one_node: SlurmService) -> Iterator[Lab]:
    """A lab whose jobs go to the cluster."""
    options = {"slurm": client(slurm_of_one_node)}
    with laboratory(small_set, tmp_path, profiles=PROFILES, options=options) as made:
        yield made


def launch_id(lab: Lab, job_id: int) -> str:
    return str(lab.attempts(job_id)[-1].environment[LAUNCH_ID])


def test_everything_listens_on_loopback_only(slurm_of_one_node: SlurmService) -> None:
    listening = [one for one in slurm_of_one_node.connections() if one.status == "LISTEN"]
    assert len(listening) >= 2
    assert {one.laddr.ip for one in listening} == {"127.0.0.1"}


def test_a_refinement_of_three_processes_ends_well_and_one_is_cancelled(lab: Lab) -> None:
    """Both at once: the node has cores for one of them, so that the other one waits at Slurm."""
    first = lab.submit(profile="cluster")
    second = lab.submit(profile="cluster", maximum_iterations=30)
    reasons: set[str] = set()

    def has_ended() -> bool:
        reasons.add(lab.job(second).reason)
        return lab.job(first).state in ("finished", "failed")

    lab.until(has_ended, "the first has ended")
    job = lab.job(first)
    assert (job.state, job.ending) == ("finished", "completed"), job.reason
    assert lab.iterations(first) == [1, 2, 3, 4, 5]
    assert (lab.job_folder(first) / "run_class001.mrc").is_file()
    assert any(reason.startswith("waits at Slurm: ") for reason in reasons)
    (attempt,) = lab.attempts(first)
    assert attempt.slurm_id is not None and attempt.slurm_id.isdigit()
    lab.until_iterated(second)
    with lab.database.writing() as session:
        actions.stop(session, second, who=None, at_once=True)
    lab.until_ended(second)
    job = lab.job(second)
    assert (job.state, job.ending) == ("finished", "stopped by user"), job.reason
    assert processes.wait_gone(launch_id(lab, second), 20)
    assert not (lab.job_folder(second) / "run_class001.mrc").exists()


@pytest.mark.slow
def test_a_cancelled_refinement_goes_on_at_slurm_as_if_nothing_had_been(lab: Lab) -> None:
    first = lab.submit(profile="cluster", maximum_iterations=12)
    second = lab.submit(profile="cluster", maximum_iterations=12)
    lab.until_ended(first)
    lab.until_iterated(second)
    with lab.database.writing() as session:
        actions.stop(session, second, who=None, at_once=True)
    lab.until_ended(second)
    assert lab.job(second).ending == "stopped by user"
    assert not (lab.job_folder(second) / "run_class001.mrc").exists()
    continue_job(lab, second)
    lab.until_ended(second)
    job = lab.job(second)
    assert (job.state, job.ending) == ("finished", "completed"), job.reason
    assert len({attempt.slurm_id for attempt in lab.attempts(second)}) == 2
    assert lab.iterations(second) == lab.iterations(first)
    found, expected = (results(lab.job_folder(one)) for one in (second, first))
    for one in (found, expected):
        del one["run_submit.script"]  # names its attempt
    assert {name: text.replace(b"job002", b"job001") for name, text in found.items()} == expected


def test_a_refinement_over_its_memory_limit_says_so(lab: Lab) -> None:
    job_id = lab.submit(profile="narrow")
    lab.until_ended(job_id)
    job = lab.job(job_id)
    assert job.state == "failed"
    assert "needed more memory than Slurm had given it" in job.reason
    assert processes.wait_gone(launch_id(lab, job_id), 20)


@pytest.mark.slow
def test_a_lost_node_is_told_and_its_job_is_not_started_again(
    lab: Lab, slurm_of_one_node: SlurmService
) -> None:
    """Its processes live on while Slurm has given it up: nobody may go on with it until they are gone."""
    node = slurm_of_one_node
    job_id = lab.submit(profile="cluster", **LONG)
    lab.until(lambda: lab.job(job_id).state == "running", "the job runs")
    node.lose_node()
    for process in processes.of(launch_id(lab, job_id)):
        if process.is_rank:
            os.kill(process.pid, signal.SIGSTOP)
    try:
        told = f"node not answering: {node.host}"
        lab.until(lambda: lab.job(job_id).reason == told, "the loss is told", 240)
        assert lab.job(job_id).state == "running"
        given_up = f"Slurm has lost the node {node.host}, but the job may still run."
        lab.until(lambda: lab.job(job_id).reason == given_up, "Slurm gives the job up", 240)
        assert processes.of(launch_id(lab, job_id))
        processes.end(launch_id(lab, job_id), 9)
        lab.until_ended(job_id)
        job = lab.job(job_id)
        assert (job.state, len(lab.attempts(job_id))) == ("failed", 1)
        assert "The node of the job failed" in job.reason
        with pytest.raises(Refused, match="does not answer"), lab.database.writing() as session:
            actions.continue_job(
                session, lab.settings, job_id, who=None, slurm=client(slurm_of_one_node)
            )
    finally:
        node.start_node()


def test_a_job_is_submitted_once(
    slurm_of_one_node: SlurmService, small_set: SmallSet, tmp_path: Path
) -> None:
    """A second submission of the same launch, as after a crash, finds the first; Slurm may never requeue it."""
    slurm = client(slurm_of_one_node)
    folder = tmp_path / "Refine3D" / "job001"
    folder.mkdir(parents=True)
    params = small_set.asking("Refine3D/job001/run", mpi=1)
    order = orders.Order("once", "refine", params, tmp_path, folder, "run", Share(1, 1))
    profile = Profile(name="cluster", kind="slurm", options=["--hold"])
    number = orders.submit(slurm, profile, order)
    assert orders.submit(slurm, profile, order) == number
    shown = slurm.queue()[number]
    assert (shown.stage, shown.reason) == ("waiting", "JobHeldUser")
    told = slurm_of_one_node.ask("scontrol", "--oneliner", "show", "job", str(number)).stdout
    assert slurm_text.read_fields(told)["Requeue"] == "0"
    script = (folder / "run_submit.script").read_text()
    assert "#SBATCH --ntasks=1" in script
    assert "#SBATCH --account" not in script
    slurm.cancel(number)
    wait_until(lambda: slurm.job(number).stage == "stopped", "it is cancelled")  # type: ignore[union-attr]
    slurm.cancel(number)


def test_gpus_are_asked_of_slurm_and_too_many_are_refused(
    lab: Lab, slurm_of_one_node: SlurmService
) -> None:
    """The node has two. Processes see those that they are given as 0 and 1, whichever they are."""
    two = lab.submit(profile="graphics", gpu="2,3")
    three = lab.submit(profile="cluster", gpu="0,1,2")
    lab.until(
        lambda: any(one.slurm_id is not None for one in lab.attempts(two)),
        "the job is submitted",
    )
    number = lab.attempts(two)[-1].slurm_id
    shown = slurm_of_one_node.ask("scontrol", "--oneliner", "show", "job", str(number)).stdout
    assert slurm_text.read_fields(shown)["TresPerNode"] == "gres:gpu:2"
    written = json.loads((lab.job_folder(two) / "job.json").read_text())
    assert written["params"]["gpu"] == "0,1"
    lab.until_ended(three)
    assert lab.job(three).state == "failed"
    assert "Requested node configuration is not available" in lab.job(three).reason
    with lab.database.writing() as session:
        actions.stop(session, two, who=None, at_once=True)
    lab.until_ended(two)
    assert lab.job(two).ending == "stopped by user"


@pytest.mark.slow
def test_the_accounting_tells_the_end_of_a_job_that_slurm_has_forgotten(
    small_set: SmallSet, tmp_path: Path
) -> None:
    """A job is killed at its memory limit while nobody supervises; Slurm forgets it within seconds."""
    if reason := slurm_service.missing() or accounting.missing():
        pytest.skip(reason)
    with slurm_service.running_slurm(AccountedSlurm) as service:
        slurm = client(service)
        options = {"slurm": slurm}
        with laboratory(small_set, tmp_path, profiles=PROFILES, options=options) as lab:
            job_id = lab.submit(profile="narrow")
            lab.until(
                lambda: any(one.slurm_id is not None for one in lab.attempts(job_id)),
                "the job is submitted",
            )
            number = int(lab.attempts(job_id)[-1].slurm_id or 0)
            wait_until(
                lambda: service.ask("scontrol", "show", "job", str(number)).returncode != 0,
                "Slurm has forgotten the job",
            )
            wait_until(lambda: slurm.job(number) is not None, "the accounting knows its end")

            def is_measured() -> bool:
                found = slurm.accounted(number)
                return found is not None and found.memory_GB is not None

            wait_until(is_measured, "the accounting knows what its step held")
            found = slurm.accounted(number)
            assert found is not None and (found.state, found.stage) == ("OUT_OF_MEMORY", "failed")
            assert found.nodes == service.host
            assert found.memory_GB is not None and 0.1 < found.memory_GB < 2.0
            assert slurm.accounted(number + 1) is None
            lab.until_ended(job_id)
            assert lab.job(job_id).state == "failed"
            assert "needed more memory than Slurm had given it (it held" in lab.job(job_id).reason


def test_a_slurm_that_is_away_is_told_apart_from_a_job_that_is(tmp_path: Path) -> None:
    away = Slurm({"PATH": str(tmp_path)})
    with pytest.raises(SlurmUnavailable, match="not installed"):
        away.job(1)
