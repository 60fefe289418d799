"""Memory is named as the cause of a kill only where something speaks for it."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from compute.files.events import Heartbeat, Iteration
from webapp.launch.out_of_memory import held, killed, oom_kills

SMALL = [Iteration(iteration=1, peak_memory_GB=[0.2, 0.3, None])]
LARGE = [*SMALL, Iteration(iteration=2, peak_memory_GB=[1.0, 6.5, 6.5])]


@pytest.mark.parametrize(
    ("events", "kills", "sentence", "is_memory"),
    [
        (SMALL, 0, "killed by signal 9, by the system or by somebody (peak 0.5 GB of 16.0", False),
        (SMALL, 1, "killed by the system, which was out of memory (peak 0.5 GB of 16.0", True),
        (LARGE, 0, "killed by the system, probably out of memory (peak 14.0 GB of 16.0", True),
    ],
)
def test_small_memory_is_no_cause(
    events: list[Iteration], kills: int, sentence: str, is_memory: bool
) -> None:
    found = killed(events, kills, total_GB=16.0)
    assert found == (f"The job was {sentence} GB).", is_memory)


def test_what_a_job_held_between_its_iterations_counts() -> None:
    beat = Heartbeat(phase="expectation", memory_GB=15.0)
    assert held([*SMALL, beat]) == (15.0, "peak")
    assert killed([*SMALL, beat], 0, total_GB=16.0)[1]


def test_without_iterations_the_largest_process_is_named() -> None:
    process = subprocess.Popen([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"])
    assert process.wait() == -signal.SIGKILL
    held_GB, words = held([])
    assert words == "its largest process held"
    assert 0.0 < held_GB < 1000.0


def test_the_kernels_count_is_that_of_the_machine_or_of_our_group(tmp_path: Path) -> None:
    kernel, own = tmp_path / "vmstat", tmp_path / "cgroup"
    group = tmp_path / "groups" / "lab" / "memory.events"
    group.parent.mkdir(parents=True)
    own.write_text("4:memory:/old\n0::/lab\n")
    assert oom_kills(kernel, tmp_path / "groups", own) == 0
    group.write_text("low 0\noom 3\noom_kill 2\noom_group_kill 9\n")
    assert oom_kills(kernel, tmp_path / "groups", own) == 2
    kernel.write_text("pgfault 12\noom_kill 5\n")
    assert oom_kills(kernel, tmp_path / "groups", own) == 5
    own.unlink()
    assert oom_kills(kernel, tmp_path / "groups", own) == 5
