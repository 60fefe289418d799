"""The processes of a job on this machine: found by the launch id that they carry, and ended."""

import contextlib
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

VARIABLE = "HALFMAP_JOB_ID"
PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Found:
    """A living process of a job."""

    pid: int
    is_frozen: bool
    """Stopped by a signal (SIGSTOP), so that it does nothing until it is told to go on."""
    is_rank: bool


def boot_id() -> str:
    """What differs after each start of this machine."""
    return (PROC / "sys/kernel/random/boot_id").read_text().strip()


def started_at(pid: int) -> float | None:
    """When a process began; tells two processes of one number apart. None where there is none."""
    try:
        return psutil.Process(pid).create_time()
    except psutil.Error:
        return None


def is_same(pid: int | None, began: float | None) -> bool:
    """Whether a process that began then still runs under this number."""
    found = started_at(pid) if pid else None
    return found is not None and began is not None and abs(found - began) < 0.05


def by_launch() -> dict[str, list[Found]]:
    """All living processes that carry a launch id, by it.

    An MPI rank is a session of its own, so that no process group holds a job together; its environment does.
    """
    found: dict[str, list[Found]] = {}
    prefix = f"{VARIABLE}=".encode()
    for path in PROC.glob("[0-9]*"):
        with contextlib.suppress(OSError, IndexError):
            variables = (path / "environ").read_bytes().split(b"\0")
            ids = [one[len(prefix) :] for one in variables if one.startswith(prefix)]
            state = (path / "stat").read_text().rpartition(")")[2].split()[0]
            if not ids or state in {"Z", "X"}:
                continue
            words = (path / "cmdline").read_bytes().split(b"\0")
            process = Found(int(path.name), state == "T", _is_rank(words))
            found.setdefault(ids[-1].decode(), []).append(process)
    return found


def _is_rank(words: list[bytes]) -> bool:
    """Whether a command is that of one process of the engine: neither its keeper nor MPI's launcher."""
    is_python = Path(os.fsdecode(words[0])).name.startswith("python")
    return is_python and b"compute" in words and b"webapp.launch.keeper" not in words


def of(launch_id: str) -> list[Found]:
    """The living processes of one launch."""
    return by_launch().get(launch_id, [])


def end(launch_id: str, number: int = signal.SIGTERM) -> int:
    """Send a signal to all processes of a launch and wake the frozen ones; how many there were."""
    found = of(launch_id)
    for process in found:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(process.pid, number)
            if process.is_frozen:
                os.kill(process.pid, signal.SIGCONT)
    return len(found)


def wait_gone(launch_id: str, limit_s: float) -> bool:
    """Whether no process of a launch is left, waiting for it at most so long."""
    end_s = time.monotonic() + limit_s
    while of(launch_id):
        if time.monotonic() > end_s:
            return False
        time.sleep(0.05)
    return True


def end_rest(launch_id: str, patience_s: float, limit_s: float) -> None:
    """Wait until nothing is left of a launch whose command has ended; kill what has not ended by itself in time.

    A rank may still be writing its last record. This process and those above it may carry the id too; they stay.
    """
    kept = {os.getpid(), *(one.pid for one in psutil.Process().parents())}
    left = []
    for one in of(launch_id):
        with contextlib.suppress(psutil.NoSuchProcess):
            if one.pid not in kept:
                left.append(psutil.Process(one.pid))
    _, stubborn = psutil.wait_procs(left, timeout=patience_s)
    for process in stubborn:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(stubborn, timeout=limit_s)
