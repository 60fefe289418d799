"""The state machine of a refinement, driven by synthetic FSC curves, accuracies and changes."""

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from compute.convergence.schedule import (
    after_expectation,
    after_fsc,
    begin_iteration,
    initial_state,
    join_shell,
    needs_rescan,
    rescan_sizes,
    update_sampling,
)
from compute.convergence.sizes import coarse_size, needed_step_deg
from compute.convergence.state import Settings, State, from_dict, to_dict
from compute.convergence.status import explain, final_lines, status_lines

SETTINGS = Settings(
    box=64,
    pixel_size_A=4.0,
    particle_diameter_A=200.0,
    initial_lowpass_A=50.0,
    offset_range_A=20.0,
    offset_step_A=8.0,
    ignore_angles=True,
)
Driver = Callable[[State], "float | np.ndarray"]


def curve(half_shell: float, size: int = 64, width: float = 3.0) -> np.ndarray:
    """A smooth FSC that is 0.5 at `half_shell` and 0 beyond the image."""
    shell = np.arange(33)
    values = 1 / (1 + np.exp((shell - half_shell) / width))
    values[0] = 1.0
    return np.where(shell <= size // 2, values, 0.0)


def steady(state: State) -> np.ndarray:
    """A resolution that never changes."""
    return curve(12.2, state.accumulation_size)


def advance(
    state: State,
    settings: Settings,
    fsc: Driver = steady,
    accuracy: Driver = lambda state: 1.0,
    change: Driver = lambda state: 1.0,
    mean_pmax: float = 0.5,
) -> State:
    """The state after one whole iteration."""
    state = begin_iteration(state, settings)
    if not state.is_correlation:
        state = update_sampling(state, settings, float(accuracy(state)), 1.0)
    state = after_expectation(state, settings, float(change(state)), 0.5, mean_pmax)
    return after_fsc(state, settings, np.asarray(fsc(state)))


def history(settings: Settings, limit: int = 200, **drivers: Driver) -> list[State]:
    """The states after every iteration of a refinement that ends by itself."""
    state, states = initial_state(settings), []
    while not state.is_finished:
        state = advance(state, settings, **drivers)
        states.append(state)
        assert len(states) < limit, "the refinement does not end"
    return states


def orders(states: list[State]) -> list[int]:
    """The sampling order of every iteration."""
    return [state.sampling.order for state in states]


def tightly(states: list[State]) -> None:
    """Check what must hold in any refinement."""
    assert [state.has_converged for state in states] == [False] * (len(states) - 1) + [True]
    assert len(states) < 2 or states[-1].sampling.order == states[-2].sampling.order
    for before, after in zip(states, states[1:], strict=False):
        if after.sampling.order > before.sampling.order:
            assert before.sampling.fine_step_deg >= 0.75 * after.accuracy_angle_deg
            assert after.sampling.order == before.sampling.order + 1


def test_sizes_follow_resolution_flag_and_posterior() -> None:
    state = replace(initial_state(SETTINGS), resolution_A=256 / 12)
    assert begin_iteration(state, SETTINGS).current_size == 2 * (12 + 10)
    sharp = replace(state, has_normal_iteration=True, has_high_fsc=True, mean_pmax=0.2)
    assert begin_iteration(sharp, SETTINGS).current_size == 2 * (12 + 10)
    wide = replace(SETTINGS, box=256)
    assert begin_iteration(replace(sharp, resolution_A=1024 / 12), wide).current_size == 2 * (
        12 + 32
    )
    blurred = replace(sharp, mean_pmax=0.1)
    assert begin_iteration(blurred, SETTINGS).current_size == 2 * (12 + 10)
    fine = replace(state, resolution_A=256 / 28)
    assert begin_iteration(fine, SETTINGS).current_size == 64


def test_the_first_size_comes_from_the_low_pass_of_the_reference() -> None:
    first = begin_iteration(initial_state(SETTINGS), SETTINGS)
    assert (first.iteration, first.current_size, first.is_correlation) == (1, 2 * (5 + 10), True)


def test_without_low_pass_the_initial_signal_decides() -> None:
    settings = replace(SETTINGS, initial_lowpass_A=0.0)
    ssnr = np.where(np.arange(33) < 9, 4.0, 0.1)
    assert initial_state(settings, ssnr).resolution_A == 256 / 8
    with pytest.raises(ValueError, match="initial signal-to-noise curve"):
        initial_state(settings)


def test_sizes_are_even_and_fit_the_box_for_every_resolution() -> None:
    for shell in range(1, 32):
        state = replace(initial_state(SETTINGS), resolution_A=256 / shell)
        begun = begin_iteration(state, SETTINGS)
        assert begun.current_size % 2 == 0 and begun.current_size <= 64
        assert begun.coarse_size % 2 == 0 and begun.coarse_size <= begun.current_size


def test_the_size_survives_a_lost_flag_but_not_a_lost_map() -> None:
    state = replace(
        initial_state(SETTINGS),
        resolution_A=256 / 20,
        has_normal_iteration=True,
        mean_pmax=0.5,
        size_increment=5,
        has_high_fsc=True,
        best_gain_measure=15.0,
        gain_measure=15.0,
    )
    begun = begin_iteration(state, SETTINGS)
    assert begun.current_size == 56
    lost_flag = replace(begun, has_high_fsc=False)
    assert begin_iteration(lost_flag, SETTINGS).current_size == 56
    chance_dip = replace(lost_flag, resolution_A=256 / 14, gain_measure=14.7)
    assert begin_iteration(chance_dip, SETTINGS).current_size == 56
    lost_map = replace(lost_flag, resolution_A=256 / 14, gain_measure=11.0)
    assert begin_iteration(lost_map, SETTINGS).current_size == 2 * (14 + 5)


@pytest.mark.parametrize(("step", "size"), [(15.0, 24), (7.5, 48), (3.75, 94), (1.875, 188)])
def test_coarse_sizes(step: float, size: int) -> None:
    settings = replace(SETTINGS, box=256, pixel_size_A=1.0)
    assert coarse_size(settings, step, 256) == size
    assert coarse_size(settings, step, 20) == 20


def test_needed_steps() -> None:
    assert needed_step_deg(7.88571, 370.0) == pytest.approx(2.43243, abs=1e-5)
    assert needed_step_deg(11.0298, 230.0) == pytest.approx(5.45455, abs=1e-5)


def test_the_join_uses_the_resolution_before_the_fsc_and_whole_shells() -> None:
    state = initial_state(SETTINGS)
    assert join_shell(state, SETTINGS) == 5
    assert join_shell(replace(state, resolution_A=256 / 20), SETTINGS) == 7
    assert join_shell(state, replace(SETTINGS, low_resolution_join_A=0.0)) == 0
    for shell in range(5, 32):
        before = replace(state, resolution_A=256 / shell)
        assert join_shell(before, replace(SETTINGS, low_resolution_join_A=1.0)) == shell


def test_the_correlation_iteration_is_no_stall_and_its_resolution_is_guarded() -> None:
    first = advance(initial_state(SETTINGS), SETTINGS, fsc=lambda state: curve(10.2))
    assert first.resolution_A == 256 / 9
    assert first.iterations_without_gain == 0 and first.iterations_without_changes == 0
    assert not first.has_normal_iteration and first.best_gain_measure == 0.0
    poor = advance(initial_state(SETTINGS), SETTINGS, fsc=lambda state: curve(2.0))
    assert poor.resolution_A == initial_state(SETTINGS).resolution_A


def test_the_flag_and_the_increment_are_taken_afresh_every_iteration() -> None:
    state = begin_iteration(initial_state(SETTINGS), SETTINGS)
    long_tail = after_fsc(state, SETTINGS, curve(10.2, width=6.0))
    short_tail = after_fsc(long_tail, SETTINGS, curve(10.2, width=1.0))
    assert long_tail.has_high_fsc and not short_tail.has_high_fsc
    assert long_tail.size_increment == 21 - 11 + 5
    assert short_tail.size_increment == 10
    spurious = after_fsc(state, SETTINGS, np.r_[np.ones(8), np.full(25, 0.4)])
    assert spurious.size_increment == 16


def test_both_criteria_and_a_rise_are_kept() -> None:
    values = curve(20.2, width=2.0)
    values[12:14] = 0.4
    state = after_fsc(begin_iteration(initial_state(SETTINGS), SETTINGS), SETTINGS, values)
    assert state.rises_again_A == 256 / 20
    assert state.resolution_0143_A == 256 / 23
    normal = replace(begin_iteration(state, SETTINGS), is_correlation=False)
    assert after_fsc(normal, SETTINGS, values).resolution_A == 256 / 11


def test_changes_are_judged_against_the_current_steps() -> None:
    state = begin_iteration(initial_state(SETTINGS), SETTINGS)
    state = replace(state, is_correlation=False, smallest_angle_change_deg=2.0)
    state = replace(state, smallest_offset_change_A=0.5)
    small = after_expectation(state, SETTINGS, 1.9, 0.5, 0.5)
    assert small.iterations_without_changes == 1
    finer = replace(state, sampling=replace(state.sampling, order=4))
    large = after_expectation(finer, SETTINGS, 1.9, 0.5, 0.5)
    assert large.iterations_without_changes == 0
    assert large.smallest_angle_change_deg == 1.9


def test_a_constant_resolution_refines_every_iteration_when_angles_are_ignored() -> None:
    states = history(SETTINGS)
    assert orders(states) == [2, 2, 2, 3, 4, 5, 6, 6, 6]
    assert states[-1].stop_reason == "converged"
    tightly(states)


def test_a_constant_resolution_refines_every_second_iteration_otherwise() -> None:
    settings = replace(SETTINGS, ignore_angles=False)
    states = history(settings, change=lambda state: 100.0)
    assert orders(states) == [2, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 6]
    tightly(states)


@pytest.mark.parametrize("ignore_angles", [True, False])
@pytest.mark.parametrize("amplitude", [1.0, 2.0])
def test_an_oscillating_resolution_ends(ignore_angles: bool, amplitude: float) -> None:
    settings = replace(SETTINGS, ignore_angles=ignore_angles)
    states = history(
        settings,
        limit=40,
        fsc=lambda state: curve(
            12.2 + amplitude * (-1) ** state.iteration, state.accumulation_size
        ),
        change=lambda state: 1.0 + 0.2 * (state.iteration % 2),
    )
    assert states[-1].stop_reason == "converged"
    tightly(states)


def test_poor_accuracy_first_and_a_stall_later_do_not_stop() -> None:
    def accuracy(state: State) -> float:
        return 18.0 if state.iteration < 5 else 3.4

    states = history(SETTINGS, accuracy=accuracy)
    assert not any(state.is_fine_enough for state in states[:5])
    assert states[-1].sampling.fine_step_deg == 1.875
    assert states[-1].stop_reason == "converged"
    tightly(states)


def test_a_flag_is_cleared_when_the_accuracy_improves() -> None:
    def accuracy(state: State) -> float:
        return 6.0 if state.iteration < 6 else 2.0

    states = history(SETTINGS, accuracy=accuracy)
    assert [state.is_fine_enough for state in states[4:7]] == [True, False, False]
    assert states[4].sampling.order == 3
    assert states[-1].sampling.fine_step_deg < 0.75 * 2.0
    tightly(states)


def test_accuracy_that_stays_poor_ends_with_that_reason() -> None:
    states = history(SETTINGS, limit=20, accuracy=lambda state: 25.0)
    assert states[-1].stop_reason == "poor_accuracy"
    assert states[-1].sampling.order == 2
    assert "should not be trusted" in explain(states[-1], SETTINGS)


def test_a_chance_dip_of_the_crossing_does_not_stop() -> None:
    def growing(state: State) -> np.ndarray:
        values = curve(12.0 + 0.35 * min(state.iteration, 20), state.accumulation_size)
        if state.iteration in (9, 10, 13):
            values[9] = 0.45
        return values

    states = history(SETTINGS, fsc=growing, accuracy=lambda state: 2.0)
    assert states[8].resolution_A > states[7].resolution_A
    assert len(states) > 20
    tightly(states)


def test_one_worse_iteration_does_not_stop_a_refinement_that_gains() -> None:
    def growing(state: State) -> np.ndarray:
        slip = 1.0 if state.iteration == 10 else 0.0
        return curve(12.0 + 0.35 * min(state.iteration, 20) - slip, state.accumulation_size)

    states = history(SETTINGS, fsc=growing, accuracy=lambda state: 2.0)
    assert states[9].iterations_without_gain == 1
    assert len(states) > 20


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_the_last_allowed_iteration_is_a_final_one(limit: int) -> None:
    settings = replace(SETTINGS, maximum_iterations=limit)
    states = history(settings)
    assert len(states) == limit
    assert states[-1].stop_reason == "maximum_iterations"
    assert states[-1].accumulation_size == 64
    tightly(states)
    with pytest.raises(ValueError, match="finished"):
        begin_iteration(states[-1], settings)


def test_finishing_on_request_aligns_at_the_current_size_and_accumulates_to_nyquist() -> None:
    state = advance(advance(initial_state(SETTINGS), SETTINGS), SETTINGS)
    last = begin_iteration(state, SETTINGS, finish_now=True)
    assert last.stop_reason == "asked"
    assert (last.current_size, last.accumulation_size) == (44, 64)
    assert update_sampling(last, SETTINGS, 1.0, 1.0).sampling == last.sampling
    done = after_fsc(last, SETTINGS, curve(12.2))
    halves = after_fsc(replace(last, has_converged=False), SETTINGS, curve(12.2))
    assert done.ssnr[14] > halves.ssnr[14]


def test_children_are_left_out_while_poses_are_less_accurate_than_the_coarse_step() -> None:
    state = advance(initial_state(SETTINGS), SETTINGS)
    begun = begin_iteration(state, SETTINGS)
    assert not update_sampling(begun, SETTINGS, 15.1, 5.0).sampling.oversample
    assert update_sampling(begun, SETTINGS, 14.9, 5.0).sampling.oversample


def test_offsets_follow_the_accuracy_within_their_limits() -> None:
    stalled = replace(
        begin_iteration(initial_state(SETTINGS), SETTINGS),
        is_correlation=False,
        has_normal_iteration=True,
        iterations_without_gain=1,
        offset_change_A=2.0,
    )
    capped = update_sampling(stalled, SETTINGS, 1.0, 8.0).sampling
    assert (capped.fine_offset_step_A, capped.offset_range_A) == (1.5, 10.0)
    still = replace(stalled, offset_change_A=0.01)
    pixel = update_sampling(still, SETTINGS, 1.0, 0.5).sampling
    assert (pixel.fine_offset_step_A, pixel.offset_range_A) == (0.5, SETTINGS.pixel_size_A)
    narrow = replace(SETTINGS, pixel_size_A=0.5, box=512)
    floor = update_sampling(still, narrow, 1.0, 0.8).sampling
    assert floor.offset_range_A == pytest.approx(3 * floor.fine_offset_step_A)
    coarse = replace(stalled, sampling=replace(stalled.sampling, offset_step_A=1.0))
    assert update_sampling(coarse, SETTINGS, 1.0, 2.0).sampling.offset_step_A == 1.0


def test_finer_sampling_faster_does_not_wait_for_a_stall_except_before_local_searches() -> None:
    settings = replace(SETTINGS, resolution_angles=True)
    gaining = replace(
        begin_iteration(initial_state(settings), settings),
        is_correlation=False,
        has_normal_iteration=True,
        resolution_A=10.0,
        offset_change_A=2.0,
    )
    assert update_sampling(gaining, SETTINGS, 1.0, 1.0).sampling.order == 2
    assert update_sampling(gaining, settings, 1.0, 1.0).sampling.order == 3
    local = replace(settings, local_order=3)
    assert update_sampling(gaining, local, 1.0, 1.0).sampling.order == 2


def test_poses_at_rest_are_sampled_finer_while_maps_still_gain() -> None:
    settings = replace(SETTINGS, resolution_angles=True, local_order=3)
    gaining = replace(
        begin_iteration(initial_state(settings), settings),
        is_correlation=False,
        has_normal_iteration=True,
        offset_change_A=2.0,
        angle_change_deg=7.4,
    )
    assert update_sampling(gaining, settings, 7.4, 3.0).sampling.is_local
    assert update_sampling(gaining, settings, 7.6, 3.0).sampling.order == 2
    moving = replace(gaining, angle_change_deg=7.6)
    assert update_sampling(moving, settings, 5.0, 3.0).sampling.order == 2
    patient = replace(settings, resolution_angles=False)
    assert update_sampling(gaining, patient, 5.0, 3.0).sampling.order == 2
    careful = replace(settings, ignore_angles=False)
    assert update_sampling(gaining, careful, 5.0, 3.0).sampling.order == 2


def test_a_resolution_that_did_not_move_is_enough_to_sample_finer_but_not_to_stop() -> None:
    gaining = replace(
        begin_iteration(initial_state(SETTINGS), SETTINGS),
        is_correlation=False,
        has_normal_iteration=True,
        has_resolution_gain=False,
        offset_change_A=2.0,
    )
    assert update_sampling(gaining, SETTINGS, 1.0, 1.0).sampling.order == 3
    fine = replace(gaining, is_fine_enough=True, sampling=replace(gaining.sampling, order=7))
    assert not update_sampling(fine, SETTINGS, 1.0, 1.0).has_converged
    stalled = replace(fine, iterations_without_gain=2)
    assert update_sampling(stalled, SETTINGS, 1.0, 1.0).has_converged


def test_a_level_is_left_after_eight_iterations_even_if_poses_keep_moving() -> None:
    settings = replace(SETTINGS, ignore_angles=False)
    states = history(settings, change=lambda state: 900.0 * 0.9**state.iteration + 50.0)
    assert max(orders(states).count(order) for order in set(orders(states))) <= 11
    assert states[-1].stop_reason == "converged"
    tightly(states)


def test_a_real_trajectory_goes_down_to_the_finest_useful_step_and_stops() -> None:
    """Accuracies as measured on a real set; every level approaches what its step allows."""
    half_shells = [6.5, 11.0, 14.5, 18.5, 19.8, 20.6, 21.1, 21.4]
    accuracies = [18.2, 12.9, 5.9, 3.3, 2.1, 1.9, 1.6, 1.43]
    reachable = {2: 16.0, 3: 20.0, 4: 20.9, 5: 21.4, 6: 21.5}
    settings = replace(SETTINGS, resolution_angles=True)
    half, state, states = 6.5, initial_state(settings), []
    while not state.is_finished and len(states) < 20:
        known = (half, float(np.interp(half, half_shells, accuracies)))
        state = advance(
            state,
            settings,
            fsc=lambda state, known=known: curve(known[0], state.accumulation_size, 5.0),
            accuracy=lambda state, known=known: known[1],
        )
        states.append(state)
        if not state.is_correlation:
            half += 0.7 * (reachable[state.sampling.order] - half)
    assert states[-1].stop_reason == "converged"
    assert states[-1].sampling.fine_step_deg == 0.9375
    assert not states[1].sampling.oversample and states[2].sampling.oversample
    assert orders(states).count(5) <= 5
    tightly(states)


def test_a_continued_refinement_takes_the_decisions_of_an_uninterrupted_one() -> None:
    state, states = initial_state(SETTINGS), history(SETTINGS)
    for expected in states:
        state = advance(from_dict(json.loads(json.dumps(to_dict(state)))), SETTINGS)
        assert state == expected


def test_every_state_can_be_told_in_words() -> None:
    for settings in (SETTINGS, replace(SETTINGS, ignore_angles=False, maximum_iterations=4)):
        states = history(settings, accuracy=lambda state: 12.0 if state.iteration < 3 else 1.5)
        for state in states:
            assert all(line.startswith(" Auto-refine: ") for line in status_lines(state))
            assert explain(state, settings).startswith("The refinement ")
        assert len(final_lines(states[-1], "out/run", 10.0)) == 6


def test_a_search_becomes_local_only_when_poses_have_come_to_rest() -> None:
    settings = replace(SETTINGS, local_order=3)

    def moving(change_deg: float, without_changes: int) -> State:
        started = begin_iteration(initial_state(settings), settings)
        return replace(
            started,
            is_correlation=False,
            has_normal_iteration=True,
            iterations_without_gain=1,
            iterations_at_level=3,
            angle_change_deg=change_deg,
            offset_change_A=1.0,
            iterations_without_changes=without_changes,
        )

    assert update_sampling(moving(12.0, 0), settings, 5.0, 3.0).sampling.order == 2
    assert update_sampling(moving(7.0, 0), settings, 5.0, 3.0).sampling.is_local
    assert update_sampling(moving(12.0, 1), settings, 5.0, 3.0).sampling.is_local
    tired = replace(moving(12.0, 0), iterations_at_level=8)
    assert update_sampling(tired, settings, 5.0, 3.0).sampling.is_local


def test_images_are_compared_with_all_orientations_until_few_switch() -> None:
    settings = replace(SETTINGS, local_order=3)
    state = initial_state(settings)
    assert not needs_rescan(state, settings)
    local = replace(state, sampling=replace(state.sampling, order=3, is_local=True))
    assert needs_rescan(local, settings)
    assert needs_rescan(replace(local, switched_fraction=0.02), settings)
    assert not needs_rescan(replace(local, switched_fraction=0.005), settings)
    assert not needs_rescan(replace(local, has_converged=True), settings)
    assert not needs_rescan(local, replace(settings, healpix_order=3))
    sized = replace(local, current_size=64)
    assert rescan_sizes(sized, settings) == (
        coarse_size(settings, 15.0, 64),
        coarse_size(settings, 7.5, 64),
    )
    finer = replace(settings, scan_order=3)
    assert rescan_sizes(sized, finer) == (
        coarse_size(settings, 7.5, 64),
        coarse_size(settings, 3.75, 64),
    )
