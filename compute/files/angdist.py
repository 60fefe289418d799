"""The `_angdist.bild` file: how often each direction is viewed, as cylinders around the map."""

from pathlib import Path

import numpy as np
from jaxtyping import Float

from compute.files.atomic import write_whole

GROWTH = 0.3
"""Length of the longest cylinder relative to the radius of the sphere it stands on."""


def write_angular_distribution(
    path: Path | str,
    directions_deg: Float[np.ndarray, "direction 2"],
    weights: Float[np.ndarray, "direction"],
    extent_A: float,
    step_deg: float,
) -> None:
    """Write one coloured cylinder per viewed direction, in Å, for a map with its corner at zero.

    Cylinders stand on the sphere inscribed in the box of edge `extent_A`; their outer radius grows
    with the weight (particles, or probability), blue to red, and they are half a step wide.
    `directions_deg` are rot and tilt. Directions that no particle has are left out.
    """
    rot, tilt = np.deg2rad(directions_deg.astype(np.float64)).T
    axes = np.stack([np.sin(tilt) * np.cos(rot), np.sin(tilt) * np.sin(rot), np.cos(tilt)], axis=1)
    radius_A = extent_A / 2.0
    width_A = radius_A * np.deg2rad(step_deg) / 2.0
    largest = float(weights.max(initial=0.0))
    lines = []
    for axis, weight in zip(axes, weights, strict=True):
        if weight <= 0.0:
            continue
        share = float(weight) / largest
        base = radius_A * (1.0 + axis)
        tip = radius_A * (1.0 + axis * (1.0 + GROWTH * share))
        points = " ".join(f"{value:.6g}" for value in (*base, *tip, width_A))
        lines.append(f".color {share:.6g} 0 {1.0 - share:.6g}\n.cylinder {points}\n")
    write_whole(path, "".join(lines).encode())
