"""Fourier shell correlation, its correction for masks, thresholds and weights."""

import math

import numpy as np
import pytest
import torch

from compute.signal.fourier import lowpass, radial_frequency
from compute.signal.fsc import (
    corrected_curve,
    corrected_fsc,
    crossing,
    fsc,
    fsc_weight,
    recrossings,
    resolution_A,
)
from compute.signal.masks import sphere

BOX, PIXEL_SIZE_A = 64, 2.0


def polynomial_map(x_term: int) -> torch.Tensor:
    z, y, x = np.mgrid[-8:8, -8:8, -8:8]
    values = 7 * x**2 + 3 * y**2 + 2 * z**2 + 5 * x * y + y * z + x_term * x
    return torch.from_numpy(np.mod(values, 13)).double()


def curve_of(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def noisy_halves() -> tuple[torch.Tensor, torch.Tensor]:
    """Two maps that share a signal up to 10 Å inside a small sphere, with independent noise."""
    generator = torch.Generator().manual_seed(5)
    signal = torch.randn(BOX, BOX, BOX, generator=generator) * sphere(BOX, 14.0, 3.0)
    signal = lowpass(signal, PIXEL_SIZE_A, 10.0)
    noise = torch.randn(2, BOX, BOX, BOX, generator=generator)
    halves = signal + 0.6 * signal.std() * noise
    return halves[0], halves[1]


def test_half_transform_sums_of_the_polynomial_maps() -> None:
    transforms = [torch.fft.rfftn(polynomial_map(term)) for term in (0, 1)]
    curve = fsc(transforms[0], transforms[1], 9)
    expected = [
        -0.10538, -0.01895, 0.025162, -0.06168, -0.05224, -0.15214, -0.10587, -0.03473,
    ]  # fmt: skip
    assert curve.dtype == torch.float64 and float(curve[0]) == 1.0
    assert curve[1:].tolist() == pytest.approx(expected, abs=6e-6)


def test_a_map_correlates_with_itself_and_with_its_negative() -> None:
    transform = torch.fft.rfftn(torch.randn(12, 12, 12, generator=torch.Generator().manual_seed(0)))
    assert torch.allclose(fsc(transform, 3 * transform, 7), torch.ones(7).double())
    assert torch.allclose(fsc(transform, -transform, 7)[1:], -torch.ones(6).double())


def test_empty_shells_correlate_to_zero() -> None:
    transform = torch.fft.rfftn(torch.randn(12, 12, 12, generator=torch.Generator().manual_seed(0)))
    transform[radial_frequency(12, 3) > 3.4] = 0
    curve = fsc(transform, transform, 7)
    assert curve.tolist() == pytest.approx([1, 1, 1, 1, 0, 0, 0])


def test_added_noise_gives_the_expected_correlation() -> None:
    generator = torch.Generator().manual_seed(3)
    signal, first, second = torch.randn(3, 48, 48, 48, generator=generator)
    curve = fsc(torch.fft.rfftn(signal + first), torch.fft.rfftn(signal + second), 25)
    assert curve[8:].mean() == pytest.approx(0.5, abs=0.02)


def test_the_mask_alone_correlates_and_is_taken_out() -> None:
    half1, half2 = noisy_halves()
    mask = sphere(BOX, 9.0, 1.0)
    result = corrected_fsc(half1, half2, mask, PIXEL_SIZE_A, seed=0)
    limit = round(BOX * PIXEL_SIZE_A / 10.0)
    assert result.reason is None and result.randomised_from_shell is not None
    assert 1 <= result.randomised_from_shell <= limit + 1
    assert float(result.unmasked[result.randomised_from_shell]) < 0.8
    assert bool((result.unmasked[1 : result.randomised_from_shell] >= 0.8).all())
    shells = slice(limit + 4, limit + 7)
    assert float(result.corrected[limit + 4 :].mean().abs()) < 0.1
    assert float(result.masked[limit - 2]) > float(result.unmasked[limit - 2])
    assert torch.isfinite(result.corrected[shells]).all()


def test_a_tight_mask_fools_the_masked_curve_but_not_the_corrected_one() -> None:
    half1, half2 = noisy_halves()
    generator = torch.Generator().manual_seed(9)
    speckle = lowpass(torch.randn(BOX, BOX, BOX, generator=generator), PIXEL_SIZE_A, 8.0)
    mask = (speckle > speckle.std()).float() * sphere(BOX, 16.0, 2.0)
    result = corrected_fsc(half1 + 0.5, half2 + 0.5, mask, PIXEL_SIZE_A, seed=1)
    limit = round(BOX * PIXEL_SIZE_A / 10.0)
    assert float(result.masked[limit + 4 :].mean()) > 0.1
    assert float(result.corrected[limit + 4 :].mean().abs()) < 0.05
    again = corrected_fsc(half1 + 0.5, half2 + 0.5, mask, PIXEL_SIZE_A, seed=1, threads=2)
    other = corrected_fsc(half1 + 0.5, half2 + 0.5, mask, PIXEL_SIZE_A, seed=2)
    assert torch.equal(again.corrected, result.corrected)
    assert not torch.equal(result.randomised, other.randomised)


def test_beyond_the_signal_every_shell_of_the_corrected_curve_is_zero() -> None:
    """Specification §12, check 37: 0 ± 0.05 where the tight mask alone correlates to more than 0.1.

    One pair of maps scatters by 0.1 in a shell of such a mask, so that the mean of eight pairs is what is held, shell
    by shell, from the third behind the signal on: nearer ones still mix with it through the mask.
    """
    signal = lowpass(sum(noisy_halves()), PIXEL_SIZE_A, 10.0)
    speckle = torch.randn(BOX, BOX, BOX, generator=torch.Generator().manual_seed(9))
    speckle = lowpass(speckle, PIXEL_SIZE_A, 8.0)
    mask = (speckle > speckle.std()).float() * sphere(BOX, 16.0, 2.0)
    curves = []
    for seed in range(8):
        generator = torch.Generator().manual_seed(100 + seed)
        noise = 0.5 * signal.std() * torch.randn(2, BOX, BOX, BOX, generator=generator)
        curves.append(corrected_fsc(*(signal + noise), mask, PIXEL_SIZE_A, seed=seed))
    beyond = round(BOX * PIXEL_SIZE_A / 10.0) + 3
    corrected = torch.stack([one.corrected for one in curves])[:, beyond:].mean(0)
    masked = torch.stack([one.masked for one in curves])[:, beyond:]
    assert float(masked.min()) > 0.1
    assert float(corrected.abs().max()) < 0.05


def test_randomised_maps_keep_their_moduli() -> None:
    """With a mask of ones the randomised curve is pure noise and low shells are untouched."""
    half1, half2 = noisy_halves()
    result = corrected_fsc(half1, half2, torch.ones(BOX, BOX, BOX), PIXEL_SIZE_A, 0)
    first = result.randomised_from_shell
    assert first is not None
    assert torch.allclose(result.randomised[: first - 1], result.unmasked[: first - 1], atol=1e-4)
    assert float(result.randomised[first + 2 :].mean().abs()) < 0.02
    chosen = corrected_fsc(half1, half2, torch.ones(BOX, BOX, BOX), PIXEL_SIZE_A, 0, 16.0)
    assert chosen.randomised_from_shell == 8


def test_identical_halves_are_reported() -> None:
    half, _ = noisy_halves()
    result = corrected_fsc(half, half, sphere(BOX, 20.0, 4.0), PIXEL_SIZE_A, 0)
    assert result.randomised_from_shell is None
    assert result.reason is not None and "never drops below 0.8" in result.reason
    assert torch.equal(result.corrected, result.unmasked)


def test_masks_that_cannot_serve_are_refused() -> None:
    half = torch.ones(8, 8, 8)
    with pytest.raises(ValueError, match="zero everywhere"):
        corrected_fsc(half, half, torch.zeros(8, 8, 8), 1.0, 0)
    with pytest.raises(ValueError, match="one size"):
        corrected_fsc(half, half, torch.ones(6, 6, 6), 1.0, 0)


def test_the_corrected_curve() -> None:
    masked = curve_of(1.0, 0.9, 0.30, 0.30, 0.30, 0.04)
    randomised = curve_of(1.0, 0.05, 0.05, 0.05, 0.05, 0.05)
    corrected = corrected_curve(masked, randomised, 1)
    assert corrected[:3].tolist() == masked[:3].tolist()
    assert corrected[3:].tolist() == pytest.approx([0.263158, 0.263158, -0.010526], abs=1e-6)
    same = corrected_curve(torch.ones(4).double(), torch.ones(4).double(), 1)
    assert same.tolist() == [1.0, 1.0, 1.0, 0.0]
    wild = corrected_curve(curve_of(1, 1, 1, -1.0), curve_of(1, 1, 1, 0.9), 1)
    assert wild.tolist() == [1.0, 1.0, 1.0, -1.0]


def test_n37_the_stated_curve_and_the_shell_that_its_resolution_is_read_at() -> None:
    """32 voxels of 4 Å, phases random from shell 7 on: 14.22 Å, the last shell above 0.143."""
    masked = curve_of(*[1.0] * 7, 0.7, 0.5, 0.247331, 0.036719)
    randomised = curve_of(*[1.0] * 7, 0.6, 0.2, 0.010533, 0.010533)
    corrected = corrected_curve(masked, randomised, 7)
    assert corrected[7:9].tolist() == [0.7, 0.5]  # the masked curve's
    assert corrected[9:].tolist() == pytest.approx([0.239318, 0.026465], abs=1e-6)
    assert 32 * 4.0 / crossing(corrected, 0.143) == pytest.approx(14.222222)


def test_crossings() -> None:
    curve = curve_of(1.0, 0.9, 0.6, 0.4, 0.55, 0.2, 0.1)
    assert crossing(curve, 0.5) == 2
    assert crossing(curve, 0.143) == 5
    assert crossing(curve, 0.05) == 6
    assert crossing(curve_of(1.0, 0.1, 0.0), 0.5) == 1
    assert recrossings(curve, 0.5) == 4
    assert recrossings(curve, 0.143) is None
    assert recrossings(curve, 0.05) is None


def test_resolutions() -> None:
    curve = curve_of(1.0, 0.9, 0.6, 0.4, 0.55, 0.2, 0.1)
    assert resolution_A(curve, 0.5, 100.0) == pytest.approx(100.0 / 2.5)
    assert resolution_A(curve, 0.05, 100.0) == pytest.approx(100.0 / 6)
    assert resolution_A(curve_of(1.0, 0.1, 0.0), 0.5, 100.0) == 100.0
    assert resolution_A(curve_of(1.0, 0.9, 0.5, 0.1), 0.5, 100.0) == pytest.approx(50.0)


def test_the_weight_of_the_averaged_map() -> None:
    weight = fsc_weight(curve_of(0.143, 1 / 7, 0.5, 1.0, -0.2))
    expected = [0.500218, 0.5, math.sqrt(2 / 3), 1.0, 0.0]
    assert weight.tolist() == pytest.approx(expected, abs=1e-6)
