"""Large arrays on pages of 2 MB: where places far apart are visited, most time would go into looking up their pages."""

import math
import mmap

import numpy as np
from numpy.typing import DTypeLike

PAGE_BYTES = 1 << 21
SMALLEST_BYTES = 1 << 22
"""Smaller arrays have few pages of any size."""


def zeros(shape: tuple[int, ...], dtype: DTypeLike) -> np.ndarray:
    """An array of zeros, on large pages where the system has them and it is worth it."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if size < SMALLEST_BYTES or not hasattr(mmap, "MADV_HUGEPAGE"):
        return np.zeros(shape, dtype)
    memory = mmap.mmap(-1, size + PAGE_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    try:
        memory.madvise(mmap.MADV_HUGEPAGE)
    except OSError:  # a kernel without them
        return np.zeros(shape, dtype)
    every = np.frombuffer(memory, np.uint8)
    first = -every.ctypes.data % PAGE_BYTES
    return every[first : first + size].view(dtype).reshape(shape)
