"""The decisions of a refinement: image sizes, sampling, convergence.

One iteration calls, in this order, `begin_iteration`, `update_sampling` (not when scoring by
cross-correlation), `after_expectation` and `after_fsc`. Each takes a state and returns the next
one; all ranks that hold the same state take the same decision. Rules: algorithm specification
sections 4.3 to 4.6 and 8, with the corrections of its opening paragraph.
"""

from dataclasses import replace
from math import ceil

from compute.convergence.decision import converge, decide
from compute.convergence.limits import reported_A
from compute.convergence.resolution import (
    Curve,
    checked_curve,
    crossing_shell,
    gain_measure,
    is_gain,
    rises_again_shell,
    ssnr_from_fsc,
)
from compute.convergence.sizes import (
    HIGH_FSC,
    ROUNDING,
    coarse_size,
    current_size,
    nearest,
    size_increment,
)
from compute.convergence.state import UNKNOWN, Sampling, Settings, State, coarse_step_deg

FEW_SWITCHES = 0.01
"""Local searches go on alone once a look at all orientations moves no more than this share of the images."""

CORRELATION_GUARD_SHELLS = 1
"""Shells that are given up after a cross-correlation iteration: the soft edge of the low-pass of
the shared starting reference reaches one shell further than its nominal resolution."""

STEADY_CHANGE, SMALL_CHANGE = 1.03, 0.40
"""Changes are no longer large if 1.03 of them is no improvement on the smallest so far, or if
they are below 0.40 of the fine step."""


def initial_state(settings: Settings, ssnr: Curve | None = None) -> State:
    """The state before the first iteration.

    The resolution is that of the low-pass of the reference or, without one, where the given
    initial SSNR first falls below 1. Raises ValueError if there is neither.
    """
    if settings.initial_lowpass_A > 0:
        shell = nearest(settings.extent_A / settings.initial_lowpass_A)
    elif ssnr is not None:
        shell = crossing_shell(ssnr, 1.0, settings.last_shell, settings.minimum_shell)
    else:
        raise ValueError(
            "the reference is not low-passed (initial_lowpass_A is 0), "
            "so an initial signal-to-noise curve is needed"
        )
    sampling = Sampling(
        order=settings.healpix_order,
        is_local=settings.healpix_order >= settings.local_order,
        offset_range_A=settings.offset_range_A,
        offset_step_A=settings.offset_step_A,
        oversample=settings.oversampling > 0,
        oversampling=settings.oversampling,
        cone_steps=settings.cone_steps,
    )
    shell = min(max(shell, 1), settings.last_shell)
    return State(sampling=sampling, resolution_A=settings.extent_A / shell)


def begin_iteration(state: State, settings: Settings, finish_now: bool = False) -> State:
    """The state at the beginning of the next iteration, with its image sizes.

    The last allowed iteration, or any with `finish_now`, becomes the final one: it aligns at the
    current size, accumulates to Nyquist and joins the halves. Raises ValueError if the
    refinement is already finished.
    """
    if state.is_finished:
        raise ValueError(f"the refinement finished with iteration {state.iteration}")
    iteration = state.iteration + 1
    is_last = finish_now or iteration >= settings.maximum_iterations
    begun = replace(
        state,
        iteration=iteration,
        is_correlation=settings.has_correlation_iteration and iteration == 1,
        reported_without_gain=state.iterations_without_gain,
        reported_without_changes=state.iterations_without_changes,
        current_size=current_size(state, settings),
        sized_resolution_A=state.resolution_A,
    )
    if is_last:
        begun = converge(begun, "asked" if finish_now else "maximum_iterations")
    return _with_sizes(begun, settings)


def update_sampling(
    state: State, settings: Settings, accuracy_angle_deg: float, accuracy_offset_A: float
) -> State:
    """The state with convergence decided and, if it goes on, with the sampling to use now.

    Accuracies are those that a refinement with the current maps can expect. Fineness is judged
    afresh every time; the end needs it now and in the iteration before, and two iterations without
    gain. To sample finer, one without gain is enough, or a resolution that did not move: that
    decision costs little if it was chance. The sampling stays in the final iteration.
    """
    accurate = replace(
        state, accuracy_angle_deg=accuracy_angle_deg, accuracy_offset_A=accuracy_offset_A
    )
    if state.has_normal_iteration and not state.has_converged:
        accurate = decide(accurate, settings)
    sampling = accurate.sampling
    oversample = settings.oversampling > 0 and (
        sampling.is_local or accuracy_angle_deg <= sampling.coarse_step_deg
    )
    return _with_sizes(
        replace(accurate, sampling=replace(sampling, oversample=oversample)), settings
    )


def after_expectation(
    state: State,
    settings: Settings,
    angle_change_deg: float,
    offset_change_A: float,
    mean_pmax: float,
) -> State:
    """The state with the changes of poses counted as large or not, against the current steps.

    `angle_change_deg` is the mean change by the mean-axis rule, `offset_change_A` the root mean
    square per axis. After a cross-correlation iteration nothing is counted: the poses that it
    replaced were not found by this refinement.
    """
    changed = replace(
        state,
        angle_change_deg=angle_change_deg,
        offset_change_A=offset_change_A,
        mean_pmax=mean_pmax,
    )
    if state.is_correlation:
        return changed
    is_steady = state.smallest_angle_change_deg < UNKNOWN and all(
        change < SMALL_CHANGE * step or STEADY_CHANGE * change >= smallest
        for change, step, smallest in (
            (angle_change_deg, state.sampling.fine_step_deg, state.smallest_angle_change_deg),
            (offset_change_A, state.sampling.fine_offset_step_A, state.smallest_offset_change_A),
        )
    )
    return replace(
        changed,
        iterations_without_changes=state.iterations_without_changes + 1 if is_steady else 0,
        smallest_angle_change_deg=min(state.smallest_angle_change_deg, angle_change_deg),
        smallest_offset_change_A=min(state.smallest_offset_change_A, offset_change_A),
    )


def after_fsc(state: State, settings: Settings, fsc: Curve) -> State:
    """The state with resolutions, signal-to-noise and gain read from the FSC of this iteration.

    `fsc` has one value per shell from 0 to at least N/2 - 1 and is 0 beyond the accumulated size. A
    cross-correlation iteration sets the working resolution, with a guard and never below the
    starting one, but is no measure of gain. Agreement within reach of what the halves share is
    reported as that limit (`limits`). Raises ValueError for a short or undefined curve.
    """
    curve = checked_curve(fsc, settings.box // 2)
    last, lowest = settings.last_shell, settings.minimum_shell
    shell = crossing_shell(curve, 0.5, last, lowest)
    second = rises_again_shell(curve, 0.5, last, lowest)
    edge = min(state.accumulation_size // 2 - 1, last)
    known = replace(
        state,
        resolution_A=reported_A(curve, 0.5, settings, lowest),
        resolution_0143_A=reported_A(curve, 0.143, settings),
        rises_again_A=None if second is None else settings.extent_A / second,
        has_high_fsc=bool(curve[max(edge, 1)] > HIGH_FSC),
        size_increment=size_increment(curve, settings),
        gain_measure=gain_measure(curve, last, lowest),
        fsc=tuple(curve.tolist()),
        ssnr=tuple(ssnr_from_fsc(curve, settings.tau2_fudge, state.has_converged).tolist()),
        is_finished=state.has_converged,
    )
    if state.is_correlation:
        guarded = settings.extent_A / max(shell - CORRELATION_GUARD_SHELLS, lowest)
        return replace(known, resolution_A=min(guarded, state.resolution_A))
    return _count_gain(known)


def after_final_maps(state: State, settings: Settings, fsc: Curve) -> State:
    """The finished state with the curve and the resolutions of the half-maps that are written.

    `fsc` is that of the unfiltered half-maps, which every later program sees: made before the join, without a mask. The
    sums that regularise the joined map agree up to a shell or two further, because their padded lattice is averaged
    over neighbours. Raises ValueError for a short or undefined curve.
    """
    curve = checked_curve(fsc, settings.box // 2)
    last, lowest = settings.last_shell, settings.minimum_shell
    second = rises_again_shell(curve, 0.5, last, lowest)
    return replace(
        state,
        resolution_A=reported_A(curve, 0.5, settings, lowest),
        resolution_0143_A=reported_A(curve, 0.143, settings),
        rises_again_A=None if second is None else settings.extent_A / second,
        fsc=tuple(curve.tolist()),
    )


def join_shell(state_before: State, settings: Settings) -> int:
    """The last shell up to which the two halves are averaged; 0 if they are not.

    Takes the state from before this iteration's FSC, because its resolution limits the join.
    """
    if settings.low_resolution_join_A <= 0:
        return 0
    join_A = max(settings.low_resolution_join_A, state_before.resolution_A)
    return ceil(settings.extent_A / join_A - ROUNDING)


def needs_rescan(state: State, settings: Settings) -> bool:
    """Whether images in a local search should first be compared with all orientations.

    From the first local iteration on, as long as that moves many of them: an image that was still wrong when its search
    became local would never be found otherwise. Not in the final iteration, nor in a refinement that was
    asked to be local from the start.
    """
    return (
        state.sampling.is_local
        and not state.has_converged
        and settings.healpix_order < settings.local_order
        and state.switched_fraction > FEW_SWITCHES
    )


def rescan_sizes(state: State, settings: Settings) -> tuple[int, int]:
    """First-pass size and size (px) of a look at all orientations: what its coarse and fine steps keep in phase."""
    step_deg = coarse_step_deg(settings.scan_order)
    first = coarse_size(settings, step_deg, state.current_size)
    return first, coarse_size(settings, step_deg / 2, state.current_size)


def _count_gain(state: State) -> State:
    """The state with a normal iteration counted as gain or stall."""
    has_gained = is_gain(state.gain_measure, state.best_gain_measure)
    return replace(
        state,
        has_normal_iteration=True,
        has_resolution_gain=state.resolution_A < state.best_resolution_A - ROUNDING,
        best_resolution_A=min(state.resolution_A, state.best_resolution_A),
        iterations_at_level=state.iterations_at_level + 1,
        iterations_without_gain=0 if has_gained else state.iterations_without_gain + 1,
        best_gain_measure=max(state.gain_measure, state.best_gain_measure),
    )


def _with_sizes(state: State, settings: Settings) -> State:
    """The state with first-pass and accumulation sizes that fit its sampling and stage."""
    coarse = coarse_size(settings, state.sampling.coarse_step_deg, state.current_size)
    accumulation = settings.box if state.has_converged else state.current_size
    return replace(state, coarse_size=coarse, accumulation_size=accumulation)
