"""How well a mask fits a molecule: what it cuts off, how close and how wide it is, how sharp its edge."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float32
from scipy import ndimage

from compute.signal.distance import bounds, distance_from

Grade = Literal["good", "cuts", "tight", "sharp", "loose"]

LARGEST_CUT = 0.01
"""Part of the molecule that a mask may leave out before it is said to cut."""
SMALLEST_MARGIN_A = 3.0
"""Distance from the molecule's surface to the middle of the edge: about the reach of a side chain beyond the
smooth surface that is found at low resolution."""
LARGEST_MARGIN_A = 25.0
"""Median distance beyond which most of what is masked around the molecule is solvent noise."""
LEAST_EDGE = 1.0
"""Width of the edge over the resolution. A product with an edge of width w mixes frequencies that are 1/w apart,
which should be less than the frequency 1/d that is claimed."""
FARTHEST_A = 30.0


@dataclass(frozen=True, slots=True)
class MaskGrade:
    """The judgement on a mask and the figures behind it.

    cut_fraction: part of the molecule's volume where the mask is below 0.5. margin_A: distances of the mask's half
    height from the molecule's surface, the 5th percentile and the median (0 where the mask cuts; none beyond 30 Å).
    volume_ratio: mask over molecule. edge_A: width of the soft edge, edge_over_resolution that over the resolution.
    """

    grade: Grade
    remarks: tuple[str, ...]
    cut_fraction: float
    closest_margin_A: float
    median_margin_A: float
    volume_ratio: float
    edge_A: float
    edge_over_resolution: float | None


def grade_mask(
    mask: Float32[np.ndarray, "z y x"],
    is_molecule: Bool[np.ndarray, "z y x"],
    pixel_size_A: float,
    edge_A: float,
    resolution_A: float | None,
) -> MaskGrade:
    """The judgement on a mask for a molecule that fills some voxels (at least one)."""
    is_inside = mask >= 0.5
    cut = 1.0 - float(is_inside[is_molecule].mean())
    ratio = float(is_inside.sum()) / float(is_molecule.sum())
    closest, median = _margins_A(is_inside, is_molecule, pixel_size_A)
    over = None if resolution_A is None else edge_A / resolution_A
    found: dict[Grade, str] = {}
    if cut > LARGEST_CUT:
        found["cuts"] = (
            f"It cuts off {cut:.1%} of the molecule: lower the threshold or extend it further."
        )
    if closest < SMALLEST_MARGIN_A:
        found["tight"] = (
            f"It comes within {closest:.1f} Å of the molecule's surface; {SMALLEST_MARGIN_A:g} Å are safe: "
            "extend it further."
        )
    if edge_A <= 0 or (over is not None and over < LEAST_EDGE):
        told = "has no soft edge" if edge_A <= 0 else f"has an edge of {edge_A:.1f} Å"
        wanted = "one" if resolution_A is None else f"at least {LEAST_EDGE * resolution_A:.1f} Å"
        found["sharp"] = (
            f"It {told}, which makes masked FSC curves too good: give it {wanted} (--width_soft_edge)."
        )
    if median > LARGEST_MARGIN_A:
        found["loose"] = (
            f"It ends {median:.0f} Å from the molecule's surface and holds {ratio:.1f} times its volume, mostly "
            "solvent: the masked FSC will show less than the molecule's resolution."
        )
    first: Grade = next(iter(found), "good")
    return MaskGrade(first, tuple(found.values()), cut, closest, median, ratio, edge_A, over)


def _margins_A(
    is_inside: Bool[np.ndarray, "z y x"],
    is_molecule: Bool[np.ndarray, "z y x"],
    pixel_size_A: float,
) -> tuple[float, float]:
    """How far the outermost voxels of the mask are from the molecule: the 5th percentile and the median.

    Half a voxel is added, as the half height lies between a voxel inside and one outside.
    """
    around = bounds(is_inside, 1)
    if around is None:
        return 0.0, 0.0
    near = is_inside[around]
    is_surface = near & ~ndimage.binary_erosion(near, border_value=1)
    reach = math.ceil(FARTHEST_A / pixel_size_A)
    distance = distance_from(is_molecule, reach)[around][is_surface]
    if not len(distance):  # the mask fills the box
        return FARTHEST_A, FARTHEST_A
    margins = np.minimum((distance + 0.5 * (distance > 0)) * pixel_size_A, FARTHEST_A)
    return float(np.percentile(margins, 5)), float(np.median(margins))
