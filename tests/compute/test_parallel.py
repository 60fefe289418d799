"""The team of a job: seats, calls, ordered sums, in one process and under MPI."""

import os
import pickle
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from mpi4py import MPI

from compute.parallel import (
    Alone,
    HalfTeam,
    Message,
    MpiHalfTeam,
    PerHalf,
    Seat,
    SoloTeam,
    check_rank_count,
    seats_of,
    usable_threads,
)

ROOT = Path(__file__).parents[2]
LENGTH = 1001

SCRIPT = f"""
import pickle
import sys

import numpy as np
import torch
from mpi4py import MPI

from compute import parallel

parallel.SLAB_BYTES = 1200


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

    def fail(self):
        if self.seat == parallel.Seat(2, self.seat.members - 1, self.seat.members):
            raise RuntimeError("image 7 cannot be read")
        return 0


world = MPI.COMM_WORLD
if world.Get_rank() > 0:
    parallel.serve(world, Worker)
else:
    done = []
    team = parallel.MpiTeam(world)
    team.on_progress = done.append
    results = {{
        "add": team.call("add"),
        "share": team.call("share", value=parallel.PerHalf("one", "two")),
        "work": team.call("work", images=50),
        "heads": team.call_heads("work", images=3),
        "messages": team.messages,
    }}
    results["done"] = sum(done)
    if "fail" in sys.argv:
        team.call("fail")
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
        mpiexec + python, capture_output=True, text=True, timeout=60, env=settings, check=False
    )


def shard(half: int, member: int) -> np.ndarray:
    """What a worker of the script adds."""
    generator = np.random.default_rng(10 * half + member)
    values = generator.standard_normal(LENGTH).astype(np.float32)
    return values * np.float32(10.0 ** (3 * member))


# ---- seats


def test_odd_ranks_hold_half_1_and_even_ranks_half_2() -> None:
    assert seats_of(1) == []
    assert seats_of(3) == [Seat(1, 0, 1), Seat(2, 0, 1)]
    assert seats_of(7) == [
        Seat(1, 0, 3),
        Seat(2, 0, 3),
        Seat(1, 1, 3),
        Seat(2, 1, 3),
        Seat(1, 2, 3),
        Seat(2, 2, 3),
    ]


@pytest.mark.parametrize(
    ("ranks", "reason"),
    [
        (2, "2 processes cannot hold two independent halves and a leader: use 1 .* or 3"),
        (4, "4 processes cannot be shared out: use 3, 5, 7"),
        (0, "0 processes cannot be shared out"),
        (-1, "-1 processes cannot be shared out"),
    ],
)
def test_other_rank_counts_are_refused_with_a_reason(ranks: int, reason: str) -> None:
    for check in (check_rank_count, seats_of):
        with pytest.raises(ValueError, match=reason):
            check(ranks)


@pytest.mark.parametrize("ranks", [1, 3, 5, 17])
def test_rank_counts_that_fit_are_accepted(ranks: int) -> None:
    check_rank_count(ranks)
    assert len(seats_of(ranks)) == ranks - 1


@pytest.mark.parametrize(
    ("asked", "processes", "cores", "threads"),
    [(0, 1, 8, 8), (0, 3, 8, 4), (0, 5, 8, 2), (0, 9, 2, 1), (6, 3, 8, 6)],
)
def test_cores_are_shared_out_among_the_workers(
    asked: int, processes: int, cores: int, threads: int
) -> None:
    assert usable_threads(asked, processes, cores) == threads


# ---- one process


class Echo:
    """A worker that says what it was told."""

    def __init__(self, seat: Seat, team: HalfTeam) -> None:
        self.half, self.team = seat.half, team

    def say(self, word: str, number: int = 0) -> tuple[int, str, int]:
        return self.half, word, number

    def work(self) -> None:
        self.team.report(4)

    def fail(self) -> None:
        raise RuntimeError(f"half {self.half} cannot go on")


@pytest.mark.parametrize("threads", [1, 2])
def test_calls_reach_each_half_with_its_own_values(threads: int) -> None:
    team = SoloTeam(Echo, threads)
    replies = team.call("say", word=PerHalf("a", "b"), number=7)
    assert replies == [[(1, "a", 7)], [(2, "b", 7)]]
    assert team.call_heads("say", word="c") == [(1, "c", 0), (2, "c", 0)]
    team.close()


def test_what_a_half_is_told_is_written_down() -> None:
    team = SoloTeam(Echo, 1)
    team.call("say", word=PerHalf("a", "b"), number=7)
    team.call_heads("work")
    assert team.messages == [
        Message(1, "say", ("number", "word")),
        Message(2, "say", ("number", "word")),
        Message(1, "work", ()),
        Message(2, "work", ()),
    ]


@pytest.mark.parametrize("threads", [1, 2])
def test_progress_reaches_the_leader(threads: int) -> None:
    team = SoloTeam(Echo, threads)
    heard: list[int] = []
    team.call("work")
    team.on_progress = heard.append
    team.call("work")
    assert heard == [4, 4]
    team.close()


@pytest.mark.parametrize("threads", [1, 2])
def test_an_error_of_a_worker_is_the_leaders(threads: int) -> None:
    team = SoloTeam(Echo, threads)
    with pytest.raises(RuntimeError, match="half 1 cannot go on"):
        team.call("fail")
    team.close()


def test_a_lone_worker_keeps_its_sums_and_its_map() -> None:
    team = Alone(lambda images: None)
    sums = torch.tensor([1.0, 2.0])
    team.reduce(sums)
    assert sums.tolist() == [1.0, 2.0]
    assert team.share("map") == "map"


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
    """Sums in the order of ranks to the last bit, shared values, progress, and what was told."""
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
    assert results["done"] == 50 * (ranks - 1) + 6
    methods = [(message.half, message.method) for message in results["messages"]]
    names = ("add", "share", "work", "work")
    assert methods == [(half, name) for name in names for half in (1, 2)]


def test_an_error_on_one_rank_ends_all(tmp_path: Path) -> None:
    """Started with `python -m mpi4py.run`, nobody is left waiting, and the reason is told."""
    started = time.monotonic()
    run = launch(tmp_path, 3, "fail")
    assert run.returncode != 0
    assert "image 7 cannot be read" in run.stdout + run.stderr
    assert not (tmp_path / "results").exists()
    assert time.monotonic() - started < 30.0
