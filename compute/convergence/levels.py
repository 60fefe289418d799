"""The next finer level of sampling."""

from dataclasses import replace

from compute.convergence.state import UNKNOWN, Settings, State

FINE_ENOUGH = 0.75
"""Largest fine step that is worth its time, as a fraction of the estimated angular accuracy."""

FINE_OFFSET_STEP_CAP_A = 1.5
"""Largest fine offset step after the first level, Å."""


def refined(state: State, settings: Settings) -> State:
    """The state one sampling level finer, its counters cleared."""
    old = state.sampling
    range_A, step_A = _offsets(state, settings)
    sampling = replace(
        old,
        order=old.order + 1,
        is_local=old.order + 1 >= settings.local_order,
        offset_range_A=range_A,
        offset_step_A=step_A,
    )
    return replace(
        state,
        sampling=sampling,
        iterations_without_gain=0,
        iterations_without_changes=0,
        iterations_at_level=0,
        smallest_angle_change_deg=UNKNOWN,
        smallest_offset_change_A=UNKNOWN,
    )


def _offsets(state: State, settings: Settings) -> tuple[float, float]:
    """The next range and coarse step of the offset search in Å, both kept if no finer is needed.

    The range follows five times the last change of offsets, down to three fine steps and one
    pixel; the step is at least a quarter of it, so that the grid stays below 50 points.
    """
    old, factor = state.sampling, 2.0**state.sampling.oversampling
    step_A = factor * min(FINE_OFFSET_STEP_CAP_A, FINE_ENOUGH * state.accuracy_offset_A)
    range_A = max(min(1.3 * old.offset_range_A, 5.0 * state.offset_change_A), 1.5 * step_A)
    if range_A > 4 * step_A:
        range_A /= 2
    range_A = max(range_A, 3.0 * step_A / factor, settings.pixel_size_A)
    step_A = max(step_A, range_A / 4)
    if step_A > old.offset_step_A:
        return old.offset_range_A, old.offset_step_A
    return range_A, step_A
