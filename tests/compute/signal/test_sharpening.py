"""Guinier fits, B-factors, FSC weights, particle-volume curves and MTFs."""

import math

import hypothesis
import numpy as np
import pytest
import torch
from hypothesis import strategies as st

from compute.signal.fourier import radial_frequency
from compute.signal.fsc import mask_factor, molecular_weight_factor, partial_volume_fsc
from compute.signal.sharpening import (
    NO_AMPLITUDE,
    apply_b_factor,
    divide_by_mtf,
    fsc_filter,
    guinier_fit,
    log_amplitudes,
    mtf_weight,
    weight_shells,
)

FRACTIONS = st.floats(0.0, 1.0)
FACTORS = st.floats(0.05, 20.0)


def flat(box: int = 16) -> torch.Tensor:
    """A transform with amplitude 1 everywhere."""
    return torch.ones(box, box, box // 2 + 1, dtype=torch.complex128)


def test_slope_and_b_factor() -> None:
    x = torch.linspace(0.01, 0.1, 12, dtype=torch.float64)
    fit = guinier_fit(x, 3.0 - 12.5 * x, torch.ones(12, dtype=torch.bool))
    assert fit is not None
    assert fit.slope_A2 == pytest.approx(-12.5) and fit.b_factor_A2 == pytest.approx(-50.0)
    assert fit.intercept == pytest.approx(3.0) and fit.correlation == pytest.approx(1.0)
    sharpened = apply_b_factor(flat(), -50.0, 16.0)
    assert float(sharpened[4, 0, 0].real) == pytest.approx(2.184201, abs=1e-6)


def test_points_that_do_not_count() -> None:
    x = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64)
    y = torch.tensor([1.0, 2.0, NO_AMPLITUDE, 7.0], dtype=torch.float64)
    used = torch.tensor([True, True, True, False])
    fit = guinier_fit(x, y, used)
    assert fit is not None and fit.slope_A2 == pytest.approx(10.0) and fit.points == 2
    assert guinier_fit(x, y, torch.tensor([True, False, True, False])) is None


def test_the_b_factor_ends_at_nyquist() -> None:
    found = apply_b_factor(flat(), 0.0, 16.0).abs()
    beyond = radial_frequency(16, 3) > 8
    assert not found[beyond].any() and bool((found[~beyond] == 1).all())


def test_amplitudes_are_means_over_shells() -> None:
    transform = flat()
    transform[radial_frequency(16, 3) > 5.5] = 0
    found = log_amplitudes(math.e * transform, 9)
    assert found.tolist() == pytest.approx([1.0] * 6 + [NO_AMPLITUDE] * 3)


def test_the_weight_ends_where_the_curve_does() -> None:
    curve = torch.tensor([1.0, 0.9, 0.143, 5e-5, 0.4], dtype=torch.float64)
    weight = fsc_filter(curve)
    assert weight.tolist()[3:] == [0.0, 0.0]
    assert float(weight[2]) == pytest.approx(0.500218, abs=1e-6)
    found = weight_shells(flat(), weight).abs()
    assert float(found[2, 0, 0]) == pytest.approx(0.500218, abs=1e-6)
    assert float(found[0, 0, 5]) == 0.0


def test_the_particle_volume_curve_of_the_specification() -> None:
    mask = torch.zeros(10, 10, 10)
    mask[:2] = 1.0
    factor = mask_factor(mask)
    assert factor == pytest.approx(2.38)
    half = torch.tensor([0.5], dtype=torch.float64)
    assert float(partial_volume_fsc(half, factor)) == pytest.approx(0.704142, abs=1e-6)
    with pytest.raises(ValueError, match=r"0\.5 nowhere"):
        mask_factor(0.4 * mask)
    assert molecular_weight_factor(100, 2.0, 465.0) == pytest.approx(6.633, abs=1e-3)


@pytest.mark.property
@hypothesis.given(value=FRACTIONS, factor=FACTORS)
def test_laws_of_the_particle_volume_curve(value: float, factor: float) -> None:
    curve = torch.tensor([0.0, value, 1.0], dtype=torch.float64)
    found = partial_volume_fsc(curve, factor)
    assert found[[0, 2]].tolist() == pytest.approx([0.0, 1.0])
    assert (float(found[1]) - value) * (factor - 1.0) >= -1e-12
    back = partial_volume_fsc(found, 1.0 / factor)
    assert float(back[1]) == pytest.approx(value, abs=1e-9)


@pytest.mark.property
@hypothesis.given(
    first=st.floats(-300.0, 300.0), second=st.floats(-300.0, 300.0), edge=st.floats(30.0, 100.0)
)
def test_b_factors_add(first: float, second: float, edge: float) -> None:
    twice = apply_b_factor(apply_b_factor(flat(8), first, edge), second, edge)
    torch.testing.assert_close(
        twice, apply_b_factor(flat(8), first + second, edge), rtol=1e-4, atol=1e-6
    )


def test_the_mtf_is_interpolated_at_each_frequency() -> None:
    x, y = np.array([0.0, 0.25, 0.5]), np.array([1.0, 0.8, 0.4])
    s = torch.tensor([0.0, 0.125, 0.375, 0.9])
    assert mtf_weight(s, x, y, 1.0).tolist() == pytest.approx([1.0, 0.9, 0.6, 0.4])
    assert mtf_weight(s, x, y, 2.0).tolist()[:2] == pytest.approx([1.0, 0.8])
    found = divide_by_mtf(flat(), x, y, 1.0, 16.0).abs()
    assert float(found[4, 0, 0]) == pytest.approx(1.25, rel=1e-6)
    assert float(found[8, 0, 0]) == 1.0
    with pytest.raises(ValueError, match="rise"):
        mtf_weight(s, x[::-1].copy(), y, 1.0)
    with pytest.raises(ValueError, match="row 2"):
        mtf_weight(s, x, np.array([1.0, 0.0, 0.4]), 1.0)
