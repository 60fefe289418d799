"""Kernels for GPUs pass Triton's compiler and NVIDIA's assembler, without a GPU."""

import subprocess
import sys

KERNELS = ("_scores", "_model_sums", "_put_back", "_slices", "_insert", "_add_rotated")


def test_all_kernels_compile() -> None:
    """In a process of its own: this one runs Triton's interpreter."""
    words = [sys.executable, "-m", "tests.compute.compiling"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    for capability in (80, 90):
        here = [line for line in lines if line.startswith(f"sm_{capability} ")]
        assert {line.split()[1] for line in here} >= {*KERNELS, "_add_half_shells"}
        for line in here:
            puts_back = line.split()[1] in ("_put_back", "_insert")
            assert line.endswith(f"adds four: {puts_back and capability == 90}"), line
