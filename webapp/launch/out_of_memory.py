"""Whether a job that was killed had run out of memory: what it held, and whom the kernel has killed since."""

import resource
from collections.abc import Sequence
from pathlib import Path

import psutil

from compute.files.events import AnyEvent, Heartbeat, Iteration

FULL = 0.8
"""A job that held this part of the machine's memory may have filled it: the rest is not its alone."""
KERNEL = Path("/proc/vmstat")
GROUPS = Path("/sys/fs/cgroup")
OWN_GROUP = Path("/proc/self/cgroup")


def oom_kills(kernel: Path = KERNEL, groups: Path = GROUPS, own_group: Path = OWN_GROUP) -> int:
    """How many processes have been killed for want of memory: by the kernel, or else in our group; 0 if none knows."""
    counts = [_count(kernel, "oom_kill")]
    group = next((line[3:] for line in _lines(own_group) if line.startswith("0::")), "")
    counts.append(_count(groups / group.lstrip("/") / "memory.events", "oom_kill"))
    return max(counts)


def _count(path: Path, name: str) -> int:
    found = [line.split()[1] for line in _lines(path) if line.split()[:1] == [name]]
    return int(found[0]) if found and found[0].isdecimal() else 0


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []


def killed(
    events: Sequence[AnyEvent], kills: int, total_GB: float | None = None
) -> tuple[str, bool]:
    """Why a job got signal 9, as a sentence, and whether for want of memory.

    `kills` are the processes of the machine that were killed for want of memory while the job ran. Without one, the job
    must have held nearly all memory.
    """
    total_GB = psutil.virtual_memory().total / 1e9 if total_GB is None else total_GB
    held_GB, words = held(events)
    told = f" ({words} {held_GB:.1f} GB of {total_GB:.1f} GB)"
    if kills:
        return f"The job was killed by the system, which was out of memory{told}.", True
    if held_GB >= FULL * total_GB:
        return f"The job was killed by the system, probably out of memory{told}.", True
    return f"The job was killed by signal 9, by the system or by somebody{told}.", False


def held(events: Sequence[AnyEvent]) -> tuple[float, str]:
    """The most memory that the job is known to have held, and what that is.

    The processes' sum in the iterations and the first process's between them, else the largest process that has ended.
    """
    peaks = [
        sum(value or 0.0 for value in event.peak_memory_GB)
        for event in events
        if isinstance(event, Iteration)
    ]
    peaks += [event.memory_GB or 0.0 for event in events if isinstance(event, Heartbeat)]
    if any(peaks):
        return max(peaks), "peak"
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e9, (
        "its largest process held"
    )
