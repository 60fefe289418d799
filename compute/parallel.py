"""The team of processes of a job: a leader that decides, and workers that hold the two half-sets.

The leader calls a method of the workers and collects what they return; workers only answer. With one process, the
same calls go to two workers in it. Whatever the leader hands to a half passes through `Team.call` and is written
down in `Team.messages`, so that a test can tell what one half has learnt of the other.
"""

import pickle
import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from mpi4py import MPI
from torch import Tensor

POLL_S = 0.002
CALL, REPLY, SLAB, PROGRESS, FAILURE = 11, 12, 13, 14, 15
SLAB_BYTES = 64_000_000


@runtime_checkable
class Worker(Protocol):
    """Anything whose methods the leader calls; its half is 1 or 2.

    Methods that it names in USES_ALL_THREADS leave nothing to do for another worker of the same process.
    """

    half: int


@dataclass(frozen=True, slots=True)
class Seat:
    """A worker's place: its half, its number within the half, and how many share the half."""

    half: int
    member: int
    members: int


@dataclass(frozen=True, slots=True)
class Message:
    """One thing that the leader told a half: the method called and the names of its arguments."""

    half: int
    method: str
    contents: tuple[str, ...]


class HalfTeam(ABC):
    """The workers of one half: sums go to the first of them, maps come from it."""

    @abstractmethod
    def reduce(self, sums: Tensor) -> None:
        """Add all members' sums into the first member's, in place, in the order of the members."""

    @abstractmethod
    def share(self, value: Any) -> Any:
        """The first member's value, on every member."""

    @abstractmethod
    def report(self, images: int) -> None:
        """Tell the leader that so many more images are done."""


class Alone(HalfTeam):
    """A half held by a single worker in the leader's own process."""

    def __init__(self, report: Callable[[int], None]) -> None:
        self._report = report

    def report(self, images: int) -> None:
        """Tell the leader at once."""
        self._report(images)

    def reduce(self, sums: Tensor) -> None:
        """Nothing to add."""

    def share(self, value: Any) -> Any:
        """The worker's own value."""
        return value


class Team(ABC):
    """The leader's view: methods of the workers, called by half."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.on_progress: Callable[[int], None] = _ignore

    @abstractmethod
    def seats(self) -> list[Seat]:
        """All workers' places, in the order in which replies come."""

    @abstractmethod
    def _exchange(
        self, seats: Sequence[Seat], method: str, arguments: dict[int, dict[str, Any]]
    ) -> list[Any]:
        """Call the method on the workers in these seats, each with its half's arguments; replies in that order."""

    def call(self, method: str, **arguments: Any) -> list[list[Any]]:
        """Call a method on all workers; replies as [half 1's, half 2's] lists.

        An argument that is a `PerHalf` gives each half its own value; others go to both.
        """
        return self._call(self.seats(), method, arguments)

    def call_heads(self, method: str, **arguments: Any) -> list[Any]:
        """Call a method on the first worker of each half; half 1's reply and half 2's."""
        heads = [seat for seat in self.seats() if seat.member == 0]
        return [replies[0] for replies in self._call(heads, method, arguments)]

    def _call(
        self, seats: Sequence[Seat], method: str, arguments: dict[str, Any]
    ) -> list[list[Any]]:
        """Write down what each half is told, tell it, and sort the replies by half."""
        split = {
            half: {
                name: value.of(half) if isinstance(value, PerHalf) else value
                for name, value in arguments.items()
            }
            for half in (1, 2)
        }
        self.messages += [Message(half, method, tuple(sorted(arguments))) for half in (1, 2)]
        result: list[list[Any]] = [[], []]
        for seat, reply in zip(seats, self._exchange(seats, method, split), strict=True):
            result[seat.half - 1].append(reply)
        return result

    @abstractmethod
    def close(self) -> None:
        """Release the workers."""


@dataclass(frozen=True, slots=True)
class PerHalf:
    """A value for half 1 and another for half 2."""

    first: Any
    second: Any

    def of(self, half: int) -> Any:
        """The value of a half."""
        return self.first if half == 1 else self.second


class SoloTeam(Team):
    """Both halves in this process; at once in two threads where `threads` allows, else one after the other.

    Calls that use all threads themselves, and much memory, always go to one half after the other.
    """

    def __init__(self, make: Callable[[Seat, HalfTeam], Worker], threads: int) -> None:
        super().__init__()
        self._seats = [Seat(1, 0, 1), Seat(2, 0, 1)]
        alone = Alone(lambda images: self.on_progress(images))
        self._workers = {seat.half: make(seat, alone) for seat in self._seats}
        self._pool = ThreadPoolExecutor(2) if threads > 1 else None

    def seats(self) -> list[Seat]:
        """Half 1 and half 2."""
        return self._seats

    def _exchange(
        self, seats: Sequence[Seat], method: str, arguments: dict[int, dict[str, Any]]
    ) -> list[Any]:
        calls = [
            (getattr(self._workers[seat.half], method), arguments[seat.half]) for seat in seats
        ]
        is_alone = any(
            method in getattr(worker, "USES_ALL_THREADS", ()) for worker in self._workers.values()
        )
        if self._pool is None or is_alone:
            return [function(**values) for function, values in calls]
        pending = [self._pool.submit(function, **values) for function, values in calls]
        return [one.result() for one in pending]

    def close(self) -> None:
        """End the threads."""
        if self._pool is not None:
            self._pool.shutdown()


class MpiHalfTeam(HalfTeam):
    """The workers of one half on several ranks."""

    def __init__(self, communicator: MPI.Comm, ranks: Sequence[int]) -> None:
        self._communicator = communicator
        self._ranks = list(ranks)
        self._own = communicator.Get_rank()

    def reduce(self, sums: Tensor) -> None:
        """Add the members' sums to the first member's slab by slab, always in the order of ranks."""
        if sums.device.type != "cpu":
            copy = sums.cpu()
            self.reduce(copy)
            sums.copy_(copy)
            return
        flat = sums.view(-1).numpy()
        length = max(1, SLAB_BYTES // flat.itemsize)
        first = self._ranks[0]
        for start in range(0, flat.size, length):
            part = flat[start : start + length]
            if self._own != first:
                self._communicator.Send(part, dest=first, tag=SLAB)
                continue
            received = np.empty_like(part)
            for rank in self._ranks[1:]:
                wait_for(self._communicator, rank, SLAB)
                self._communicator.Recv(received, source=rank, tag=SLAB)
                part += received

    def report(self, images: int) -> None:
        """Send the number to the leader."""
        self._communicator.send(images, dest=0, tag=PROGRESS)

    def share(self, value: Any) -> Any:
        """The first member's value, sent to the others."""
        if self._own == self._ranks[0]:
            for rank in self._ranks[1:]:
                self._communicator.send(value, dest=rank, tag=SLAB)
            return value
        wait_for(self._communicator, self._ranks[0], SLAB)
        return self._communicator.recv(source=self._ranks[0], tag=SLAB)


class MpiTeam(Team):
    """The leader on rank 0; odd ranks hold half 1, even ranks half 2."""

    def __init__(self, communicator: MPI.Comm) -> None:
        super().__init__()
        self._communicator = communicator
        self._seats = seats_of(communicator.Get_size())

    def seats(self) -> list[Seat]:
        """Ranks 1, 2, 3, … in order."""
        return self._seats

    def _exchange(
        self, seats: Sequence[Seat], method: str, arguments: dict[int, dict[str, Any]]
    ) -> list[Any]:
        asked = [(self._seats.index(seat) + 1, seat) for seat in seats]
        pickled = {
            half: pickle.dumps((method, values), protocol=5) for half, values in arguments.items()
        }
        for rank, seat in asked:
            self._communicator.send(pickled[seat.half], dest=rank, tag=CALL)
        replies = []
        for rank, _ in asked:
            while not self._communicator.iprobe(source=rank, tag=REPLY):
                self._raise_failure()
                if not self._take_progress():
                    time.sleep(POLL_S)
            replies.append(self._communicator.recv(source=rank, tag=REPLY))
        while self._take_progress():
            pass
        return replies

    def _raise_failure(self) -> None:
        """Raise the error that stopped a worker, if one was; the other workers may then wait for it forever."""
        if self._communicator.iprobe(source=MPI.ANY_SOURCE, tag=FAILURE):
            raise pickle.loads(self._communicator.recv(source=MPI.ANY_SOURCE, tag=FAILURE))

    def _take_progress(self) -> bool:
        """Pass one report of a worker on, if there is one."""
        if not self._communicator.iprobe(source=MPI.ANY_SOURCE, tag=PROGRESS):
            return False
        self.on_progress(self._communicator.recv(source=MPI.ANY_SOURCE, tag=PROGRESS))
        return True

    def close(self) -> None:
        """Tell all workers to end."""
        for rank in range(1, self._communicator.Get_size()):
            self._communicator.send(None, dest=rank, tag=CALL)


def seats_of(ranks: int) -> list[Seat]:
    """The places of ranks 1 to ranks - 1: odd ones hold half 1, even ones half 2."""
    check_rank_count(ranks)
    members = (ranks - 1) // 2
    return [Seat(1 if rank % 2 else 2, (rank - 1) // 2, members) for rank in range(1, ranks)]


def check_rank_count(ranks: int) -> None:
    """Raise ValueError unless the number of processes is 1 or odd and at least 3."""
    if ranks == 2:
        raise ValueError(
            "2 processes cannot hold two independent halves and a leader: use 1 process for both halves, or 3"
        )
    if ranks < 1 or (ranks > 1 and ranks % 2 == 0):
        raise ValueError(
            f"{ranks} processes cannot be shared out: use 3, 5, 7…: one leader plus the same number for each half"
        )


def wait_for(communicator: MPI.Comm, rank: int, tag: int) -> None:
    """Return when a message is there; until then sleep, so that waiting costs no core."""
    while not communicator.iprobe(source=rank, tag=tag):
        time.sleep(POLL_S)


def serve(communicator: MPI.Comm, make: Callable[[Seat, HalfTeam], Worker]) -> None:
    """Answer the leader's calls on a worker's rank until it closes the team."""
    rank, seats = communicator.Get_rank(), seats_of(communicator.Get_size())
    seat = seats[rank - 1]
    ranks = [other for other, place in enumerate(seats, 1) if place.half == seat.half]
    worker = make(seat, MpiHalfTeam(communicator, ranks))
    while True:
        wait_for(communicator, 0, CALL)
        packed = communicator.recv(source=0, tag=CALL)
        if packed is None:
            return
        method, arguments = pickle.loads(packed)
        try:
            reply = getattr(worker, method)(**arguments)
        except Exception as error:
            communicator.send(_packed_error(error, rank), dest=0, tag=FAILURE)
            continue
        communicator.send(reply, dest=0, tag=REPLY)
        del packed, arguments, reply


def _packed_error(error: Exception, rank: int) -> bytes:
    """An error with its place on a worker, ready to be raised by the leader."""
    place = f"on rank {rank}:\n{traceback.format_exc()}"
    error.add_note(place)
    try:
        packed = pickle.dumps(error)
        pickle.loads(packed)
    except Exception:
        substitute = RuntimeError(f"{type(error).__name__}: {error}")
        substitute.add_note(place)
        return pickle.dumps(substitute)
    return packed


def check_launch(size: int, asked: int, launched: int) -> None:
    """Raise ValueError unless MPI's number of processes is what was asked for and what the launcher started.

    asked, launched: 0 where nothing is known.
    """
    check_rank_count(size)
    wanted = launched if size == 1 and launched > 1 else asked
    if wanted and size != wanted:
        raise ValueError(
            f"{wanted} processes were started or asked for, but MPI counts {size}: mpirun belongs to another MPI "
            "library than mpi4py. Start with the mpiexec beside this environment's python, or with "
            f"halfmap refine --mpi {wanted}"
        )


def _ignore(images: int) -> None:
    """Nobody wants to know."""


def usable_threads(asked: int, processes: int, cores: int) -> int:
    """Threads per process: what was asked, else the cores shared out among the working processes."""
    working = max(1, processes - 1)
    return asked if asked > 0 else max(1, cores // working)


def limit_threads(threads: int) -> None:
    """Let matrix products of this process use that many threads."""
    torch.set_num_threads(threads)
