"""The team of processes of a job: a leader that decides, and workers that hold the two half-sets.

The leader calls a method of the workers and collects what they return; workers only answer. With one process, the
same calls go to two workers in it, with several to other ranks (`parallel_mpi.py`). Whatever the leader hands to a
half passes through `Team.ask` and is written down in `Team.messages`, so that a test can tell what one half has
learnt of the other.
"""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor


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

    @abstractmethod
    def take(self) -> Any:
        """The next thing that the leader offers to this half, each to one worker only; None when all are taken."""


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

    def take(self) -> Any:
        """Nothing: what a half has one worker for is never handed out."""
        return None


class Team(ABC):
    """The leader's view: methods of the workers, called by half.

    device: where the leader may compute what it does itself between its calls.
    """

    def __init__(self, device: str = "cpu") -> None:
        self.device = torch.device(device)
        self.messages: list[Message] = []
        self.on_progress: Callable[[int], None] = _ignore
        self._offers: dict[int, deque[Any]] = {1: deque(), 2: deque()}
        self._is_waiting = False

    @abstractmethod
    def seats(self) -> list[Seat]:
        """All workers' places, in the order in which replies come."""

    @abstractmethod
    def idle_threads(self) -> int:
        """How many threads the leader may use between its calls, when no worker computes."""

    @abstractmethod
    def _ask(
        self, seats: Sequence[Seat], method: str, arguments: dict[int, dict[str, Any]]
    ) -> Callable[[], list[Any]]:
        """Call the method on the workers in these seats, each with its half's arguments.

        What is returned waits for their replies, and gives them in that order.
        """

    def offer(self, things: "PerHalf") -> None:
        """Let the workers of each half take the half's things, in this order, during the next call.

        What an earlier call has left is forgotten.
        """
        self.messages += [Message(half, "offer", ("things",)) for half in (1, 2)]
        self._offers = {half: deque(things.of(half)) for half in (1, 2)}

    def ask(self, method: str, **arguments: Any) -> Callable[[], list[list[Any]]]:
        """Call a method on all workers, who go about it while the leader does something else.

        Returns what waits for the replies and gives them as `call` does. It must be called before anything else is
        asked: RuntimeError otherwise.
        """
        return self._asked(self.seats(), method, arguments)

    def call(self, method: str, **arguments: Any) -> list[list[Any]]:
        """Call a method on all workers; replies as [half 1's, half 2's] lists.

        An argument that is a `PerHalf` gives each half its own value; others go to both.
        """
        return self.ask(method, **arguments)()

    def ask_heads(self, method: str, **arguments: Any) -> Callable[[], list[Any]]:
        """As `ask`, of the first worker of each half."""
        heads = [seat for seat in self.seats() if seat.member == 0]
        replies = self._asked(heads, method, arguments)
        return lambda: [one for (one,) in replies()]

    def call_heads(self, method: str, **arguments: Any) -> list[Any]:
        """Call a method on the first worker of each half; half 1's reply and half 2's."""
        return self.ask_heads(method, **arguments)()

    def _asked(
        self, seats: Sequence[Seat], method: str, arguments: dict[str, Any]
    ) -> Callable[[], list[list[Any]]]:
        """Write down what each half is told, and tell it; the replies are sorted by half."""
        if self._is_waiting:
            raise RuntimeError(f"{method} is asked before the last replies were heard")
        split = {
            half: {
                name: value.of(half) if isinstance(value, PerHalf) else value
                for name, value in arguments.items()
            }
            for half in (1, 2)
        }
        self.messages += [Message(half, method, tuple(sorted(arguments))) for half in (1, 2)]
        replies = self._ask(seats, method, split)
        self._is_waiting = True

        def by_half() -> list[list[Any]]:
            result: list[list[Any]] = [[], []]
            self._is_waiting = False
            for seat, reply in zip(seats, replies(), strict=True):
                result[seat.half - 1].append(reply)
            return result

        return by_half

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

    def __init__(
        self, make: Callable[[Seat, HalfTeam], Worker], threads: int, device: str = "cpu"
    ) -> None:
        super().__init__(device)
        self._seats = [Seat(1, 0, 1), Seat(2, 0, 1)]
        alone = Alone(lambda images: self.on_progress(images))
        self._workers = {seat.half: make(seat, alone) for seat in self._seats}
        self._pool: ThreadPoolExecutor | None = None
        if threads > 1:
            here = (torch.get_num_threads(),)  # what torch computes must not depend on the thread
            self._pool = ThreadPoolExecutor(2, initializer=torch.set_num_threads, initargs=here)
        self._threads = threads

    def seats(self) -> list[Seat]:
        """Half 1 and half 2."""
        return self._seats

    def idle_threads(self) -> int:
        """All threads of this process."""
        return self._threads

    def _ask(
        self, seats: Sequence[Seat], method: str, arguments: dict[int, dict[str, Any]]
    ) -> Callable[[], list[Any]]:
        calls = [
            (getattr(self._workers[seat.half], method), arguments[seat.half]) for seat in seats
        ]
        is_alone = any(
            method in getattr(worker, "USES_ALL_THREADS", ()) for worker in self._workers.values()
        )
        if self._pool is None or is_alone:
            return lambda: [function(**values) for function, values in calls]
        pending = [self._pool.submit(function, **values) for function, values in calls]
        return lambda: [one.result() for one in pending]

    def close(self) -> None:
        """End the threads."""
        if self._pool is not None:
            self._pool.shutdown()


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
