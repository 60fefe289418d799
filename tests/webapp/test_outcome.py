"""Jobs that could not say themselves how they ended: killed, crashed, or stopped before they had begun."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from compute.files.events import End, Iteration, Rank, Start
from compute.files.progress import ProgressWriter, read_progress
from compute.files.relion import IterationFiles, read_exit_marker
from tests.data import particle_set
from webapp.launch import local, outcome
from webapp.launch.outcome import Watch

TOTAL_GB = psutil.virtual_memory().total / 1e9
WHAT = {"job": "refine", "program_version": "1", "command": "halfmap refine"}


def record(root: Path, *events: End | Iteration | Start) -> None:
    """Write events as a job does."""
    with ProgressWriter(root.parent / "progress.jsonl") as progress:
        for event in events:
            progress.write(event)


def leave_checkpoint(root: Path, number: int) -> None:
    """The file that tells that a refinement can go on after an iteration."""
    IterationFiles(root).checkpoint(number).write_bytes(b"here")


def last(root: Path) -> End:
    """The last record of a job."""
    event = read_progress(root.parent / "progress.jsonl")[-1]
    assert isinstance(event, End)
    return event


@pytest.mark.parametrize("status", [9, 137])
def test_e39_a_killed_job_names_its_memory_and_how_to_go_on(
    status: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "O" / "run"
    record(root, End(reason="failed", message="an earlier attempt"))
    watch = Watch(root)
    half_GB = TOTAL_GB / 2
    record(
        root,
        Iteration(iteration=2, peak_memory_GB=[1.5, half_GB, None]),
        Iteration(iteration=3, peak_memory_GB=[1.5, half_GB - 1.5, half_GB]),
        Iteration(iteration=4, peak_memory_GB=[1.5, half_GB - 1.5, half_GB]),
    )
    leave_checkpoint(root, 2)
    leave_checkpoint(root, 3)
    assert watch.settle(status) == 137
    end = last(root)
    assert (end.reason, end.exit_status) == ("failed", 137)
    assert end.message.startswith("The job was killed by the system, ")
    assert f"out of memory (peak {TOTAL_GB:.1f} GB of {TOTAL_GB:.1f} GB)" in end.message
    assert (
        f"Go on with fewer processes (--mpi) with --continue {tmp_path}/O/run_it003_optimiser.star"
        in end.message
    )
    assert (tmp_path / "O" / "run.err").read_text() == f" ERROR: {end.message}\n"
    assert capsys.readouterr().err == f" ERROR: {end.message}\n"
    assert read_exit_marker(tmp_path / "O") == "failure"


def test_a_run_that_went_on_and_lost_mpis_helper_says_from_where_to_go_on_again(
    tmp_path: Path,
) -> None:
    root = tmp_path / "O" / "run"
    record(root, Iteration(iteration=4))
    watch = Watch(root)
    ranks = [
        Rank(rank=rank, role="leader", host="mill", pid=7 + rank, device="cpu", threads=1)
        for rank in range(3)
    ]
    record(root, Start(**WHAT, ranks=ranks, continued_after_iteration=2))
    leave_checkpoint(root, 2)
    assert watch.settle(255) == 255
    end = last(root)
    assert (end.reason, end.exit_status) == ("failed", 255)
    assert "its helper (such as hydra_pmi_proxy) was killed" in end.message
    assert f"--continue {tmp_path}/O/run_it002_optimiser.star" in end.message


def test_a_run_of_one_process_has_no_helper_to_lose(tmp_path: Path) -> None:
    root = tmp_path / "O" / "run"
    root.parent.mkdir()
    watch = Watch(root)
    record(root, Start(**WHAT))
    watch.settle(255)
    assert last(root).message == (
        "The job ended with exit status 255 and left no reason. Start it again."
    )


def test_e39_a_process_killed_before_its_first_iteration(tmp_path: Path) -> None:
    root = tmp_path / "run"
    watch = Watch(root)
    status = local.run(
        [sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"], dict(os.environ)
    )
    assert watch.settle(status) == 128 + signal.SIGKILL
    assert last(root).message.startswith("The job was killed by ")
    assert f"GB of {TOTAL_GB:.1f} GB" in last(root).message
    assert "Start it again" in last(root).message


@pytest.mark.parametrize(
    ("status", "given", "reason", "words"),
    [
        (139, 139, "failed", "crashed: Segmentation fault (signal 11)"),
        (7, 135, "failed", "crashed: Bus error (signal 7)"),
        (15, 143, "stopped", "The job was stopped."),
        (130, 130, "stopped", "The job was stopped."),
        (1, 1, "failed", "exit status 1 and left no reason"),
        (2, 2, "failed", "exit status 2 and left no reason"),
        (255, 255, "failed", "exit status 255 and left no reason"),
    ],
)
def test_other_silent_ends(
    status: int, given: int, reason: str, words: str, tmp_path: Path
) -> None:
    assert Watch(tmp_path / "run").settle(status) == given
    assert last(tmp_path / "run").reason == reason
    assert words in last(tmp_path / "run").message
    assert read_exit_marker(tmp_path) == ("aborted" if reason == "stopped" else "failure")


def test_a_job_that_spoke_is_left_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "run"
    watch = Watch(root)
    record(root, End(reason="failed", message="no.star does not exist", exit_status=2))
    before = sorted(path.read_bytes() for path in tmp_path.iterdir())
    assert watch.settle(2) == 2
    assert watch.settle(9) == 137
    assert Watch(tmp_path / "none" / "run").settle(9) == 137
    assert sorted(path.read_bytes() for path in tmp_path.iterdir()) == before
    assert capsys.readouterr().err == ""


def test_a_job_that_ended_well_needs_nothing(tmp_path: Path) -> None:
    assert Watch(tmp_path / "run").settle(0) == 0
    assert list(tmp_path.iterdir()) == []


def test_e39_one_killed_process_ends_the_whole_job_with_a_sentence(tmp_path: Path) -> None:
    made = particle_set(tmp_path, particles=40, box=32)
    words = (
        f"refine --i {made.particles} --ref {made.reference} --o O/run --particle_diameter 72 "
        "--ini_high 40 --healpix_order 3 --mpi 3 --j 1 --random_seed 1"
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "webapp.cli", *words.split()],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        psutil.Process(worker_at_work(process, tmp_path / "O")).kill()
        output, errors = process.communicate(timeout=200)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 137
    assert "Traceback" not in output + errors
    assert "The job was killed by " in errors.splitlines()[-1]
    assert last(tmp_path / "O" / "run").exit_status == 137
    assert read_exit_marker(tmp_path / "O") == "failure"


def worker_at_work(process: subprocess.Popen[str], folder: Path) -> int:
    """A process of rank 1 or 2 of a job, once the expectation step has begun."""
    limit_s = time.monotonic() + 200
    while time.monotonic() < limit_s:
        progress = folder / "progress.jsonl"
        if progress.exists() and '"phase":"expectation"' in progress.read_text():
            break
        assert process.poll() is None
        time.sleep(0.05)
    ranks = [
        child.pid
        for child in psutil.Process(process.pid).children(recursive=True)
        if "python" in child.name() and child.environ().get("PMI_RANK") in {"1", "2"}
    ]
    return ranks[0]


# ---- a command started by mpirun


def test_a_launcher_in_front_of_the_command_is_refused_once(tmp_path: Path) -> None:
    local.check_plain_start({})
    local.check_plain_start({"PMI_RANK": "0", "PMI_SIZE": "1"})
    with pytest.raises(local.LaunchError, match="leave mpirun away and say --mpi 5"):
        local.check_plain_start({"OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "4"})
    with pytest.raises(local.LaunchError, match="^$"):
        local.check_plain_start({"OMPI_COMM_WORLD_RANK": "3", "OMPI_COMM_WORLD_SIZE": "4"})


def test_signals_and_statuses_of_our_own_are_told_apart() -> None:
    assert [outcome.signal_of(status) for status in (0, 1, 2, 64)] == [None] * 4
    assert outcome.signal_of(129) == signal.SIGHUP
