"""Whichever process of a refinement is killed, none is left behind, the folder says how it ended, and it can go on."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from compute.files import events
from compute.files.progress import read_progress
from compute.files.relion import read_exit_marker
from compute.jobs.simulate import SimulatedSet
from tests.compute.jobs.refining import (
    ITERATIONS,
    copy_inputs,
    differing,
    iterations_in,
    processes_of,
    short_options,
    wait_until,
)

Tiny = tuple[Path, SimulatedSet]
GONE_WITHIN_S = 60.0
VICTIMS = ("front end", "mpiexec", "proxy", "leader", "worker")
RANKS = {"leader": 0, "worker": 2}
KILLED = 137


def start_command(folder: Path, options: dict[str, Any]) -> subprocess.Popen:
    """`halfmap refine --mpi 3` in a folder, as a user starts it."""
    words = ["--mpi", "3"]
    for name, value in options.items():
        text = "--" + re.sub("_(A|px)$", "", name).replace("_", "-")
        words += [text] if value is True else [text, str(value)]
    return subprocess.Popen(
        [sys.executable, "-m", "webapp.cli", "refine", *words],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def told(folder: Path) -> list[events.AnyEvent]:
    """What the job has written about itself so far."""
    path = folder / "out" / "progress.jsonl"
    return read_progress(path) if path.exists() else []


def has_entered(folder: Path, phase: str, iteration: int | None) -> bool:
    """Whether the job has come to a phase, of an iteration if there is one."""
    return any(
        isinstance(one, events.Phase) and one.phase == phase and one.iteration == iteration
        for one in told(folder)
    )


def find(victim: str, front_end: subprocess.Popen, folder: Path) -> psutil.Process:
    """The process of a running job that plays this part."""
    if victim == "front end":
        return psutil.Process(front_end.pid)
    if victim in RANKS:
        (start,) = [one for one in told(folder) if isinstance(one, events.Start)]
        (rank,) = [one for one in start.ranks if one.rank == RANKS[victim]]
        return psutil.Process(rank.pid)
    below = psutil.Process(front_end.pid).children(recursive=True)
    names = {"mpiexec": "mpiexec", "proxy": "hydra_pmi_proxy"}
    (found,) = [one for one in below if Path(one.exe()).name.startswith(names[victim])]
    return found


def kill(victim: str, front_end: subprocess.Popen, folder: Path) -> events.End:
    """The last record of a running job after one of its processes was killed with -9, and all others went with it."""
    job_id = str(json.loads((folder / "out" / "job.json").read_text())["job_id"])
    running = [psutil.Process(pid) for pid in processes_of(job_id)]
    # mpiexec, its proxy, the leader, two workers, and the two processes whose ranks these have taken over
    assert len(running) == 7
    find(victim, front_end, folder).kill()
    psutil.wait_procs(running, timeout=GONE_WITHIN_S)
    assert processes_of(job_id) == []
    front_end.wait(timeout=200)
    assert front_end.returncode != 0
    ends = [one for one in told(folder) if isinstance(one, events.End)]
    assert len(ends) == 1 and told(folder)[-1] == ends[0]
    return ends[0]


def check_said(victim: str, end: events.End, folder: Path) -> None:
    """The folder says how the job ended: its leader, if only the front end is gone, and else the front end."""
    is_stopped = victim == "front end"
    assert end.reason == ("stopped" if is_stopped else "failed")
    assert end.exit_status == {"front end": 143, "proxy": 255}.get(victim, 137)
    assert read_exit_marker(folder / "out") == ("aborted" if is_stopped else "failure")


@pytest.mark.parametrize("victim", [one for one in VICTIMS if one != "worker"])
def test_nothing_outlives_a_process_that_is_killed(tiny: Tiny, tmp_path: Path, victim: str) -> None:
    folder = copy_inputs(tiny[0], tmp_path / "job")
    front_end = start_command(folder, short_options(tiny[1]))
    assert wait_until(lambda: has_entered(folder, "expectation", 1), front_end, 400.0)
    check_said(victim, kill(victim, front_end, folder), folder)


def test_a_job_with_a_killed_worker_goes_on_as_if_nothing_had_been(
    three: Path, tiny: Tiny, tmp_path: Path
) -> None:
    """With the command that its last record names."""
    folder = copy_inputs(tiny[0], tmp_path / "job")
    front_end = start_command(folder, short_options(tiny[1]))
    assert wait_until(lambda: len(iterations_in(folder)) >= 2, front_end, 400.0)
    end = kill("worker", front_end, folder)
    check_said("worker", end, folder)
    assert iterations_in(folder)[-1] < ITERATIONS
    assert go_on(folder, end, short_options(tiny[1])) >= 2
    assert differing(three / "out", folder / "out") == []


def go_on(folder: Path, end: events.End, options: dict[str, Any]) -> int:
    """Do what the last record advises, to a good end; the iteration gone on from, 0 where the job starts anew."""
    found = re.search(r"Go on.* with --continue (out/run_it(\d+)_optimiser\.star)", end.message)
    if found is None:
        assert "Start it again" in end.message or end.reason == "stopped"
        options = options | {"threads": 1}
    else:
        options = {"continue_from": found.group(1), "threads": 1}
    assert start_command(folder, options).wait(timeout=300) == 0
    last = told(folder)[-1]
    assert isinstance(last, events.End) and last.exit_status == 0
    assert read_exit_marker(folder / "out") == "success"
    return int(found.group(2)) if found else 0


PHASES = [("reading images", None), ("expectation", 1), ("writing", 1), ("expectation", 3)]


@pytest.mark.slow
@pytest.mark.parametrize(("phase", "iteration"), PHASES)
@pytest.mark.parametrize("victim", VICTIMS)
def test_a_job_goes_on_wherever_a_process_was_killed(
    three: Path, tiny: Tiny, tmp_path: Path, victim: str, phase: str, iteration: int | None
) -> None:
    folder = copy_inputs(tiny[0], tmp_path / "job")
    front_end = start_command(folder, short_options(tiny[1]))
    assert wait_until(lambda: has_entered(folder, phase, iteration), front_end, 400.0)
    end = kill(victim, front_end, folder)
    check_said(victim, end, folder)
    go_on(folder, end, short_options(tiny[1]))
    assert differing(three / "out", folder / "out") == []
