"""What the plots of a refinement's history draw: columns by iteration."""

from collections.abc import Sequence

from compute.files.events import Iteration
from webapp.components.look import Data, known

FINE_ENOUGH = 0.75
"""A step below this part of the accuracy is fine enough."""


def history_data(rows: Sequence[Iteration]) -> Data:
    """The columns of all plots by iteration."""
    normal = [row for row in rows if not row.is_final]
    final = [row for row in rows if row.is_final]
    return {
        "rows": _columns(rows),
        "normal": _resolutions(normal),
        "final": _resolutions(final),
        "local": _resolutions(_first_local(rows)),
    }


def _columns(rows: Sequence[Iteration]) -> dict[str, Sequence[float]]:
    gains = [_gain(before, now) for before, now in zip((None, *rows), rows, strict=False)]
    return {
        "iteration": [row.iteration for row in rows],
        "step_deg": known([row.fine_step_deg for row in rows]),
        "accuracy_deg": known([row.accuracy_angles_deg for row in rows]),
        "limit_deg": known([_scaled(row.accuracy_angles_deg) for row in rows]),
        "change_deg": known([row.change_angles_deg for row in rows]),
        "step_A": known([row.fine_offset_step_A for row in rows]),
        "accuracy_A": known([row.accuracy_offsets_A for row in rows]),
        "limit_A": known([_scaled(row.accuracy_offsets_A) for row in rows]),
        "change_A": known([row.change_offsets_A for row in rows]),
        "pmax": known([row.mean_pmax for row in rows]),
        "gain": known(gains),
        "seconds": known([row.seconds for row in rows]),
        "stalls": [row.iterations_without_gain for row in rows],
    }


def _gain(before: Iteration | None, now: Iteration) -> float | None:
    """By how much the log-likelihood rose; unknown until two iterations went by likelihood."""
    if before is None or before.accuracy_angles_deg is None:
        return None
    if now.log_likelihood is None or before.log_likelihood is None:
        return None
    return now.log_likelihood - before.log_likelihood


def _scaled(value: float | None) -> float | None:
    return None if value is None else FINE_ENOUGH * value


def _resolutions(rows: Sequence[Iteration]) -> dict[str, Sequence[float]]:
    return {
        "iteration": [row.iteration for row in rows],
        "fsc0143": known([row.resolution_fsc0143_A for row in rows]),
        "fsc05": known([row.resolution_fsc05_A for row in rows]),
    }


def _first_local(rows: Sequence[Iteration]) -> list[Iteration]:
    """The iteration with which local searches began, if they have."""
    return [row for row in rows if row.is_local_search][:1]
