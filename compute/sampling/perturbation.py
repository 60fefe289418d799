"""The random displacement of the sampling grids, drawn anew in every iteration."""

import numpy as np
from jaxtyping import Float64


def draw(
    generator: np.random.Generator, fine_step_deg: float, fine_step_A: float, factor: float
) -> tuple[Float64[np.ndarray, "3"], Float64[np.ndarray, "2"]]:
    """Return a small rotation vector (radians) and a shift (Å) that move the grids as a whole.

    Each component is uniform and independent, at most factor times the fine step either way: with
    the usual factor of 0.5 half a fine cell, so that over iterations every pose is sampled; with 0
    nothing moves. The same displacement holds for all particles and both halves. Raises ValueError
    when factor is outside 0 to 1.
    """
    if not 0.0 <= factor <= 1.0:
        raise ValueError(f"perturbation factor is {factor} but must be between 0 and 1")
    uniform = generator.uniform(-factor, factor, size=5)
    return uniform[:3] * np.radians(fine_step_deg), uniform[3:] * fine_step_A
