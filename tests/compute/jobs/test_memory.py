"""What a process keeps of the memory that it has freed."""

import subprocess
import sys

import pytest

SCRIPT = """
import sys
import numpy as np
from compute.jobs.memory import SURELY_KEPT_BYTES, give_back, keep_freed, resident_GB

keep_freed(SURELY_KEPT_BYTES)
count, but_bytes = map(int, sys.argv[1:])
arrays = [np.ones(10**6, dtype=np.uint8) for _ in range(count)]
last = np.ones(10**5, dtype=np.uint8)  # behind the others, which cannot be cut off with the end of the heap
full = resident_GB()
del arrays
give_back(but_bytes)
print(full - resident_GB())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux is told what to keep")
@pytest.mark.parametrize(
    ("megabytes", "but_bytes", "is_returned"),
    [(100, 200 * 10**6, False), (100, 0, True), (300, 200 * 10**6, True)],
)
def test_only_much_freed_memory_is_returned(
    megabytes: int, but_bytes: int, is_returned: bool
) -> None:
    words = [sys.executable, "-c", SCRIPT, str(megabytes), str(but_bytes)]
    run = subprocess.run(words, capture_output=True, text=True, check=True)
    returned_GB = float(run.stdout)
    assert returned_GB > 0.9 * megabytes / 1000 if is_returned else returned_GB < 0.01
