"""How far an agreement of the halves may be believed: not where they share data or a start map."""

from math import ceil, pi, sqrt

import numpy as np

from compute.convergence.resolution import Curve, crossing_shell
from compute.convergence.state import Settings

WITNESSES = 3
"""Shells next to the shared ones that may show an agreement of their own: the first, the first two, or all of them."""

CHANCE_DEVIATIONS = 3.5
"""Standard deviations of a chance agreement that their mean FSC has to pass."""

LEAST_FSC, MOST_FSC = 0.143, 0.7
"""Bounds of that threshold: a claim needs 0.143 anyway; where high symmetry leaves few independent values in these
shells, 0.7 is enough: real signal at such low resolution agrees nearly fully."""


def shared_limit_A(settings: Settings) -> float:
    """The finest resolution in Å that the halves share, by the join or the low-passed start map; 0.0 if none."""
    limits = [settings.low_resolution_join_A, settings.initial_lowpass_A]
    return min((limit for limit in limits if limit > 0), default=0.0)


def shared_shells(settings: Settings) -> int:
    """The last shell that the halves share: interpolation carries the join one further. 0 if they share nothing."""
    limit_A = shared_limit_A(settings)
    return ceil(settings.extent_A / limit_A - 1e-6) + 1 if limit_A > 0 else 0


def sees_beyond(unmasked: Curve, settings: Settings) -> bool:
    """Whether the halves agree next to the shells that they share, by more than chance.

    Chance: an FSC of noise over n independent values has the deviation 1 / sqrt(2 n); a point group leaves one value in
    its order, and a map that is empty outside the particle's sphere the sphere's part of the box. True where nothing is
    shared or no shells are left to ask. The curve must be without a mask, which would carry shared shells further.
    """
    first, last = shared_shells(settings) + 1, settings.last_shell
    if shared_limit_A(settings) <= 0 or first > last:
        return True
    curve = np.asarray(unmasked, dtype=np.float64)
    filled = min(1.0, pi / 6 * (settings.particle_diameter_A / settings.extent_A) ** 3)
    for end in range(first, min(first + WITNESSES, last + 1)):
        weight = np.arange(first, end + 1, dtype=np.float64) ** 2
        independent = 2 * pi * weight.sum() * filled / settings.symmetry_order
        chance = CHANCE_DEVIATIONS / sqrt(2 * independent)
        mean = float((curve[first : end + 1] * weight).sum() / weight.sum())
        if mean >= min(max(LEAST_FSC, chance), MOST_FSC):
            return True
    return False


def without_claims(curve: Curve, settings: Settings) -> np.ndarray:
    """The curve with 0 in every shell that the halves do not share."""
    values = np.array(curve, dtype=np.float64)
    values[shared_shells(settings) + 1 :] = 0.0
    return values


def claims_beyond(curve: Curve, settings: Settings) -> bool:
    """Whether a curve says anything about shells that the halves do not share."""
    return bool(np.asarray(curve)[shared_shells(settings) + 1 :].any())


def reported_A(curve: Curve, threshold: float, settings: Settings, minimum_shell: int = 1) -> float:
    """The resolution in Å at which an FSC curve may be said to cross a threshold.

    It is that of the last shell before the first one below the threshold, at least `minimum_shell`. A crossing among
    the shared shells is reported as their limit.
    """
    limit_A, last = shared_limit_A(settings), settings.last_shell
    shell = crossing_shell(curve, threshold, last)
    found_A = settings.extent_A / max(shell, minimum_shell)
    return max(found_A, limit_A) if shell <= shared_shells(settings) else found_A
