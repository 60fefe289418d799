"""The decision before an iteration: go on as before, sample finer, or make the final one.

Algorithm specification section 8, with the corrections of its opening paragraph.
"""

from dataclasses import replace

from compute.convergence.levels import FINE_ENOUGH, refined
from compute.convergence.sizes import needed_step_deg
from compute.convergence.state import Settings, State

POOR_ACCURACY_DEG = 10.0
"""Above this accuracy the particles cannot be aligned yet, and no step counts as fine enough."""

STALLS_TO_STOP = 2
"""Consecutive iterations without gain before the end: one alone may be chance."""

ITERATIONS_PER_LEVEL = 8
"""After this many iterations a sampling level is left even if maps or poses still move, and a
refinement that never aligned is given up after as many without gain."""


def is_settled(state: State, settings: Settings) -> bool:
    """Whether poses no longer move by much, do not matter, or have moved for too long."""
    return (
        settings.ignore_angles
        or state.iterations_without_changes >= 1
        or state.iterations_at_level >= ITERATIONS_PER_LEVEL
    )


def decide(state: State, settings: Settings) -> State:
    """The state with fineness judged, then converged, refined or unchanged."""
    step = state.sampling.fine_step_deg
    is_exhausted = (
        step < FINE_ENOUGH * state.accuracy_angle_deg
        or state.sampling.order >= settings.maximum_order
    )
    is_fine = is_exhausted and state.accuracy_angle_deg <= POOR_ACCURACY_DEG
    judged = replace(state, is_fine_enough=is_fine)
    is_old_level = state.iterations_at_level >= ITERATIONS_PER_LEVEL
    if is_exhausted:
        stalls = state.iterations_without_gain
        if (
            is_fine
            and state.is_fine_enough
            and stalls >= STALLS_TO_STOP
            and is_settled(state, settings)
        ):
            return converge(judged, "converged")
        if not is_fine and stalls >= ITERATIONS_PER_LEVEL:
            return converge(judged, "poor_accuracy")
        return judged
    has_stalled = (
        is_old_level or state.iterations_without_gain >= 1 or not state.has_resolution_gain
    )
    if not is_old_level and _becomes_local_too_soon(state, settings):
        return judged
    if is_settled(state, settings) and (has_stalled or _is_step_limiting(state, settings)):
        return refined(judged, settings)
    return judged


def _is_step_limiting(state: State, settings: Settings) -> bool:
    """Whether, for a user who wants finer sampling sooner, the step holds the maps back although they still gain.

    Either the resolution asks for a finer one, though not the first local one; or images can tell finer steps apart
    and their poses moved no further than the present one.
    """
    step = state.sampling.fine_step_deg
    needed = needed_step_deg(state.resolution_A, settings.particle_diameter_A)
    is_resolved = needed < step and state.sampling.order + 1 != settings.local_order
    is_at_rest = max(state.angle_change_deg, state.accuracy_angle_deg) <= step
    return settings.resolution_angles and (is_resolved or is_at_rest)


def _becomes_local_too_soon(state: State, settings: Settings) -> bool:
    """Whether the next level would search locally although many images still move far.

    They must have come to rest at the last global level, whatever the user says of changes: mean change no larger than
    the fine step, or no smaller than before. Global iterations at a coarse step are cheap, and what they do not find
    is hard to find later.
    """
    sampling = state.sampling
    is_at_rest = (
        state.angle_change_deg <= sampling.fine_step_deg or state.iterations_without_changes >= 1
    )
    return not sampling.is_local and sampling.order + 1 >= settings.local_order and not is_at_rest


def converge(state: State, reason: str) -> State:
    """The state marked as that of the final iteration."""
    return replace(state, has_converged=True, stop_reason=reason)
