"""How jobs are started: shares, commands, environment, files, signals and exit status."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from webapp.launch import local
from webapp.launch.local import Share, share


@pytest.mark.parametrize(
    ("cores", "gpus", "expected"),
    [
        (1, 0, Share(1, 1)),
        (2, 0, Share(3, 1)),
        (3, 0, Share(3, 1)),
        (4, 0, Share(5, 1)),
        (16, 0, Share(9, 2)),
        (16, 1, Share(3, 8)),
        (16, 2, Share(3, 8)),
        (16, 3, Share(5, 4)),
        (1, 1, Share(3, 1)),
    ],
)
def test_default_share(cores: int, gpus: int, expected: Share) -> None:
    assert share(0, 0, cores, gpus) == expected


def test_what_is_asked_for_is_kept() -> None:
    assert share(7, 3, 2) == Share(7, 3)
    assert share(1, 0, 6) == Share(1, 6)


@pytest.mark.parametrize(
    ("text", "present", "count"),
    [(None, 4, 0), ("", 4, 4), ("", 0, 0), ("0:1", 4, 2), ("0,1:0,1", 4, 2), ("3", 4, 1)],
)
def test_gpus_asked_for(text: str | None, present: int, count: int) -> None:
    assert local.gpus_asked(text, present) == count


def test_one_process_needs_no_launcher() -> None:
    words = local.command(Path("O/job.json"), 1)
    assert words == [sys.executable, "-P", "-m", "compute", "O/job.json"]


def test_several_processes_use_the_launcher_of_this_environment() -> None:
    words = local.command(Path("O/job.json"), 5)
    assert Path(words[0]).parent == Path(sys.executable).parent
    assert words[1:5] == ["-launcher", "fork", "-n", "5"]
    assert words[5:8] == [sys.executable, "-S", "-P"]
    assert [Path(words[8]).name, *words[9:]] == ["handover.py", "O/job.json"]
    words = local.command(Path("O/job.json"), 5, "/other/python")
    assert words[5:] == ["/other/python", "-P", "-m", "mpi4py.run", "-m", "compute", "O/job.json"]


def test_a_missing_launcher_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(local.LaunchError, match="no mpiexec beside .* --mpi 1"):
        local.command(Path("job.json"), 3)


def test_environment_of_a_job() -> None:
    variables = local.environment({"HOME": "/h", "OMP_NUM_THREADS": "99"}, "an-id", 4)
    assert variables["HOME"] == "/h"
    assert variables["OMP_NUM_THREADS"] == variables["NUMBA_NUM_THREADS"] == "4"
    assert variables["HALFMAP_JOB_ID"] == "an-id"


def test_earlier_job_files_are_kept(tmp_path: Path) -> None:
    for seed in range(3):
        path = local.write_job(tmp_path / "O", "refine", {"random_seed": seed}, f"id-{seed}")
    assert json.loads(path.read_text()) == {
        "job": "refine",
        "params": {"random_seed": 2},
        "job_id": "id-2",
    }
    kept = [json.loads((tmp_path / "O" / f"job_00{n}.json").read_text())["job_id"] for n in (1, 2)]
    assert kept == ["id-0", "id-1"]
    assert len(list((tmp_path / "O").iterdir())) == 3


def test_the_job_file_is_there_while_it_is_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process of the job may read it at any time."""
    path = local.write_job(tmp_path, "refine", {"random_seed": 1}, "id")
    before = path.stat()
    assert local.write_job(tmp_path, "refine", {"random_seed": 1}, "id") == path
    after = path.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    seen: list[str] = []
    whole = local.write_whole

    def watched(target: Path, content: bytes) -> None:
        seen.append(json.loads(path.read_text())["job_id"])
        whole(target, content)

    monkeypatch.setattr(local, "write_whole", watched)
    local.write_job(tmp_path, "refine", {"random_seed": 2}, "other")
    assert seen == ["id"]
    assert sorted(one.name for one in tmp_path.iterdir()) == ["job.json", "job_001.json"]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(local.LaunchError, match="cannot be written"):
        local.write_job(tmp_path / "file" / "O", "refine", {}, "id")


def test_exit_status_is_passed_through() -> None:
    assert local.run([sys.executable, "-c", "raise SystemExit(7)"], dict(os.environ)) == 7
    killed = "import os; os.kill(os.getpid(), 9)"
    assert local.run([sys.executable, "-c", killed], dict(os.environ)) == 128 + signal.SIGKILL


def test_a_failed_command_leaves_no_process_of_its_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even one in a session of its own; a job that ends well may leave what it likes."""
    monkeypatch.setattr(local, "PATIENCE_S", 0.1)
    left = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); signal.pause()"
    job = (
        "import subprocess, sys\n"
        f"child = subprocess.Popen([sys.executable, '-c', {left!r}], start_new_session=True)\n"
        f"open({str(tmp_path / 'pid')!r}, 'w').write(str(child.pid))\n"
        "sys.exit(int(sys.argv[1]))\n"
    )
    found = []
    for status, job_id in ((0, "well"), (1, "badly")):
        variables = local.environment(dict(os.environ), job_id, 1)
        assert local.run([sys.executable, "-c", job, str(status)], variables) == status
        pid = int((tmp_path / "pid").read_text())
        found.append(psutil.pid_exists(pid))
        if found[-1]:
            os.kill(pid, signal.SIGKILL)
    assert found == [True, False]


@pytest.mark.parametrize("ranks", [1, 3])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stop_signals_reach_every_process(
    number: signal.Signals, ranks: int, tmp_path: Path
) -> None:
    job = (
        "import os, pathlib, signal, sys\n"
        f"folder = pathlib.Path({str(tmp_path)!r})\n"
        "def stop(*_):\n"
        "    (folder / f'stopped_{os.getpid()}').touch()\n"
        "    sys.exit(40)\n"
        f"signal.signal({number.value}, stop)\n"
        "(folder / f'ready_{os.getpid()}').touch()\n"
        "signal.pause()\n"
    )
    start = local.command(Path("job.json"), ranks)
    words = [*start[: start.index(sys.executable)], sys.executable, "-c", job]
    front = (
        "import os, sys\nfrom webapp.launch import local\n"
        f"sys.exit(local.run({words!r}, dict(os.environ)))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", front])
    try:
        limit_s = time.monotonic() + 120
        while len(list(tmp_path.glob("ready_*"))) < ranks and time.monotonic() < limit_s:
            assert process.poll() is None
        process.send_signal(number)
        assert process.wait(timeout=120) == 40
    finally:
        process.kill()
        process.wait()
    assert len(list(tmp_path.glob("stopped_*"))) == ranks


def test_libraries_leave_the_cores_to_a_job_that_shares_them_out_itself() -> None:
    assert local.library_threads("extract", 8) == 1
    assert local.library_threads("refine", 8) == 8
