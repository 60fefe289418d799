"""What an FSC curve says: signal-to-noise, filters, resolutions and gain.

Curves are indexed by shell i = round(|k|) of the model box; FSC(0) = 1. Reported resolutions lie
on whole shells below Nyquist.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Curve = Sequence[float] | np.ndarray

LOWEST_FSC, HIGHEST_FSC = 0.001, 0.999
"""Limits of the FSC before it becomes a signal-to-noise ratio (algorithm specification 4.3)."""

SIGNIFICANT_FSC = 1.0 / 7.0
"""FSC between halves at which the joined map has as much signal as noise
(Rosenthal & Henderson 2003)."""

RELATIVE_GAIN = 0.01
"""Gain that counts, as a fraction of the best: small creeping (0.3 to 0.5 % an iteration, measured
on real data near the end) does not."""

ABSOLUTE_GAIN_SHELLS = 0.15
"""Gain that counts, in shells: well above what another grid perturbation changes in the integral,
well below the full shell by which the 0.5 crossing can jump when nothing has happened."""

DIP_SHELLS = 3
"""A curve rises again if it is above the threshold more than this many shells past its crossing
(algorithm specification 4.4)."""


def checked_curve(fsc: Curve, shells: int) -> NDArray[np.float64]:
    """The curve as float64, once it is long enough and defined everywhere.

    Raises ValueError that names the length or the first undefined shell.
    """
    curve = np.asarray(fsc, dtype=np.float64)
    if curve.ndim != 1 or curve.size < shells:
        raise ValueError(f"the FSC has shape {curve.shape} but must have at least {shells} shells")
    if not np.isfinite(curve).all():
        shell = int(np.flatnonzero(~np.isfinite(curve))[0])
        raise ValueError(f"the FSC of shell {shell} is {curve[shell]} but must be a number")
    return curve


def ssnr_from_fsc(fsc: Curve, tau2_fudge: float = 1.0, joined: bool = False) -> NDArray[np.float64]:
    """The spectral signal-to-noise ratio per shell, T f / (1 - f).

    f is the FSC between halves limited to 0.001 ... 0.999; for the joined map it is first turned
    into sqrt(2 f / (1 + f)), the correlation of the joined map with the truth (Rosenthal &
    Henderson 2003). T (`tau2_fudge`) is applied here and nowhere else.
    """
    clipped = np.clip(np.asarray(fsc, dtype=np.float64), LOWEST_FSC, HIGHEST_FSC)
    if joined:
        clipped = np.clip(np.sqrt(2 * clipped / (1 + clipped)), LOWEST_FSC, HIGHEST_FSC)
    return tau2_fudge * clipped / (1 - clipped)


def wiener_factor(ssnr: Curve) -> NDArray[np.float64]:
    """The factor per shell by which a Wiener filter scales the unregularised map."""
    ratio = np.asarray(ssnr, dtype=np.float64)
    return ratio / (1 + ratio)


def first_below(curve: Curve, threshold: float, last_shell: int) -> int:
    """The first shell from 1 on with a value below the threshold; last_shell + 1 if none."""
    below = np.flatnonzero(np.asarray(curve, dtype=np.float64)[1 : last_shell + 1] < threshold)
    return int(below[0]) + 1 if below.size else last_shell + 1


def crossing_shell(curve: Curve, threshold: float, last_shell: int, minimum_shell: int = 1) -> int:
    """The last shell before the curve first falls below the threshold.

    Never below `minimum_shell`. With an FSC and 0.5 this is the working resolution of a
    refinement (SSNR 1 in the half maps). A curve that rises again does not count:
    see `rises_again_shell`.
    """
    return max(minimum_shell, first_below(curve, threshold, last_shell) - 1)


def rises_again_shell(
    curve: Curve, threshold: float, last_shell: int, minimum_shell: int = 1
) -> int | None:
    """The last shell above the threshold if the curve dips before it, else None.

    Only shells more than 3 past the first crossing are named: less is noise in single shells.
    """
    first = crossing_shell(curve, threshold, last_shell, minimum_shell)
    values = np.asarray(curve, dtype=np.float64)[: last_shell + 1]
    above = np.flatnonzero(values > threshold)
    last = int(above[-1]) if above.size else 0
    return last if last > first + DIP_SHELLS else None


def gain_measure(fsc: Curve, last_shell: int, minimum_shell: int = 5) -> float:
    """The integrated FSC above its significance level, in shells.

    A shell adds (f - 1/7) / (6/7), from 0 at the level where the joined map is half noise to 1 at
    full agreement. Shells without signal add nothing, however many the image size brings in,
    and a dip in the middle of the curve costs only the dip, where a crossing would lose
    everything behind it.
    """
    values = np.asarray(fsc, dtype=np.float64)[minimum_shell : last_shell + 1]
    return float(np.clip((values - SIGNIFICANT_FSC) / (1 - SIGNIFICANT_FSC), 0.0, 1.0).sum())


def is_gain(measure: float, best: float) -> bool:
    """Whether an integrated FSC is better than the best one by more than chance.

    It must be above the best so far by 1 % and by 0.15 shell. A resolution that only swings
    between two values never gains twice, and because the measure is bounded, the number of
    gains is, too.
    """
    return measure > best * (1 + RELATIVE_GAIN) and measure > best + ABSOLUTE_GAIN_SHELLS
