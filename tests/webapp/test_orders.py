"""Jobs started on this machine by a profile, and kept to their end by nobody but their keeper."""

import shutil
import signal
import uuid
from pathlib import Path

import pytest

from compute.files.events import End, Iteration
from compute.files.progress import read_progress
from compute.files.relion import ABORT_REQUEST, read_exit_marker
from tests.services.slurm import wait_until
from tests.webapp.conftest import SmallSet
from tests.webapp.supervising import LONG
from webapp.launch import keeper, local, orders, processes
from webapp.launch.profiles import Profile

OPEN_MPI = "mpirun.openmpi"


def order(small: SmallSet, folder: Path, **options: object) -> orders.Order:
    shutil.copytree(small.folder, folder)
    params = small.asking("Refine3D/job001/run", **options)
    job_folder = folder / "Refine3D" / "job001"
    job_folder.mkdir(parents=True)
    share = local.Share(int(str(params["mpi"])), 1)
    return orders.Order(str(uuid.uuid4()), "refine", params, folder, job_folder, "run", share)


def end_of(folder: Path) -> End:
    last = read_progress(folder / "progress.jsonl")[-1]
    assert isinstance(last, End)
    return last


def has_iterated(folder: Path) -> bool:
    path = folder / "progress.jsonl"
    return path.exists() and any(isinstance(one, Iteration) for one in read_progress(path))


def test_a_launch_begins_once(small_set: SmallSet, tmp_path: Path) -> None:
    """The second keeper of the same launch leaves everything as it is."""
    one = order(small_set, tmp_path / "p", maximum_iterations=1)
    first = orders.start_here(Profile(), one)
    wait_until(
        lambda: keeper.read_record(one.folder, one.launch_id) is not None, "the launch began"
    )
    second = orders.start_here(Profile(), one)
    assert second.wait(timeout=300) == keeper.ALREADY_STARTED
    assert first.wait(timeout=300) == 0
    record = keeper.read_record(one.folder, one.launch_id)
    assert record is not None
    assert (record.pid, record.is_of_this_boot) == (first.pid, True)
    assert end_of(one.folder).reason == "iteration limit"
    assert processes.wait_gone(one.launch_id, 5)


@pytest.mark.slow
def test_stop_after_this_iteration_keeps_it(small_set: SmallSet, tmp_path: Path) -> None:
    one = order(small_set, tmp_path / "p", **LONG)
    job = orders.start_here(Profile(), one)
    wait_until(lambda: has_iterated(one.folder), "an iteration")
    (one.folder / ABORT_REQUEST).touch()
    assert job.wait(timeout=300) == 128 + signal.SIGTERM
    events = read_progress(one.folder / "progress.jsonl")
    end = events[-1]
    assert isinstance(end, End)
    last = [event.iteration for event in events if isinstance(event, Iteration)][-1]
    assert end.reason == "stopped"
    assert f"stopped after iteration {last}, as asked" in end.message
    assert f"run_it{last:03d}_optimiser.star" in end.message
    assert (one.folder / f"run_it{last:03d}_optimiser.star").is_file()
    assert read_exit_marker(one.folder) == "aborted"


def test_a_stopped_keeper_stops_the_job(small_set: SmallSet, tmp_path: Path) -> None:
    one = order(small_set, tmp_path / "p", **LONG)
    job = orders.start_here(Profile(), one)
    wait_until(lambda: has_iterated(one.folder), "an iteration")
    assert sum(process.is_rank for process in processes.of(one.launch_id)) == 3
    job.send_signal(signal.SIGTERM)
    assert job.wait(timeout=300) != 0
    assert end_of(one.folder).reason == "stopped"
    assert processes.wait_gone(one.launch_id, 10)


@pytest.mark.skipif(not shutil.which(OPEN_MPI), reason="Open MPI is not installed")
def test_a_profile_of_open_mpi_refines(small_set: SmallSet, tmp_path: Path) -> None:
    profile = Profile(
        name="openmpi",
        mpi=[OPEN_MPI, "--allow-run-as-root", "--oversubscribe", "-n", "{ranks}"],
        environment={"MPI4PY_MPIABI": "openmpi"},
    )
    one = order(small_set, tmp_path / "p", maximum_iterations=2)
    assert orders.start_here(profile, one).wait(timeout=300) == 0
    assert end_of(one.folder).reason == "iteration limit"
    assert (one.folder / "run_class001.mrc").is_file()
