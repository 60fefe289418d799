"""Scratch copies on several machines: one process of each copies, its neighbours read, and all of them clean up.

The processes of a real job are told that they run on two machines, each with a disk of its own at the same path.
"""

import json
import os
import subprocess
import sys
import uuid
from pathlib import Path

import psutil
import pytest

from compute.files import events
from compute.files.progress import read_progress
from compute.jobs.scratch import OWNER
from compute.jobs.simulate import SimulatedSet
from tests.compute.jobs.refining import (
    check_close,
    copy_inputs,
    short_options,
    wait_until,
    wait_until_gone,
)
from tests.compute.jobs.test_scratch import guards_of
from webapp.launch import local

Tiny = tuple[Path, SimulatedSet]
HOSTS = {0: "alpha", 1: "alpha", 2: "alpha", 3: "beta", 4: "beta"}
"""The machine of every rank."""
COPIES = {"alpha": 1, "beta": 3}
"""The rank of each machine that copies."""

DRIVER = f"""
import os, socket, sys
from pathlib import Path

host = {HOSTS!r}[int(os.environ["PMI_RANK"])]
socket.gethostname = lambda: host

from compute.jobs import half
from compute.jobs.scratch import Scratch, copied


def here(folder):
    return folder.parent / host / folder.name


half.Scratch = lambda folder: Scratch(here(folder))
half.copied = lambda particles, folder: copied(particles, here(folder))

from compute.__main__ import fall_silent, main

status = main(sys.argv[1:])
if status:
    fall_silent()
sys.exit(status)
"""


@pytest.fixture
def disks(tmp_path: Path) -> dict[str, Path]:
    """The scratch disk of each machine."""
    found = {host: tmp_path / "scratch" / host for host in COPIES}
    for one in found.values():
        one.mkdir(parents=True)
    return found


def start(folder: Path, tiny: Tiny) -> tuple[subprocess.Popen, str]:
    """A job of five processes on two machines that reads its images from scratch: its launcher, and its id."""
    driver = folder / "driver.py"
    driver.write_text(DRIVER)
    options = short_options(tiny[1]) | {"preread_images": False, "mpi": 5}
    job_id = f"test-{uuid.uuid4()}"
    disk = {"scratch_dir": str(folder.parent / "scratch")}
    local.write_job(folder, "refine", options | disk, job_id)
    words = local.command(Path("job.json"), 5)
    words[words.index(sys.executable) :] = local.rank_command(Path("job.json"), 5, sys.executable)
    engine = words.index("compute")
    words[engine - 1 : engine + 1] = [driver.name]
    process = subprocess.Popen(
        words,
        cwd=folder,
        env=local.environment(dict(os.environ), job_id, 1),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert wait_until(lambda: is_searching(folder), process, 400.0)
    return process, job_id


def told(folder: Path) -> list[events.AnyEvent]:
    """What the job has written about itself so far."""
    path = folder / "out" / "progress.jsonl"
    return read_progress(path) if path.exists() else []


def is_searching(folder: Path) -> bool:
    """Whether the first iteration's images are being searched."""
    return any(isinstance(one, events.Phase) and one.phase == "expectation" for one in told(folder))


def check_copies(folder: Path, disks: dict[str, Path]) -> None:
    """One process of each machine has copied, and every worker reads what lies on its own machine's disk."""
    (start_record,) = [one for one in told(folder) if isinstance(one, events.Start)]
    assert {one.rank: one.host for one in start_record.ranks} == HOSTS
    for host, disk in disks.items():
        (copies,) = disk.iterdir()
        owner = json.loads((copies / OWNER).read_text())
        assert (owner["host"], owner["pid"]) == (host, start_record.ranks[COPIES[host]].pid)
    for one in start_record.ranks[1:]:
        opened = [file.path for file in psutil.Process(one.pid).open_files()]
        stacks = [path for path in opened if path.endswith(".mrcs")]
        assert stacks and all(path.startswith(str(disks[one.host])) for path in stacks)


def test_each_machine_has_its_own_copies_and_none_is_left(
    three: Path, tiny: Tiny, tmp_path: Path, disks: dict[str, Path]
) -> None:
    folder = copy_inputs(tiny[0], tmp_path / "job")
    process, _ = start(folder, tiny)
    check_copies(folder, disks)
    assert process.wait(timeout=300) == 0
    assert [list(disk.iterdir()) for disk in disks.values()] == [[], []]
    check_close(three, folder)


@pytest.mark.slow
def test_copies_go_from_every_machine_when_the_job_is_killed(
    tiny: Tiny, tmp_path: Path, disks: dict[str, Path]
) -> None:
    folder = copy_inputs(tiny[0], tmp_path / "job")
    process, job_id = start(folder, tiny)
    guards = [guard for disk in disks.values() for guard in guards_of(disk)]
    assert len(guards) == 2
    process.kill()
    process.wait(timeout=60)
    assert wait_until_gone(job_id)
    psutil.wait_procs(guards, timeout=60)
    assert [list(disk.iterdir()) for disk in disks.values()] == [[], []]
