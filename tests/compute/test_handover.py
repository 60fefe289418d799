"""One start for all processes of a machine, under the real launcher: who is whose copy, and how each of them ends."""

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from compute import handover

RANKS = 4
LAUNCHER = [str(Path(sys.executable).parent / "mpiexec"), "-launcher", "fork", "-n", str(RANKS)]
FRONT = """
import sys
sys.path.insert(0, {root!r})
from compute import handover
handover.WORDS = ("-P", {payload!r})
handover.main([])
"""
PAYLOAD = """
import ctypes, json, os, signal, sys, time
from pathlib import Path
sys.path.insert(0, {root!r})
import mpi4py
mpi4py.rc(initialize=False, finalize=False)
from mpi4py import MPI
from compute import handover
folder = Path({folder!r})
handover.die_with_parent()
handover.branch_off({can_copy}, lambda: (folder / f"prepared_{{os.getpid()}}").touch())
MPI.Init()
rank = MPI.COMM_WORLD.Get_rank()
told = MPI.COMM_WORLD.allgather((rank, os.getpid(), os.getppid(), os.environ["PMI_RANK"]))
(folder / f"told_{{rank}}").write_text(json.dumps(told))
print(f"hello {{rank}}", flush=True)
(folder / f"rank_{{rank}}").write_text(str(os.getpid()))
{then}
status = {status}
handover.tell(status)
MPI.Finalize()
sys.stdout.flush()
time.sleep(2 if status else 0)  # the launcher kills who is left, and mixes that into its status
if handover.say_goodbye():
    (folder / f"understood_{{rank}}").touch()
else:
    ctypes.CDLL(None).exit(status)
os._exit(status)
"""


class Launch:
    """A launch of the payload in a folder."""

    def __init__(
        self, folder: Path, then: str = "", status: str = "0", can_copy: bool = True
    ) -> None:
        root, payload, front = str(Path.cwd()), folder / "payload.py", folder / "front.py"
        self.folder = folder
        text = PAYLOAD.format(
            root=root, folder=str(folder), can_copy=can_copy, then=then, status=status
        )
        payload.write_text(text)
        front.write_text(FRONT.format(root=root, payload=str(payload)))
        self.process = subprocess.Popen(
            [*LAUNCHER, sys.executable, "-S", "-P", str(front)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def process_of(self, rank: int) -> int:
        """The process that is a rank, as soon as all of them have begun."""
        limit_s = time.monotonic() + 60
        while len(list(self.folder.glob("rank_*"))) < RANKS:
            assert time.monotonic() < limit_s and self.process.poll() is None
            time.sleep(0.01)
        time.sleep(0.1)
        return int((self.folder / f"rank_{rank}").read_text())

    def waiting(self) -> list[int]:
        """The processes that have handed their rank over and wait."""
        return [one.pid for one in self.left() if str(self.folder / "front.py") in one.cmdline()]

    def ended(self) -> tuple[int, str]:
        """Status and output; of all its processes none may be left."""
        said, _ = self.process.communicate(timeout=60)
        limit_s = time.monotonic() + 10
        while self.left():
            assert time.monotonic() < limit_s, self.left()
            time.sleep(0.02)
        return self.process.returncode, said

    def left(self) -> list[psutil.Process]:
        """Processes of this launch that still run."""
        found = []
        for one in psutil.process_iter(["cmdline", "status"]):
            is_ours = any(str(self.folder) in word for word in one.info["cmdline"] or [])
            if is_ours and one.info["status"] != psutil.STATUS_ZOMBIE:
                found.append(one)
        return [one for one in found if one.pid != self.process.pid]


def told_in(folder: Path) -> list[tuple[int, int, int, str]]:
    """Rank, process, parent and the launcher's word for the rank of all, which all of them must know alike."""
    first, *others = (json.loads((folder / f"told_{rank}").read_text()) for rank in range(RANKS))
    assert all(other == first for other in others)
    assert [(rank, word) for rank, _, _, word in first] == [(k, str(k)) for k in range(RANKS)]
    return [tuple(one) for one in first]


def test_all_processes_are_copies_of_the_first_and_of_the_one_that_is_prepared(
    tmp_path: Path,
) -> None:
    status, said = Launch(tmp_path).ended()
    assert status == 0, said
    assert [said.count(f"hello {rank}") for rank in range(RANKS)] == [1] * RANKS
    told = told_in(tmp_path)
    processes = {process for _, process, _, _ in told}
    leader = told[0][1]
    (prepared,) = (int(path.name.split("_")[1]) for path in tmp_path.glob("prepared_*"))
    assert len(processes) == RANKS and prepared in processes - {leader}
    parents = {process: parent for _, process, parent, _ in told}
    assert parents.pop(prepared) == leader
    del parents[leader]
    assert set(parents.values()) == {prepared}
    assert len(list(tmp_path.glob("understood_*"))) == RANKS


def test_the_processor_time_of_copies_is_counted(tmp_path: Path) -> None:
    """By who waits for the launcher, as `time` does."""

    def spent_s() -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    before = spent_s()
    busy = "end = time.process_time() + 1\nwhile time.process_time() < end: pass"
    status, said = Launch(tmp_path, then=busy).ended()
    assert status == 0, said
    assert spent_s() - before > 0.9 * RANKS


@pytest.mark.parametrize("name", ["PMI_FD", "MPI_LOCALRANKID", handover.OURS])
def test_nobody_is_spoken_to_but_our_own_launcher(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Others may use the same variables and speak another language: what is said there could end a job."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for known, value in (("PMI_FD", str(ours.fileno())), ("MPI_LOCALRANKID", "0")):
            monkeypatch.setenv(known, value)
        monkeypatch.setenv("MPI_LOCALNRANKS", "3")
        monkeypatch.setenv(handover.OURS, "1")
        theirs.sendall(handover.UNDERSTOOD)
        assert handover.say_goodbye() and theirs.recv(100) == handover.GOODBYE
        monkeypatch.delenv(name)
        assert not handover.say_goodbye()
        theirs.setblocking(False)
        with pytest.raises(BlockingIOError):
            theirs.recv(1)


def test_processes_that_may_not_be_copied_start_by_themselves(tmp_path: Path) -> None:
    status, said = Launch(tmp_path, can_copy=False).ended()
    assert status == 0, said
    assert [said.count(f"hello {rank}") for rank in range(RANKS)] == [1] * RANKS
    told = told_in(tmp_path)
    assert len({parent for _, _, parent, _ in told}) == 1
    assert not list(tmp_path.glob("prepared_*"))


@pytest.mark.parametrize("rank", [1, 3])
def test_the_status_of_a_copy_is_that_of_its_rank(tmp_path: Path, rank: int) -> None:
    status, said = Launch(tmp_path, status=f"7 if rank == {rank} else 0").ended()
    assert status == 7, said


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_a_rank_that_is_killed_takes_the_others_with_it(
    tmp_path: Path, rank: int, number: signal.Signals
) -> None:
    """And the launcher says by which signal: an allocation too many is told by it."""
    launch = Launch(tmp_path, then="time.sleep(60)")
    os.kill(launch.process_of(rank), number)
    status, said = launch.ended()
    assert status == number, said


def test_the_leaders_death_ends_all(tmp_path: Path) -> None:
    launch = Launch(tmp_path, then="time.sleep(60)")
    os.kill(launch.process_of(0), signal.SIGKILL)
    assert launch.ended()[0] == signal.SIGKILL


def test_a_copy_does_not_outlive_the_process_whose_rank_it_has(tmp_path: Path) -> None:
    launch = Launch(tmp_path, then="time.sleep(60)")
    launch.process_of(1)
    waiting = launch.waiting()
    assert len(waiting) == RANKS - 1
    os.kill(waiting[0], signal.SIGKILL)
    assert launch.ended()[0] == signal.SIGKILL


def test_nothing_is_left_when_the_launcher_is_killed(tmp_path: Path) -> None:
    launch = Launch(tmp_path, then="time.sleep(60)")
    launch.process_of(1)
    for one in psutil.Process(launch.process.pid).children():
        one.kill()
    assert launch.ended()[0]


def test_an_abort_ends_all_at_once(tmp_path: Path) -> None:
    launch = Launch(tmp_path, then="MPI.COMM_WORLD.Abort(3) if rank == 0 else time.sleep(60)")
    assert launch.ended()[0] == 3


def test_the_others_say_nothing_when_the_first_gives_up_before(tmp_path: Path) -> None:
    job = tmp_path / "job.json"
    words = [sys.executable, "-S", "-P", handover.__file__, str(job)]
    for front in (LAUNCHER, []):
        done = subprocess.run([*front, *words], capture_output=True, text=True, timeout=60)
        assert done.returncode == 2
        expected = f" ERROR: the job file {job} cannot be read: No such file or directory\n"
        assert done.stderr.count(expected) == 1


def test_a_process_of_another_launcher_is_not_taken(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(path)
        listener.listen()
        knock = (
            "import socket, sys\n"
            "other = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)\n"
            "other.connect(sys.argv[1])\nother.recv(1)\n"
        )
        with subprocess.Popen([sys.executable, "-c", knock, path]):
            one, _ = listener.accept()
            with one:
                assert not handover._is_ours(one)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as own:
            own.connect(path)
            one, _ = listener.accept()
            with one:
                assert handover._is_ours(one)
