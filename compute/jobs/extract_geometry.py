"""Where the boxes of an extraction lie: recentred coordinates, centres, and what is beyond the edge."""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64, Int64


def recentred(
    coordinates: Float64[np.ndarray, "particle 2"],
    origins_A: Float64[np.ndarray, "particle 2"],
    image_pixel_A: Float64[np.ndarray, "particle"],
    micrograph_pixel_A: Float64[np.ndarray, "particle"],
    target_px: Float64[np.ndarray, "particle 2"] | float = 0.0,
) -> tuple[Float64[np.ndarray, "particle 2"], Float64[np.ndarray, "particle 2"]]:
    """Coordinates moved by whole micrograph pixels, and the offsets (Å) that are left: at most half a pixel.

    origins_A: the shift that brings a particle to the middle of its box. image_pixel_A: pixel size of the
    old images, in whose pixels target_px says where the point to centre on lies from the particle's
    middle. Halves are rounded away from zero; fractions of coordinates stay as they are. The order of the
    divisions decides which way an exact half goes after rounding, and is RELION's.
    """
    image_A, micrograph_A = image_pixel_A[:, None], micrograph_pixel_A[:, None]
    shift = (origins_A / image_A - target_px) * (image_A / micrograph_A)
    whole = np.copysign(np.floor(np.abs(shift) + 0.5), shift)
    return coordinates - whole, (shift - whole) * micrograph_A


def projected(
    angles_deg: Float64[np.ndarray, "particle 3"], point: Sequence[float]
) -> Float64[np.ndarray, "particle 2"]:
    """Where a point of the map (x, y, z from its middle) lies in each image, in the same unit."""
    from compute.sampling.rotations import euler_to_matrix  # it brings scipy, which takes a while

    turned: np.ndarray = euler_to_matrix(angles_deg) @ np.asarray(point, dtype=np.float64)
    return turned[:, :2]


def box_centres(
    coordinates: Float64[np.ndarray, "particle 2"],
) -> Int64[np.ndarray, "particle 2"]:
    """The pixel (x, y) at each box's middle: fractions are cut off downwards.

    RELION cuts towards zero, so its centre is one pixel higher for negative fractions.
    """
    return np.floor(coordinates).astype(np.int64)


def extent_text(values: Float64[np.ndarray, "particle 2"]) -> str:
    """The range of coordinates as a short text."""
    low, high = values.min(axis=0), values.max(axis=0)
    return f"x {math.floor(low[0])} to {math.ceil(high[0])}, y {math.floor(low[1])} to {math.ceil(high[1])}"
