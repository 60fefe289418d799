"""What other ways of searching would gain, measured on one core: `python -m tests.bench.research [OUT.json]`.

Polar: the scores of all in-plane angles of a direction are one product for each angular order, and a transform along
the angle; the image is taken as sampled on rings already. Shifts: how many of their phase patterns are needed to make
all of them to a part in a hundred or a thousand (singular values). Neither is used; README.md here says why.
"""

import json
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

RESULTS = Path(__file__).parent / "results" / "research.json"
SHIFTS = 21
GLOBAL_SEARCHES = ((250, 24, 48, 14), (125, 96, 96, 20), (60, 384, 192, 30))
"""Images, directions of D2, in-plane angles, and radius in pixels: steps of 7.5, 3.75 and 1.875 degrees."""
SHIFT_GRIDS = ((5, 2.0), (5, 1.0), (3, 0.5))
"""Range and step, pixels of an image of 64."""
SIZES = (16, 32, 64)


def best_ms(work: Callable[[], object], rounds: int = 5) -> float:
    """The least processor time of some rounds."""
    times = []
    for _ in range(rounds):
        began = time.thread_time()
        work()
        times.append(time.thread_time() - began)
    return round(1e3 * min(times), 1)


def polar(images: int, directions: int, angles: int, radius: int) -> dict[str, Any]:
    """Scores of all poses by one matrix product, and by rings."""
    pixels = int(math.pi * radius**2 / 2)
    shifted, slices = (
        torch.randn(images * SHIFTS, 2 * pixels),
        torch.randn(2 * pixels, directions * angles),
    )
    scores = torch.empty(images * SHIFTS, directions * angles)
    orders = int(math.pi * radius) + 1
    kind = torch.complex64
    rings = torch.randn(orders, images * SHIFTS, radius, dtype=kind)
    other = torch.randn(orders, radius, directions, dtype=kind)
    products = torch.bmm(rings, other)
    used = min(orders, angles // 2 + 1)

    def turned() -> torch.Tensor:
        return torch.fft.irfft(products[:used].permute(1, 2, 0).contiguous(), n=angles)

    return {
        "images": images,
        "directions": directions,
        "in-plane angles": angles,
        "radius_px": radius,
        "one product, ms": best_ms(lambda: torch.mm(shifted, slices, out=scores)),
        "products of rings, ms": best_ms(lambda: torch.bmm(rings, other)),
        "transforms, ms": best_ms(turned),
    }


def rank(size: int, reach: float, step: float) -> dict[str, Any]:
    """How many patterns stand for all shifts of a grid in the pixels of an image cut to this size."""
    k = np.arange(-(size // 2), size // 2 + 1)
    y, x = np.meshgrid(k, k, indexing="ij")
    is_used = (x * x + y * y <= (size / 2) ** 2) & (x >= 0)
    grid = np.arange(-reach, reach + 1e-6, step)
    down, across = np.meshgrid(grid, grid, indexing="ij")
    is_near = down**2 + across**2 <= reach**2
    turns = np.outer(across[is_near], x[is_used]) + np.outer(down[is_near], y[is_used])
    values = np.linalg.svd(np.exp(-2j * np.pi * turns / 64), compute_uv=False)
    left = np.sqrt(np.cumsum(values[::-1] ** 2)[::-1] / np.sum(values**2))
    needed = {f"error {error:g}": int((left > error).sum()) for error in (1e-2, 1e-3)}
    return {
        "size_px": size,
        "range_px": reach,
        "step_px": step,
        "shifts": int(is_near.sum()),
    } | needed


def main() -> None:
    """Measure and write the result."""
    torch.set_num_threads(1)
    found = {
        "polar": [polar(*one) for one in GLOBAL_SEARCHES],
        "shifts": [rank(size, *grid) for grid in SHIFT_GRIDS for size in SIZES],
    }
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else RESULTS
    path.write_text(json.dumps(found, indent=1) + "\n")
    for one in (*found["polar"], *found["shifts"]):
        print(json.dumps(one))


if __name__ == "__main__":
    main()
