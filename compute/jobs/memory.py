"""Memory of this process and of the machine."""

import ctypes
import resource
import sys

import psutil

BYTES_PER_GB = 1e9
KEPT_BYTES = 1 << 30
"""The largest block that is kept: a map of 640 voxels a side."""
SURELY_KEPT_BYTES = 1 << 25
"""What older C libraries agree to as well, which refuse more."""
MOST_BYTES = (1 << 31) - 1
LITTLE_BYTES = 256 * 10**6
"""Freed memory that a process may keep for its next arrays. Having it cleared anew by the system in every iteration
took a twelfth of the processor time of a refinement of 64 voxels a side."""
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""From <malloc.h>."""


class _Allocations(ctypes.Structure):
    """`struct mallinfo2` of <malloc.h>."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    ]


def resident_GB() -> float:
    """The memory that this process holds now."""
    return psutil.Process().memory_info().rss / BYTES_PER_GB


def peak_GB() -> float:
    """The most memory that this process has held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / BYTES_PER_GB


def available_GB() -> float:
    """The memory of the machine that programs can still have."""
    return psutil.virtual_memory().available / BYTES_PER_GB


def keep_freed(largest_bytes: int = KEPT_BYTES) -> None:
    """Let the C library keep memory that is freed, for the next array of that size.

    Otherwise every larger array is fresh memory, page by page from the system: in extraction that took as long as the
    Fourier transforms, and half of the time in which a preview is made of maps of 256 voxels a side.
    """
    if sys.platform == "linux":
        choose = getattr(ctypes.CDLL(None), "mallopt", None)
        if choose is not None:
            for size in sorted({min(SURELY_KEPT_BYTES, largest_bytes), largest_bytes}):
                choose(M_MMAP_THRESHOLD, size)
                choose(M_TRIM_THRESHOLD, min(8 * size, MOST_BYTES))


def give_back(but_bytes: int = LITTLE_BYTES) -> None:
    """Return memory that was freed to the system, unless it is no more than `but_bytes` anyway.

    The C library may keep blocks for later; one that does not tell how much it keeps returns all.
    """
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None and _freed_bytes() > but_bytes:
            trim(0)


def _freed_bytes() -> int:
    """What the C library holds for arrays to come, returned or not; the most imaginable where it does not tell."""
    tell = getattr(ctypes.CDLL(None), "mallinfo2", None)
    if tell is None:
        return sys.maxsize
    tell.restype = _Allocations
    return int(tell().fordblks)
