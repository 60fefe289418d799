"""Which device each worker computes on."""

import contextlib
import socket
from collections.abc import Callable
from threading import Thread
from typing import Any, TypeVar

import torch
from mpi4py import MPI

from compute.expectation.batch import scale_of
from compute.jobs.gpu_load import take_several_processes
from compute.jobs.memory import BYTES_PER_GB
from compute.projection.availability import triton_problem

Result = TypeVar("Result")
NO_GPU = "--gpu was given but this torch build/machine has no CUDA device; leave --gpu out to run on the CPU"


def gpu_number(text: str, worker: int, present: int) -> int:
    """The GPU of a worker (counted from 0) for the text behind --gpu, on a machine with so many GPUs.

    A colon parts the workers and a comma the GPUs that one worker's share may use; a worker takes one GPU. Where there
    are more workers than parts they are dealt out in turn, each time round with the next GPU of the part. An empty text
    deals out all GPUs of the machine. Raises ValueError where there is no GPU, or not the named one.
    """
    if present < 1:
        raise ValueError(NO_GPU)
    if not text:
        return worker % present
    parts = [[int(number) for number in part.split(",") if number] for part in text.split(":")]
    parts = [part for part in parts if part] or [list(range(present))]
    part = parts[worker % len(parts)]
    chosen = part[worker // len(parts) % len(part)]
    if chosen >= present:
        last = (
            f" and {present - 1}" if present == 2 else f" to {present - 1}" if present > 2 else ""
        )
        raise ValueError(
            f"--gpu names GPU {chosen} but this machine has {present}: use 0{last}, or an empty text for all"
        )
    return chosen


def device_name(text: str | None, worker: int) -> str:
    """The device of a worker: the CPU, or for a text behind --gpu one of the machine's GPUs."""
    if text is None:
        return "cpu"
    present = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return f"cuda:{gpu_number(text, worker, present)}"


def assigned(text: str | None, world: MPI.Comm | None) -> tuple[list[str], str]:
    """The devices of half 1's and half 2's worker in this process, and a sentence where a process has none.

    All processes of a job call this together and get the same sentence. GPUs that are named go to the workers in the
    order of their ranks, unnamed ones to the workers of each machine. The leader compares halves on the first worker's
    GPU where its own machine has one like it that takes several processes, and needs none.
    """
    if world is None:
        try:
            return [device_name(text, worker) for worker in (0, 1)], ""
        except ValueError as error:
            return [], str(error)
    rank = world.Get_rank()
    machine = world.Split_type(MPI.COMM_TYPE_SHARED)
    beside = [one for one in machine.allgather(rank) if one > 0]
    machine.Free()
    devices, problem = ["cpu", "cpu"], ""
    try:
        worker = max(0, rank - 1) if text else beside.index(rank) if rank else 0
        devices = [device_name(text, worker)] * 2
    except ValueError as error:
        problem = str(error) if rank else ""
    if rank == 0 and devices[0] != "cpu" and not take_several_processes():
        devices = ["cpu", "cpu"]
    problems = [one for one in world.allgather(problem) if one]
    return devices, problems[0] if problems else ""


def wake(device: torch.device) -> None:
    """Let a GPU make all that it makes at its first product and transform, while there is something to wait for."""
    if device.type == "cuda":
        some = torch.ones(8, 8, device=device)
        torch.fft.rfft2(some @ some)


def slow_kernels(device: torch.device) -> list[str]:
    """A sentence where a GPU does not run the kernels that were written for it, else nothing."""
    if device.type != "cuda" or (problem := triton_problem(device)) is None:
        return []
    return [
        f"{device} on {socket.gethostname()} does not run Halfmap's kernels ({problem}); plain torch does their work, "
        "several times slower. They need Triton, which CUDA builds of torch for Linux bring, and a C compiler."
    ]


def wake_aside(device: torch.device) -> None:
    """The same in a thread of its own, which says nothing of errors: whoever computes next will meet them."""

    def work() -> None:
        with contextlib.suppress(RuntimeError):
            wake(device)

    if device.type == "cuda":
        Thread(target=work, daemon=True).start()


class Desk:
    """Where a process does some work of its own: on a GPU as long as that has room for it, else on the CPU."""

    def __init__(self, device: torch.device, gives_back: bool) -> None:
        """gives_back: whether a GPU gets its memory back each time, since other processes need it meanwhile."""
        self.device, self._gives_back = device, gives_back

    def run(self, work: Callable[[torch.device], Result]) -> Result:
        """What the work returns on the device."""
        if self.device.type == "cpu":
            return work(self.device)
        try:
            return work(self.device)
        except torch.OutOfMemoryError:
            pass
        finally:
            if self._gives_back:
                release_unused(self.device)
        release_unused(self.device)
        self.device = torch.device("cpu")
        return work(self.device)


def memory_of(device: torch.device) -> dict[str, Any]:
    """What this process may take of a device, what its tensors keep of it and have taken at most; None for the CPU.

    scale: how much it works on at a time, see `batch.scale_of`.
    room_GB: what is free, with what is kept. Asking makes the process known to the device, which costs some of its
    memory: ask again once all processes have.
    """
    if device.type != "cuda":
        nothing = dict.fromkeys(("room_GB", "held_GB", "peak_GB"))
        return {"device": str(device), "scale": scale_of(device), **nothing}
    held = torch.cuda.memory_reserved(device)
    return {
        "device": str(device),
        "scale": scale_of(device),
        "room_GB": (torch.cuda.mem_get_info(device)[0] + held) / BYTES_PER_GB,
        "held_GB": held / BYTES_PER_GB,
        "peak_GB": torch.cuda.max_memory_allocated(device) / BYTES_PER_GB,
    }


def room_bytes(device: torch.device) -> float:
    """What is free on a device; without limit where it cannot say."""
    if device.type != "cuda":
        return float("inf")
    kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return float(torch.cuda.mem_get_info(device)[0] + kept)


def release_unused(device: torch.device) -> None:
    """Give memory that torch keeps for later back to the device."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
