"""The floor of each phase: its work counted in operations and bytes, over what the machine reaches at most."""

from dataclasses import dataclass

from tests.bench.machine import Peak

SLICE_FLOPS, SLICE_BYTES = 56, 80
"""A sampled point: place (15), weights (9) and blending of eight complex neighbours (32); four pairs are read, one
value written, all in single precision: kernels that keep half floats move less, and may come nearer for it."""
INSERT_FLOPS, INSERT_BYTES = 76, 204
"""An inserted point: place and weights (24), eight neighbours of three numbers (52); all are read and written."""
COUNTED = ("pass 1", "pass 1, local", "pass 2", "insertion")


@dataclass(frozen=True)
class Floor:
    """What a phase must at least compute and move, and the seconds that takes on one core, the longer of both."""

    flops: float
    bytes: float
    seconds: float


def floor_of(phase: str, work: dict[str, float], peak: Peak) -> Floor:
    """The floor of a counted phase.

    Products are real multiplications with addition, two operations each; their operands are re-used, so that their
    bytes do not count.
    """
    if phase == "insertion":
        points = work.get("inserted samples", 0.0)
        return _floor(points * INSERT_FLOPS, points * INSERT_BYTES, peak)
    points, products = work.get(f"{phase} samples", 0.0), work.get(f"{phase} products", 0.0)
    return _floor(points * SLICE_FLOPS + 2 * products, points * SLICE_BYTES, peak)


def _floor(flops: float, moved: float, peak: Peak) -> Floor:
    seconds = max(flops / peak.product_GFLOPs, moved / peak.copy_GBs) / 1e9
    return Floor(flops, moved, seconds)
