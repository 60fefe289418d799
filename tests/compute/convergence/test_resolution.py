"""FSC curves with known crossings, signal-to-noise ratios and gains."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compute.convergence.resolution import (
    checked_curve,
    crossing_shell,
    first_below,
    gain_measure,
    is_gain,
    rises_again_shell,
    ssnr_from_fsc,
    wiener_factor,
)


def falling(half_shell: float, width: float = 3.0, shells: int = 33) -> np.ndarray:
    """A smooth curve that is 0.5 at `half_shell`."""
    curve = 1 / (1 + np.exp((np.arange(shells) - half_shell) / width))
    curve[0] = 1.0
    return curve


@given(st.floats(0.001, 0.999))
def test_ssnr_of_a_half_is_above_1_exactly_where_the_fsc_is_above_one_half(fsc: float) -> None:
    assert (ssnr_from_fsc([fsc])[0] >= 1) == (fsc >= 0.5)


@pytest.mark.parametrize(("fsc", "is_above"), [(0.142, False), (0.1429, True), (0.5, True)])
def test_ssnr_of_the_joined_map_is_above_1_exactly_where_the_fsc_is_above_one_seventh(
    fsc: float, is_above: bool
) -> None:
    assert (ssnr_from_fsc([fsc], joined=True)[0] >= 1) == is_above


def test_wiener_factor_of_the_halves_is_the_fsc() -> None:
    fsc = [0.1, 0.5, 0.8, 0.99]
    np.testing.assert_allclose(wiener_factor(ssnr_from_fsc(fsc)), fsc, rtol=1e-12)


def test_wiener_factor_of_the_joined_map_is_its_correlation_with_the_truth() -> None:
    factors = wiener_factor(ssnr_from_fsc([1 / 7, 0.5], joined=True))
    np.testing.assert_allclose(factors, [0.5, 0.8165], atol=5e-5)


def test_ssnr_is_finite_for_perfect_and_negative_fsc_and_scales_once_with_the_fudge() -> None:
    plain = ssnr_from_fsc([1.0, -0.3, 0.5])
    np.testing.assert_allclose(plain, [999.0, 0.001 / 0.999, 1.0])
    np.testing.assert_allclose(ssnr_from_fsc([1.0, -0.3, 0.5], 4.0), 4 * plain)
    assert wiener_factor(ssnr_from_fsc([1.0], joined=True))[0] == pytest.approx(0.999)


def test_crossing_is_the_last_shell_before_the_first_below() -> None:
    curve = [1.0, 0.9, 0.9, 0.6, 0.49, 0.7, 0.2, 0.1]
    assert first_below(curve, 0.5, 7) == 4
    assert crossing_shell(curve, 0.5, 7) == 3
    assert crossing_shell(curve, 0.5, 7, minimum_shell=5) == 5
    assert crossing_shell(np.ones(33), 0.5, 31) == 31


def test_the_first_crossing_counts_and_a_later_rise_is_named() -> None:
    curve = falling(22.0)
    assert rises_again_shell(curve, 0.5, 31, 5) is None
    curve[13:16] = 0.4
    assert crossing_shell(curve, 0.5, 31, 5) == 12
    assert rises_again_shell(curve, 0.5, 31, 5) == 21


def test_a_rise_within_three_shells_of_the_crossing_is_not_named() -> None:
    curve = np.zeros(33)
    curve[:10] = 0.9
    curve[12] = 0.6
    assert rises_again_shell(curve, 0.5, 31, 5) is None
    curve[13] = 0.6
    assert rises_again_shell(curve, 0.5, 31, 5) == 13


def test_gain_is_measured_in_shells() -> None:
    curve = np.zeros(33)
    curve[:15] = 1.0
    assert gain_measure(curve, 31, 5) == pytest.approx(10.0)
    curve[15:20] = 1 / 7
    assert gain_measure(curve, 31, 5) == pytest.approx(10.0)
    curve[15] = (1 + 1 / 7) / 2
    assert gain_measure(curve, 31, 5) == pytest.approx(10.5)


def test_a_dip_that_halves_the_crossing_hardly_lowers_the_gain_measure() -> None:
    curve = falling(22.0)
    dipped = curve.copy()
    dipped[10] = 0.45
    assert crossing_shell(dipped, 0.5, 31, 5) == 9
    assert gain_measure(dipped, 31, 5) > 0.96 * gain_measure(curve, 31, 5)


def test_shells_of_noise_are_no_gain() -> None:
    generator = np.random.default_rng(1)
    small = np.where(np.arange(129) < 20, falling(15.0, 1.0, 129), 0.0)
    large = small + np.where(np.arange(129) < 20, 0.0, generator.normal(0, 0.03, 129))
    best = gain_measure(small, 127, 5)
    assert not is_gain(gain_measure(large, 127, 5), best)


@pytest.mark.parametrize(
    ("measure", "best", "expected"),
    [
        (5.0, 0.0, True),
        (10.2, 10.0, True),
        (10.14, 10.0, False),
        (100.5, 100.0, False),
        (101.5, 100.0, True),
        (9.0, 10.0, False),
    ],
)
def test_gain_must_pass_one_percent_and_a_part_of_a_shell(
    measure: float, best: float, expected: bool
) -> None:
    assert is_gain(measure, best) is expected


@given(st.lists(st.floats(0, 27), min_size=300, max_size=300))
def test_gains_of_a_bounded_measure_are_few(measures: list[float]) -> None:
    best, gains = 0.0, 0
    for measure in measures:
        gains += is_gain(measure, best)
        best = max(measure, best)
    assert gains <= 27 / 0.15


def test_short_or_undefined_curves_are_refused_with_the_place() -> None:
    with pytest.raises(ValueError, match="at least 32 shells"):
        checked_curve(np.ones(20), 32)
    curve = np.ones(33)
    curve[7] = np.nan
    with pytest.raises(ValueError, match="shell 7"):
        checked_curve(curve, 32)
