"""How far an agreement of the halves may be believed: not where they share data or a start map."""

from math import ceil

import numpy as np

from compute.convergence.resolution import Curve, crossing_shell
from compute.convergence.state import Settings

SHARED_REACH = 5
"""Shells beyond the shared ones to which agreement spreads without any signal: the solvent mask, which is as narrow as
the molecule, carries the references' common part further, where noise then aligns to it. On pure noise (500 images of
64 px, join at 40 Å, C1 and D2) the FSC reached 0.6 in the shell next to the join, which counts as shared because
interpolation carries the join into it, 0.25 in the three after it, and chance alone 0.12 from there."""

SHARED_AGREEMENT = 0.5
"""FSC that a shell within this reach must have to count; real signal at such low resolution has far more."""

NO_SIGNAL = 0.143
"""Mean FSC of the shells after those within reach, as many again, below which nothing is seen there."""


def shared_limit_A(settings: Settings) -> float:
    """The finest resolution in Å that the halves share, by the join or the low-passed start map; 0.0 if none."""
    limits = [settings.low_resolution_join_A, settings.initial_lowpass_A]
    return min((limit for limit in limits if limit > 0), default=0.0)


def reported_A(curve: Curve, threshold: float, settings: Settings, minimum_shell: int = 1) -> float:
    """The resolution in Å at which an FSC curve may be said to cross a threshold.

    It is that of the last shell before the first one below the threshold, at least `minimum_shell`. Where the curve
    shows nothing beyond the reach of what the halves share, shells within reach must agree by `SHARED_AGREEMENT` to
    count, and a crossing among the shared shells is reported as their limit.
    """
    last, limit_A = settings.last_shell, shared_limit_A(settings)
    values = np.array(curve, dtype=np.float64)
    shared = ceil(settings.extent_A / limit_A - 1e-6) + 1 if limit_A > 0 else 0
    near = slice(shared + 1, shared + SHARED_REACH + 1)
    beyond = values[near.stop : near.stop + SHARED_REACH]
    if limit_A > 0 and (not beyond.size or float(beyond.mean()) < NO_SIGNAL):
        values[near] = np.where(values[near] < SHARED_AGREEMENT, -1.0, values[near])
    shell = crossing_shell(values, threshold, last, minimum_shell)
    found_A = settings.extent_A / shell
    return max(found_A, limit_A) if shell <= shared else found_A
