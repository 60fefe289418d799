"""The demo project: a simulated particle set, and its refinement from a map blurred to 50 Å."""

from collections.abc import Mapping
from typing import Any

DIAMETER_A = 160.0
SIMULATE: Mapping[str, Any] = {
    "phantom": True,
    "symmetry": "D2",
    "particles": 1000,
    "box": 64,
    "pixel_size_A": 3.54,
    "snr": 0.1,
    "micrographs": 12,
    "particle_diameter_A": DIAMETER_A,
    "random_seed": 1,
}
REFINE: Mapping[str, Any] = {
    "symmetry": "D2",
    "particle_diameter_A": DIAMETER_A * 1.2,
    "initial_lowpass_A": 50.0,
    "ignore_angles": True,
    "resolution_angles": True,
    "random_seed": 1,
}
