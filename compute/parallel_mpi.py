"""The team of a job on several MPI ranks: the leader on rank 0, the workers of half 1 on odd ranks, of half 2 on even.

Whoever waits for a message looks for it now and then and sleeps in between, longer and longer, so that an answer that
comes soon is found soon and a long wait costs no core.
"""

import contextlib
import fcntl
import os
import pickle
import stat
import termios
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from mpi4py import MPI
from torch import Tensor

from compute.parallel import HalfTeam, Seat, Team, Worker, seats_of

SHORTEST_S, LONGEST_S = 0.00005, 0.001
CALL, REPLY, SLAB, PROGRESS, FAILURE, REQUEST, ANSWER, ARRAY = 11, 12, 13, 14, 15, 16, 17, 18
SLAB_BYTES = 64_000_000
GRACE_S = 5.0


class Patience:
    """Sleeps a little longer each time, from a fraction of a millisecond on to one."""

    def __init__(self) -> None:
        self._next_s = SHORTEST_S

    def sleep(self) -> None:
        """Wait a little, longer than the last time."""
        time.sleep(self._next_s)
        self._next_s = min(1.3 * self._next_s, LONGEST_S)

    def renew(self) -> None:
        """Begin with short sleeps again: something has come."""
        self._next_s = SHORTEST_S


def wait_until_read(descriptor: int) -> None:
    """Return when all that was printed into a pipe has been taken from it, or after a while.

    MPI's launcher may answer an abort before it looks into the pipes of the processes, and then loses what they said
    last.
    """
    if not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
        return
    end, patience = time.monotonic() + GRACE_S, Patience()
    while any(fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4))) and time.monotonic() < end:
        patience.sleep()


@contextlib.contextmanager
def outlived() -> Iterator[None]:
    """Hold back an error of MPI itself for a while, which is mostly the echo of another process's death.

    MPI's launcher sees that death as well, ends all processes and returns its signal: the true reason. An error
    that is reported first would hide it.
    """
    try:
        yield
    except MPI.Exception:
        time.sleep(GRACE_S)
        raise


class MpiHalfTeam(HalfTeam):
    """The workers of one half on several ranks."""

    def __init__(self, communicator: MPI.Comm, ranks: Sequence[int]) -> None:
        self._communicator = communicator
        self._ranks = list(ranks)
        self._own = communicator.Get_rank()

    def reduce(self, sums: Tensor) -> None:
        """Add the members' sums to the first member's slab by slab, always in the order of ranks."""
        if len(self._ranks) == 1:
            return
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

    def take(self) -> Any:
        """Ask the leader for it."""
        self._communicator.send(None, dest=0, tag=REQUEST)
        wait_for(self._communicator, 0, ANSWER)
        return self._communicator.recv(source=0, tag=ANSWER)


class MpiTeam(Team):
    """The leader on rank 0; odd ranks hold half 1, even ranks half 2."""

    def __init__(self, communicator: MPI.Comm, device: str = "cpu") -> None:
        super().__init__(device)
        self._communicator = communicator
        self._seats = seats_of(communicator.Get_size())

    def seats(self) -> list[Seat]:
        """Ranks 1, 2, 3, … in order."""
        return self._seats

    def idle_threads(self) -> int:
        """One for every core that this process may use."""
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1

    @outlived()
    def _ask(
        self, seats: Sequence[Seat], method: str, arguments: dict[int, dict[str, Any]]
    ) -> Callable[[], list[Any]]:
        asked = [(self._seats.index(seat) + 1, seat) for seat in seats]
        packed = {half: _packed((method, values)) for half, values in arguments.items()}
        for rank, seat in asked:
            _send(self._communicator, packed[seat.half], rank, CALL)
        return lambda: self._replies([rank for rank, _ in asked])

    @outlived()
    def _replies(self, ranks: list[int]) -> list[Any]:
        """What workers answer, in order; meanwhile they are served with what else they want of the leader."""
        replies, patience = [], Patience()
        for rank in ranks:
            while not self._communicator.iprobe(source=rank, tag=REPLY):
                self._raise_failure()
                if self._hand_out() or self._take_progress():
                    patience.renew()
                else:
                    patience.sleep()
            replies.append(_received(self._communicator, rank, REPLY))
        while self._take_progress():
            pass
        return replies

    def _hand_out(self) -> bool:
        """Answer one worker that asks for something to do, if there is one."""
        status = MPI.Status()
        if not self._communicator.iprobe(source=MPI.ANY_SOURCE, tag=REQUEST, status=status):
            return False
        rank = status.Get_source()
        self._communicator.recv(source=rank, tag=REQUEST)
        offers = self._offers[self._seats[rank - 1].half]
        self._communicator.send(offers.popleft() if offers else None, dest=rank, tag=ANSWER)
        return True

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
            _send(self._communicator, _packed(None), rank, CALL)


def _packed(value: Any) -> tuple[bytes, list[memoryview]]:
    """A value as bytes, and the arrays in it as they lie in memory, which are not copied."""
    arrays: list[pickle.PickleBuffer] = []
    head = pickle.dumps(value, protocol=5, buffer_callback=arrays.append)
    return head, [one.raw() for one in arrays]


def _send(
    communicator: MPI.Comm, packed: tuple[bytes, list[memoryview]], rank: int, tag: int
) -> None:
    """Send a packed value."""
    head, arrays = packed
    communicator.send((head, [one.nbytes for one in arrays]), dest=rank, tag=tag)
    for one in arrays:
        communicator.Send([one, MPI.BYTE], dest=rank, tag=ARRAY)


def _received(communicator: MPI.Comm, rank: int, tag: int) -> Any:
    """The value that `_send` has sent."""
    head, sizes = communicator.recv(source=rank, tag=tag)
    arrays = [np.empty(size, np.uint8) for size in sizes]
    for one in arrays:
        communicator.Recv([one, MPI.BYTE], source=rank, tag=ARRAY)
    return pickle.loads(head, buffers=arrays)


def wait_for(communicator: MPI.Comm, rank: int, tag: int) -> None:
    """Return when a message is there; until then sleep, so that waiting costs no core."""
    patience = Patience()
    while not communicator.iprobe(source=rank, tag=tag):
        patience.sleep()


@outlived()
def serve(communicator: MPI.Comm, make: Callable[[Seat, HalfTeam], Worker]) -> None:
    """Answer the leader's calls on a worker's rank until it closes the team."""
    rank, seats = communicator.Get_rank(), seats_of(communicator.Get_size())
    seat = seats[rank - 1]
    ranks = [other for other, place in enumerate(seats, 1) if place.half == seat.half]
    worker = make(seat, MpiHalfTeam(communicator, ranks))
    while True:
        wait_for(communicator, 0, CALL)
        call = _received(communicator, 0, CALL)
        if call is None:
            return
        method, arguments = call
        try:
            with outlived():
                reply = getattr(worker, method)(**arguments)
        except Exception as error:
            communicator.send(_packed_error(error, rank), dest=0, tag=FAILURE)
            continue
        _send(communicator, _packed(reply), 0, REPLY)
        del call, arguments, reply


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
