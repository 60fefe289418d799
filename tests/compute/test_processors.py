"""Kernels compiled for a processor without the widest vectors give the same."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

FEATURES = "+avx,+avx2,+fma,+f16c,+bmi,+bmi2,+popcnt,+lzcnt,+sse3,+ssse3,+sse4.1,+sse4.2,+cx16"
SCRIPT = """
import numpy as np
import torch

from compute.compiled import has
from compute.expectation.product_vectors_cpu import MULTIPLIED
from compute.expectation.products_cpu import add_all_products
from compute.projection import kernels_cpu, kernels_torch
from compute.projection.slices import build_for_slicing, slices
from compute.signal.fourier import half_plane_pixels

assert not has("avx512f") and not kernels_cpu.GATHERS and MULTIPLIED == 8
draw = torch.Generator().manual_seed(3)
projector = build_for_slicing(torch.randn(32, 32, 32, generator=draw), 2, 32)
pixels = half_plane_pixels(32, 1.0)
turns = torch.linalg.qr(torch.randn(7, 3, 3, generator=draw)).Q.contiguous()
inside = pixels.model_x**2 + pixels.model_y**2 < 15.9**2
x, y = pixels.model_x[inside].contiguous(), pixels.model_y[inside].contiguous()
found = slices(projector, turns, x, y)
expected = kernels_torch.slices(projector.values, turns, x, y, 2)
print(float((found - expected).abs().max() / expected.abs().max()))
rows, phases = (torch.randn(k, 2, 48, generator=draw).numpy() for k in (3, 9))
out = np.zeros((3, 9), np.float32)
rows[:, :, 37:] = 0
add_all_products(rows, 37, phases, 0, out)
print(float(np.abs(out - np.einsum("opk,spk->os", rows, phases)).max()))
"""


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="for x86 only")
def test_a_processor_with_vectors_of_eight_numbers_finds_the_same(tmp_path: Path) -> None:
    """Slices and products, against their definitions."""
    chosen = {
        "NUMBA_CPU_NAME": "haswell",
        "NUMBA_CPU_FEATURES": FEATURES,
        "NUMBA_CACHE_DIR": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={**os.environ, **chosen},
        capture_output=True,
        text=True,
        check=True,
    )
    of_slices, of_products = map(float, done.stdout.split())
    assert of_slices < 1e-5
    assert of_products < 1e-4
