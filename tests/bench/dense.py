"""The matrix product of the first pass beside the machine's peak: `python -m tests.bench.dense [OUT.json]`.

Blocks of 16 images at all orientations and shifts of the grid that they share, in the parts and the room of the search
on the CPU, in the sizes that the speed benchmark's cases have there; one thread, processor seconds, the best of
several. Slices, priors and the cut that follow are not in it: they belong to the whole first pass, whose share of its
floor the speed benchmark shows.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import torch

from compute.expectation.shared_pass import ORIENTATIONS, products
from tests.bench.machine import kind, measure_peak, peak_record

RESULTS = Path(__file__).parent / "results" / "dense.json"
IMAGES, ROUNDS = 16, 9
SHAPES = {
    "15 degrees": (1152, 21, 355),
    "7.5 degrees": (9216, 21, 565),
    "3.75 degrees": (73728, 21, 355),
    "7.5 degrees, few pixels": (9216, 21, 150),
    "7.5 degrees, without symmetry": (36864, 29, 300),
}
"""Orientations, shifts and pixels."""


def measured(orientations: int, shifts: int, pixels: int) -> float:
    """GFLOP/s of the product."""
    slices = torch.randn(orientations, 2 * pixels)
    moved = torch.randn(IMAGES * shifts, 2 * pixels)
    room = torch.empty(len(moved) * min(ORIENTATIONS, orientations))
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.thread_time()
        for some in slices.split(ORIENTATIONS):
            products(some, moved, room)
        best = min(best, time.thread_time() - began)
    return 4 * pixels * orientations * IMAGES * shifts / best / 1e9


def main(arguments: list[str]) -> None:
    """Measure and keep the figures."""
    torch.set_num_threads(1)
    peak = measure_peak()
    found: dict[str, Any] = {}
    for name, shape in SHAPES.items():
        rate = measured(*shape)
        found[name] = {
            "orientations": shape[0],
            "shifts": shape[1],
            "pixels": shape[2],
            "GFLOPs": round(rate, 1),
            "share_of_peak": round(rate / peak.product_GFLOPs, 3),
        }
        print(f"{name:32s} {rate:6.1f} GFLOP/s, {rate / peak.product_GFLOPs:.0%} of the peak")
    target = Path(arguments[0]) if arguments else RESULTS
    record = {"machine": kind(), "peak": peak_record(peak), "products": found}
    target.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
