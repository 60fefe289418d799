"""Image sizes and the angular step that a resolution asks for.

Sizes are even numbers of pixels of the model box; algorithm specification 4.4 and 4.5.
"""

from math import ceil, pi

import numpy as np

from compute.convergence.resolution import first_below
from compute.convergence.state import Settings, State

HIGH_FSC = 0.2
"""FSC next to the edge of the image above which signal surely continues beyond the edge."""

SHARP_PMAX = 0.1
"""Mean maximum posterior below which agreement of the halves is partly blur, not signal."""

LOST_GAIN = 0.95
"""The image shrinks only if the integrated FSC fell below this fraction of its best."""

ROUNDING = 1e-6
"""Slack for whole numbers that went through a division (L / resolution)."""


def current_size(state: State, settings: Settings) -> int:
    """The even image size (px) for alignment, from the working resolution.

    It keeps the size of the iteration before unless the maps have become clearly worse: a flag
    or a crossing lost by chance would cost the outer shells of the maps.
    """
    shell = nearest(settings.extent_A / state.resolution_A)
    is_sharp = state.has_normal_iteration and state.mean_pmax > SHARP_PMAX
    jump = nearest(0.25 * settings.box / 2) if is_sharp and state.has_high_fsc else 0
    shell += max(jump, state.size_increment)
    size = min(2 * shell, settings.box)
    is_worse = (
        state.resolution_A > state.sized_resolution_A + ROUNDING
        and state.gain_measure < LOST_GAIN * state.best_gain_measure
    )
    return size if is_worse else max(size, state.current_size)


def size_increment(curve: np.ndarray, settings: Settings) -> int:
    """Shells beyond the working resolution that the next image holds.

    At least 10, else 5 more than where the FSC falls below 0.143, at most half of all shells.
    """
    last = settings.last_shell
    tail = first_below(curve, 0.143, last) - first_below(curve, 0.5, last) + 5
    return max(10, min(tail, settings.box // 4))


def coarse_size(settings: Settings, coarse_step_deg: float, current_size: int) -> int:
    """The image size (px) of the first pass: details that a coarse step still keeps in phase.

    At most the current size, which local searches usually reach (specification 4.5).
    """
    detail_A = coarse_step_deg / 360.0 * pi * settings.particle_diameter_A / 1.2
    return min(2 * ceil(settings.extent_A / detail_A), current_size)


def needed_step_deg(resolution_A: float, particle_diameter_A: float) -> float:
    """The angular step at which neighbours differ by one resolution element at the rim."""
    return 360.0 / ceil(pi * particle_diameter_A / resolution_A)


def nearest(value: float) -> int:
    """The nearest whole number of a positive value, halves upwards."""
    return int(value + 0.5 + ROUNDING)
