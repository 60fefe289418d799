"""Arrays on large pages are arrays of zeros like others."""

import mmap
from pathlib import Path

import numpy as np
import pytest

from compute.projection import large_pages

SETTING = Path("/sys/kernel/mm/transparent_hugepage/enabled")


def kilobytes(name: str, address: int) -> int:
    """A figure of the mapping that holds an address, as the system tells it."""
    is_inside = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        words = line.split()
        if "-" in words[0] and not words[0].endswith(":"):
            first, end = (int(number, 16) for number in words[0].split("-"))
            is_inside = first <= address < end
        elif is_inside and words[0] == f"{name}:":
            return int(words[1])
    return 0


@pytest.mark.parametrize("shape", [(3, 5), (1 << 20, 3), (101, 103, 105)])
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_an_array_of_zeros_that_can_be_written(shape: tuple[int, ...], dtype: type) -> None:
    array = large_pages.zeros(shape, dtype)
    assert array.shape == shape and array.dtype == dtype
    assert array.flags.c_contiguous and array.flags.writeable and not array.any()
    array[...] = 1
    assert float(array.sum(dtype=np.float64)) == array.size


@pytest.mark.skipif(
    not SETTING.is_file() or "[never]" in SETTING.read_text(), reason="no large pages here"
)
def test_a_large_array_lies_on_large_pages() -> None:
    array = large_pages.zeros((5 << 20,), np.float32)
    array[:] = 1.0
    assert kilobytes("AnonHugePages", array.ctypes.data) >= 16 << 10


def test_a_kernel_without_large_pages_gives_an_ordinary_array(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(mmap, "MADV_HUGEPAGE", raising=False)
    array = large_pages.zeros((2 << 20,), np.float32)
    assert array.shape == (2 << 20,) and not array.any()
