"""Memory of this process and of the machine."""

import ctypes
import resource
import sys

import psutil

BYTES_PER_GB = 1e9


def resident_GB() -> float:
    """The memory that this process holds now."""
    return psutil.Process().memory_info().rss / BYTES_PER_GB


def peak_GB() -> float:
    """The most memory that this process has held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / BYTES_PER_GB


def available_GB() -> float:
    """The memory of the machine that programs can still have."""
    return psutil.virtual_memory().available / BYTES_PER_GB


def give_back() -> None:
    """Return memory that was freed to the system; the C library keeps blocks below 32 MB for later."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
