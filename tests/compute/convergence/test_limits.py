"""Agreement close to what the halves share is not reported as resolution."""

from dataclasses import replace

import numpy as np
import pytest

from compute.convergence.limits import SHARED_REACH, reported_A, shared_limit_A
from compute.convergence.schedule import (
    after_final_maps,
    after_fsc,
    begin_iteration,
    initial_state,
)
from compute.convergence.state import Settings

SETTINGS = Settings(box=64, pixel_size_A=3.54, particle_diameter_A=200.0, initial_lowpass_A=50.0)
LAST_JOINED = 7  # ceil(226.56 Å / 40 Å), and the one into which interpolation carries the join


def test_the_finer_of_join_and_low_pass_is_the_limit() -> None:
    assert shared_limit_A(SETTINGS) == 40.0
    assert shared_limit_A(replace(SETTINGS, low_resolution_join_A=0.0)) == 50.0
    assert shared_limit_A(replace(SETTINGS, initial_lowpass_A=30.0)) == 30.0
    nothing = replace(SETTINGS, low_resolution_join_A=0.0, initial_lowpass_A=0.0)
    assert shared_limit_A(nothing) == 0.0


def step_down(last_high: int, tail: float) -> np.ndarray:
    return np.where(np.arange(33) <= last_high, 0.95, tail)


@pytest.mark.parametrize("threshold", [0.5, 0.143])
def test_weak_agreement_next_to_the_join_is_reported_as_its_limit(threshold: float) -> None:
    leaking = step_down(LAST_JOINED, 0.4)
    leaking[LAST_JOINED + SHARED_REACH + 1 :] = 0.0
    assert reported_A(leaking, threshold, SETTINGS) == 40.0
    assert reported_A(step_down(4, 0.0), threshold, SETTINGS) == 226.56 / 4


def test_strong_agreement_next_to_the_join_counts() -> None:
    for last in (LAST_JOINED + 1, LAST_JOINED + SHARED_REACH, 20):
        assert reported_A(step_down(last, 0.0), 0.143, SETTINGS) == 226.56 / last
    nothing = replace(SETTINGS, low_resolution_join_A=0.0, initial_lowpass_A=0.0)
    assert reported_A(step_down(7, 0.2), 0.143, nothing) == 226.56 / 31


def test_a_weak_stretch_before_more_signal_is_no_leak() -> None:
    curve = step_down(LAST_JOINED + 2, 0.3)
    curve[25:] = 0.0
    assert reported_A(curve, 0.143, SETTINGS) == 226.56 / 24


def test_beyond_the_reach_the_threshold_itself_decides() -> None:
    curve = step_down(LAST_JOINED + SHARED_REACH, 0.2)
    curve[25:] = 0.1
    assert reported_A(curve, 0.143, SETTINGS) == 226.56 / 24


@pytest.mark.parametrize(
    "tail",
    [
        [0.98, 0.71, 0.24, 0.25, 0.18, 0.11, 0.02, 0.0, -0.02, 0.03, 0.06],
        [1.0, 0.96, 0.28, 0.19, 0.17, 0.21, 0.07, -0.04, -0.03, -0.01, 0.04],
        [1.0, 0.97, 0.58, 0.06, 0.05, 0.0, -0.02, 0.0, -0.06, 0.06, 0.03],
    ],
)
def test_the_curves_of_refined_noise_report_the_join(tail: list[float]) -> None:
    """FSC curves of early iterations on 500 images of pure noise, C1 and D2, as measured."""
    noise = [1.0] * 5 + tail + [0.0] * 17
    state = begin_iteration(initial_state(SETTINGS), SETTINGS)
    state = after_fsc(replace(state, is_correlation=False), SETTINGS, noise)
    assert (state.resolution_A, state.resolution_0143_A) == (40.0, 40.0)


def test_the_written_half_maps_have_the_last_word() -> None:
    """Their curve and resolutions replace those of the joined sums; what regularises the joined map stays."""
    sums, maps = step_down(24, 0.1), step_down(22, 0.3)
    maps[25:] = 0.05
    state = begin_iteration(initial_state(SETTINGS), SETTINGS, finish_now=True)
    state = after_fsc(replace(state, is_correlation=False), SETTINGS, sums)
    final = after_final_maps(state, SETTINGS, maps)
    assert (final.resolution_A, final.resolution_0143_A) == (226.56 / 22, 226.56 / 24)
    assert final.fsc == tuple(maps)
    assert final.ssnr == state.ssnr
    changed = {"resolution_A": 226.56 / 22, "resolution_0143_A": 226.56 / 24, "fsc": tuple(maps)}
    assert final == replace(state, **changed)


def test_half_maps_of_noise_are_worth_what_they_share() -> None:
    state = begin_iteration(initial_state(SETTINGS), SETTINGS, finish_now=True)
    state = after_fsc(replace(state, is_correlation=False), SETTINGS, step_down(24, 0.1))
    leaking = step_down(LAST_JOINED, 0.4)
    leaking[LAST_JOINED + SHARED_REACH + 1 :] = 0.0
    final = after_final_maps(state, SETTINGS, leaking)
    assert (final.resolution_A, final.resolution_0143_A) == (40.0, 40.0)
    with pytest.raises(ValueError, match="shells"):
        after_final_maps(state, SETTINGS, leaking[:10])
