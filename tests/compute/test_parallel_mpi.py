"""The team of a job on several ranks: sums in a fixed order, shared values, progress and errors."""

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from mpi4py import MPI

from compute.parallel_mpi import MpiHalfTeam, wait_until_read

ROOT = Path(__file__).parents[2]
LENGTH = 1001

SCRIPT = f"""
import os
import pickle
import signal
import sys
import time

import numpy as np
import torch
from mpi4py import MPI

from compute import parallel, parallel_mpi

parallel_mpi.SLAB_BYTES = 1200


class Worker:
    def __init__(self, seat, team):
        self.half, self.seat, self.team = seat.half, seat, team

    def add(self):
        generator = np.random.default_rng(10 * self.half + self.seat.member)
        sums = torch.from_numpy(generator.standard_normal({LENGTH}).astype(np.float32))
        sums *= 10.0 ** (3 * self.seat.member)
        self.team.reduce(sums)
        return sums.numpy() if self.seat.member == 0 else None

    def share(self, value):
        return self.team.share((value, self.seat.member))

    def work(self, images):
        for _ in range(images):
            self.team.report(1)
        return images

    def take(self):
        taken = []
        while (thing := self.team.take()) is not None:
            taken.append(thing)
            self.team.report(1)
        return taken

    def take_slowly(self):
        # The first worker of a half is busy with one thing until all others have found nothing more.
        taken = [self.team.take()] if self.seat.member == 0 else self.take()
        self.team.reduce(torch.zeros(1))
        return taken + self.take() if self.seat.member == 0 else taken

    def compute(self):
        until = time.process_time() + 0.5
        while time.process_time() < until:
            pass

    def tell_the_time(self):
        return time.monotonic()

    def fail(self):
        if self.seat == parallel.Seat(2, self.seat.members - 1, self.seat.members):
            raise RuntimeError("image 7 cannot be read")
        return 0

    def die(self):
        if self.half == 2:
            os.kill(os.getpid(), signal.SIGKILL)


class Echo(MPI.Intracomm):
    # What the leader may see after a process was killed: its next look for a message fails.

    def iprobe(self, *arguments, **named):
        raise MPI.Exception(MPI.ERR_OTHER)


world = MPI.COMM_WORLD
if world.Get_rank() > 0:
    parallel_mpi.serve(world, Worker)
else:
    done = []
    team = parallel_mpi.MpiTeam(world)
    team.on_progress = done.append
    results = {{
        "add": team.call("add"),
        "share": team.call("share", value=parallel.PerHalf("one", "two")),
        "work": team.call("work", images=50),
        "heads": team.call_heads("work", images=3),
        "nothing": team.call("take"),
        "taken": (team.offer(parallel.PerHalf(range(100), range(1000, 1050))), team.call("take"))[1],
        "all": team.call("take"),
        "slow": (team.offer(parallel.PerHalf(range(100), range(1000, 1050))), team.call("take_slowly"))[1],
        "messages": team.messages,
    }}
    results["done"] = sum(done)
    asked = team.ask("tell_the_time")
    time.sleep(1.0)
    heard = time.monotonic()
    results["ahead"] = min(heard - told for half in asked() for told in half)
    clock, used = time.monotonic(), time.process_time()
    team.call("compute")
    results["busy"] = (time.process_time() - used) / (time.monotonic() - clock)
    if "fail" in sys.argv:
        team.call("fail")
    if "die" in sys.argv:
        team._communicator = Echo(world)
        try:
            team.call("die")
        finally:
            world.Abort(1)
    team.close()
    with open(sys.argv[1], "wb") as file:
        pickle.dump(results, file)
"""


def launch(folder: Path, ranks: int, *words: str) -> subprocess.CompletedProcess[str]:
    """The script on some ranks of the environment's own MPI."""
    script = folder / "team.py"
    script.write_text(SCRIPT)
    mpiexec = [str(Path(sys.executable).parent / "mpiexec"), "-launcher", "fork", "-n", str(ranks)]
    python = [sys.executable, "-m", "mpi4py.run", str(script), str(folder / "results"), *words]
    settings = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        mpiexec + python, capture_output=True, text=True, timeout=200, env=settings, check=False
    )


def shard(half: int, member: int) -> np.ndarray:
    """What a worker of the script adds."""
    generator = np.random.default_rng(10 * half + member)
    values = generator.standard_normal(LENGTH).astype(np.float32)
    return values * np.float32(10.0 ** (3 * member))


# ---- the order of sums


class Wire(MPI.Comm):
    """Stands in for MPI on the first of several ranks: every message is there at once."""

    sent: dict[int, np.ndarray]

    def Get_rank(self) -> int:
        return 1

    def iprobe(self, source: int, tag: int) -> bool:
        return True

    def Recv(self, into: np.ndarray, source: int, tag: int) -> None:
        into[:] = self.sent[source].reshape(-1)


def test_sums_are_added_in_the_order_of_the_members() -> None:
    """1e8 - 1e8 + 1 is 1 in single precision in this order, and 0 in the other."""
    wire = Wire()
    wire.sent = {3: np.full((2, 3), -1e8, np.float32), 5: np.ones((2, 3), np.float32)}
    sums = torch.full((2, 3), 1e8)
    MpiHalfTeam(wire, [1, 3, 5]).reduce(sums)
    assert bool((sums == 1.0).all())


# ---- MPI


@pytest.mark.parametrize("ranks", [3, 5])
def test_a_team_under_mpi(tmp_path: Path, ranks: int) -> None:
    """Sums in the order of ranks to the last bit, shared values, progress, things handed out, and what was told."""
    run = launch(tmp_path, ranks)
    assert run.returncode == 0, run.stderr
    results = pickle.loads((tmp_path / "results").read_bytes())
    members = (ranks - 1) // 2
    for half in (1, 2):
        expected = shard(half, 0)
        for member in range(1, members):
            expected += shard(half, member)
        replies = results["add"][half - 1]
        assert np.array_equal(replies[0], expected)
        assert replies[1:] == [None] * (members - 1)
    assert results["share"] == [[("one", 0)] * members, [("two", 0)] * members]
    assert results["work"] == [[50] * members] * 2
    assert results["heads"] == [3, 3]
    assert results["nothing"] == results["all"] == [[[]] * members] * 2
    for half, offered in enumerate((range(100), range(1000, 1050))):
        taken, slow = results["taken"][half], results["slow"][half]
        assert sorted(sum(taken, [])) == sorted(sum(slow, [])) == list(offered)
        assert all(one == sorted(one) for one in taken)
        assert members == 1 or len(slow[0]) == 1
    # A report for every piece of work, and one for everything taken but the busy workers' first things.
    # The leader waits without taking a core from those who compute.
    assert results["busy"] < 0.2
    assert results["ahead"] > 0.3  # workers do what they are asked while it does something else
    assert results["done"] == 50 * (ranks - 1) + 6 + 150 + 148
    methods = [(message.half, message.method) for message in results["messages"]]
    names = (
        "add",
        "share",
        "work",
        "work",
        "take",
        "offer",
        "take",
        "take",
        "offer",
        "take_slowly",
        "tell_the_time",
        "compute",
    )
    assert methods == [(half, name) for name in names for half in (1, 2)]


def test_an_error_on_one_rank_ends_all(tmp_path: Path) -> None:
    """Started with `python -m mpi4py.run`, nobody is left waiting, and the reason is told."""
    run = launch(tmp_path, 3, "fail")
    assert run.returncode != 0
    assert "image 7 cannot be read" in run.stdout + run.stderr
    assert not (tmp_path / "results").exists()


def test_a_process_that_is_killed_is_the_reason_and_not_what_the_leader_sees_of_it(
    tmp_path: Path,
) -> None:
    assert launch(tmp_path, 3, "die").returncode == signal.SIGKILL


def test_what_was_printed_has_been_read_before_a_process_goes_on() -> None:
    end, printed = os.pipe()
    os.write(printed, b"all that was said")
    begun = threading.Event()

    def read() -> None:
        time.sleep(0.05)
        begun.set()
        os.read(end, 100)

    reader = threading.Thread(target=read)
    reader.start()
    wait_until_read(printed)
    assert begun.is_set()
    reader.join()
    os.close(end)
    os.close(printed)


def test_nobody_is_waited_for_who_would_read_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr("compute.parallel_mpi.GRACE_S", 0.05)
    monkeypatch.setattr(time, "sleep", slept.append)
    with (tmp_path / "run.err").open("w") as file:
        file.write("kept")
        file.seek(0)  # of a file, what lies behind its position counts as not yet read
        wait_until_read(file.fileno())
    assert not slept
