"""Agreement close to what the halves share is not reported as resolution."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from compute.convergence.limits import (
    claims_beyond,
    reported_A,
    sees_beyond,
    shared_limit_A,
    shared_shells,
    without_claims,
)
from compute.convergence.schedule import (
    after_final_maps,
    after_fsc,
    begin_iteration,
    initial_state,
)
from compute.convergence.state import Settings
from compute.signal.fsc import fsc
from compute.signal.masks import sphere

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


def test_a_crossing_among_the_shared_shells_is_reported_as_their_limit() -> None:
    for threshold in (0.5, 0.143):
        assert reported_A(step_down(LAST_JOINED, 0.0), threshold, SETTINGS) == 40.0
        assert reported_A(step_down(4, 0.0), threshold, SETTINGS) == 226.56 / 4
        assert reported_A(step_down(24, 0.0), threshold, SETTINGS) == 226.56 / 24
    nothing = replace(SETTINGS, low_resolution_join_A=0.0, initial_lowpass_A=0.0)
    assert reported_A(step_down(7, 0.2), 0.143, nothing) == 226.56 / 31


def test_agreement_beyond_what_is_shared_must_be_more_than_chance() -> None:
    """The deviation of chance is 1 / sqrt(2 n) over n values of the sphere that the point group leaves independent."""
    assert shared_shells(SETTINGS) == LAST_JOINED
    filled = np.pi / 6 * (200 / 226.56) ** 3
    for order, shells in ((4, [8]), (4, [8, 9]), (4, [8, 9, 10]), (12, [8, 9, 10])):
        settings = replace(SETTINGS, symmetry_order=order)
        weight = float((np.array(shells) ** 2).sum())
        threshold = 3.5 * np.sqrt(order / (4 * np.pi * weight * filled))
        for factor, is_seen in ((1.01, True), (0.99, False)):
            curve = step_down(LAST_JOINED, -1.0)
            curve[shells] = threshold * factor
            assert sees_beyond(curve, settings) == is_seen
    for order, threshold in ((1, 0.143), (60, 0.7)):
        settings = replace(SETTINGS, symmetry_order=order)
        assert sees_beyond(step_down(LAST_JOINED, threshold + 0.01), settings)
        assert not sees_beyond(step_down(LAST_JOINED, threshold - 0.01), settings)


def noise_inside_the_sphere(chance: torch.Generator) -> torch.Tensor:
    """Noise with the four orientations of D2 averaged, inside the particle's sphere, as a transform."""
    noise = torch.randn(64, 64, 64, generator=chance)
    for axes in ((0, 1), (1, 2)):
        noise = noise + torch.flip(noise, axes).roll((1, 1), axes)
    return torch.fft.rfftn(noise * sphere(64, 100.0 / 3.54, 5.0))


def test_the_deviation_of_chance_is_that_of_maps_of_noise() -> None:
    chance = torch.Generator().manual_seed(3)
    weight = np.array([8, 9, 10]) ** 2
    found = []
    for _ in range(80):
        first, second = (noise_inside_the_sphere(chance) for _ in range(2))
        curve = fsc(first, second, 33).numpy()
        found.append(float((curve[8:11] * weight).sum() / weight.sum()))
        assert not sees_beyond(curve, replace(SETTINGS, symmetry_order=4))
    filled = np.pi / 6 * (200 / 226.56) ** 3
    expected = 1 / np.sqrt(4 * np.pi * weight.sum() * filled / 4)
    assert np.std(found) == pytest.approx(expected, rel=0.25)


def test_where_nothing_is_shared_every_shell_counts() -> None:
    nothing = replace(SETTINGS, low_resolution_join_A=0.0, initial_lowpass_A=0.0)
    assert sees_beyond(np.zeros(33), nothing)
    assert not sees_beyond(np.zeros(33), SETTINGS)
    fine = replace(SETTINGS, initial_lowpass_A=7.1)
    assert sees_beyond(np.zeros(33), fine)


def test_a_curve_without_claims_keeps_what_is_shared() -> None:
    curve = step_down(12, 0.1)
    kept = without_claims(curve, SETTINGS)
    assert list(kept[: LAST_JOINED + 1]) == [0.95] * (LAST_JOINED + 1)
    assert not kept[LAST_JOINED + 1 :].any()
    assert claims_beyond(curve, SETTINGS)
    assert not claims_beyond(kept, SETTINGS)


@pytest.mark.parametrize(
    "tail",
    [
        [0.67, -0.04, 0.08, 0.13, -0.01, 0.0, -0.03, 0.0, -0.01, -0.01],
        [0.86, 0.24, 0.08, 0.05, 0.18, 0.05, 0.06, -0.04, 0.0, 0.0],
        [0.98, 0.30, 0.19, 0.06, 0.09, 0.04, 0.06, -0.10, 0.0, 0.0],
    ],
)
def test_the_curves_of_refined_noise_say_nothing(tail: list[float]) -> None:
    """FSC curves of iterations on 500 images of pure noise with D2, as measured."""
    noise = np.array([1.0] * 6 + tail + [0.0] * 17)
    assert not sees_beyond(noise, replace(SETTINGS, symmetry_order=4))


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
    noise = without_claims(step_down(LAST_JOINED, 0.1), SETTINGS)
    final = after_final_maps(state, SETTINGS, noise)
    assert (final.resolution_A, final.resolution_0143_A) == (40.0, 40.0)
    with pytest.raises(ValueError, match="shells"):
        after_final_maps(state, SETTINGS, noise[:10])
