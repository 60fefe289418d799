"""Scratch copies: made once, used, checked for room beforehand, and gone however the job ends."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from compute.files import events, images
from compute.files.progress import follow_progress, read_progress
from compute.files.stacks import StackReader
from compute.jobs import scratch
from compute.jobs.refine_files import Writer
from compute.jobs.scratch import Scratch, ScratchError, folder_of, remove_abandoned
from compute.jobs.simulate import SimulatedSet
from tests.compute.jobs.refining import (
    copy_inputs,
    differing,
    options_of,
    refine_here,
    refine_ranks,
    start_ranks,
)

Tiny = tuple[Path, SimulatedSet]
ROOT = Path(__file__).parents[3]


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


@pytest.fixture
def stacks(tmp_path: Path) -> tuple[Path, ...]:
    """Two stacks of the same name."""
    made = []
    for name in ("a", "b"):
        path = tmp_path / name / "stack.mrcs"
        path.parent.mkdir()
        path.write_bytes(name.encode() * 1000)
        made.append(path)
    return tuple(made)


def test_stacks_of_one_name_are_copied_apart_and_removed(
    disk: Path, stacks: tuple[Path, ...]
) -> None:
    copies = Scratch(folder_of(str(disk), "one"))
    assert copies.fill(stacks) == 2000
    found = sorted(path for path in copies.folder.iterdir() if path.name != scratch.OWNER)
    assert [path.read_bytes()[:1] for path in found] == [b"a", b"b"]
    copies.remove()
    assert list(disk.iterdir()) == []


def test_a_full_disk_is_noticed_before_anything_is_copied(
    disk: Path, stacks: tuple[Path, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(disk)._replace(free=scratch.RESERVE_BYTES + 1999)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(ScratchError, match=r"the images take .* GB free"):
        Scratch(folder_of(str(disk), "one")).fill(stacks)
    assert list(disk.iterdir()) == []


def test_a_copy_that_fails_leaves_nothing(
    disk: Path, stacks: tuple[Path, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(source: Path, target: Path) -> None:
        target.write_bytes(b"half")
        raise OSError(28, "No space left on device", str(target))

    monkeypatch.setattr(shutil, "copyfile", fail)
    with pytest.raises(ScratchError, match="No space left on device"):
        Scratch(folder_of(str(disk), "one")).fill(stacks)
    assert list(disk.iterdir()) == []


def test_a_scratch_disk_that_is_not_there_is_a_sentence(
    tmp_path: Path, stacks: tuple[Path, ...]
) -> None:
    with pytest.raises(ScratchError, match="No such file"):
        Scratch(folder_of(str(tmp_path / "absent"), "one")).fill(stacks)


def test_the_folder_lies_on_the_scratch_disk_whatever_the_job_is_called(disk: Path) -> None:
    assert folder_of(str(disk), "../../etc").parent == disk


def leave_behind(disk: Path, name: str, **changes: Any) -> Path:
    """A folder on the scratch disk whose owner is this process, unless said otherwise."""
    process = psutil.Process()
    owner = {"host": socket.gethostname(), "pid": process.pid, "started": process.create_time()}
    folder = disk / name
    folder.mkdir()
    (folder / scratch.OWNER).write_text(json.dumps(owner | changes))
    return folder


def test_only_folders_of_dead_jobs_of_this_machine_are_abandoned(disk: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    dead = leave_behind(disk, "halfmap_dead", pid=ended.pid)
    reused = leave_behind(disk, "halfmap_reused", started=1.0)
    kept = [
        leave_behind(disk, "halfmap_alive"),
        leave_behind(disk, "halfmap_elsewhere", host="another.machine", pid=ended.pid),
        leave_behind(disk, "other", pid=ended.pid),
    ]
    (disk / "halfmap_unnamed").mkdir()
    assert remove_abandoned(disk) == [dead, reused]
    assert sorted(disk.iterdir()) == sorted([*kept, disk / "halfmap_unnamed"])


def test_copies_go_with_a_process_that_is_killed(disk: Path, stacks: tuple[Path, ...]) -> None:
    code = (
        "import sys, time; from pathlib import Path\n"
        "from compute.jobs.scratch import Scratch\n"
        f"copies = Scratch(Path({str(disk / 'halfmap_one')!r}))\n"
        f"copies.fill(({str(stacks[0])!r},) and (Path({str(stacks[0])!r}),))\n"
        "print(copies._guard.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    guard = psutil.Process(int(owner.stdout.readline()))
    assert (disk / "halfmap_one").exists()
    owner.kill()
    owner.wait()
    guard.wait(timeout=60)
    owner.stdout.close()
    assert list(disk.iterdir()) == []


def short(made: SimulatedSet, disk: Path, **options: Any) -> dict[str, Any]:
    """Options of a refinement of two iterations that reads its images from scratch."""
    return options_of(
        made,
        symmetry="D2",
        healpix_order=1,
        maximum_iterations=2,
        preread_images=False,
        scratch_dir=str(disk),
        **options,
    )


def test_images_are_read_from_scratch_and_the_result_is_the_same(
    tiny: Tiny, tmp_path: Path, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: set[Path] = set()

    def watched(path: Path) -> StackReader:
        opened.add(Path(path).parent)
        return StackReader(path)

    monkeypatch.setattr(images, "StackReader", watched)
    with_copies = copy_inputs(tiny[0], tmp_path / "with")
    refine_here(with_copies, short(tiny[1], disk))
    assert len(opened) == 1 and opened.pop().parent == disk
    assert list(disk.iterdir()) == []
    without = copy_inputs(tiny[0], tmp_path / "without")
    refine_here(without, short(tiny[1], disk) | {"scratch_dir": ""})
    odd = differing(with_copies / "out", without / "out")
    assert all("checkpoint" in name or "optimiser" in name for name in odd)


def test_images_in_memory_are_not_copied(tiny: Tiny, tmp_path: Path) -> None:
    folder = copy_inputs(tiny[0], tmp_path / "kept")
    options = short(tiny[1], tmp_path / "absent") | {"preread_images": True}
    run = refine_here(folder, options)
    told = read_progress(run.files.job.progress)
    assert not [one for one in told if isinstance(one, events.Warn) and one.code == "E43"]
    assert not [one for one in told if isinstance(one, events.Phase) and "scratch" in one.phase]


def test_a_scratch_disk_without_room_is_warned_of(
    tiny: Tiny, tmp_path: Path, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scratch, "RESERVE_BYTES", 1 << 60)
    folder = copy_inputs(tiny[0], tmp_path / "full")
    run = refine_here(folder, short(tiny[1], disk))
    told = read_progress(run.files.job.progress)
    warned = [one for one in told if isinstance(one, events.Warn) and one.code == "E43"]
    assert len(warned) == 1 and "read where they are" in warned[0].message
    assert run.progress.state.is_finished


def test_copies_go_after_a_failure(
    tiny: Tiny, tmp_path: Path, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []

    def fail(self: Writer, progress: object) -> list[str]:
        found.extend(disk.iterdir())
        raise OSError(28, "No space left on device", "run_it000_data.star")

    monkeypatch.setattr(Writer, "iteration", fail)
    with pytest.raises(OSError, match="No space left"):
        refine_here(copy_inputs(tiny[0], tmp_path / "failing"), short(tiny[1], disk))
    assert len(found) == 1
    assert list(disk.iterdir()) == []


def guards_of(disk: Path) -> list[psutil.Process]:
    """The processes that watch over folders on the scratch disk."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if words and words[-1].startswith(str(disk)) and "-c" in words:
            found.append(process)
    return found


def wait_for_start(folder: Path, process: subprocess.Popen) -> None:
    """Return when the first iteration's images are being searched."""
    path, offset = folder / "out" / "progress.jsonl", 0
    while process.poll() is None:
        if path.exists():
            found, offset = follow_progress(path, offset)
            if any(isinstance(one, events.Phase) and one.phase == "expectation" for one in found):
                return
        psutil.Process(process.pid).cpu_percent(interval=0.05)
    raise AssertionError("the job has ended already")


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGKILL])
def test_copies_go_when_a_job_of_several_processes_is_stopped(
    tiny: Tiny, tmp_path: Path, disk: Path, stop: signal.Signals
) -> None:
    folder = copy_inputs(tiny[0], tmp_path / "stopped")
    process, _ = start_ranks(folder, short(tiny[1], disk), 3)
    wait_for_start(folder, process)
    guards = guards_of(disk)
    assert len(guards) == 1 and len(list(disk.iterdir())) == 1
    os.kill(process.pid, stop)
    process.wait(timeout=120)
    psutil.wait_procs(guards, timeout=120)
    assert list(disk.iterdir()) == []


def test_copies_are_made_once_for_all_processes_of_a_machine(
    tiny: Tiny, tmp_path: Path, disk: Path
) -> None:
    folder = copy_inputs(tiny[0], tmp_path / "ranks")
    refine_ranks(folder, short(tiny[1], disk), 5)
    told = read_progress(folder / "out" / "progress.jsonl")
    assert not [one for one in told if isinstance(one, events.Warn) and one.code == "E43"]
    assert [one for one in told if isinstance(one, events.Phase) and "scratch" in one.phase]
    assert list(disk.iterdir()) == []
