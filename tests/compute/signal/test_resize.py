"""Maps on another grid: sizes, centres, hands, densities."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from compute.signal.resize import resize_map, resize_plan

CENTRE_A = np.array([9.0, -14.0, 6.5])  # x, y, z from the box centre; no two alike


def blob(box: int, pixel_size_A: float, width_A: float = 7.0) -> torch.Tensor:
    """A Gaussian blob off the centre, of height 2."""
    axis = (np.arange(box) - box // 2) * pixel_size_A
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    squared = (x - CENTRE_A[0]) ** 2 + (y - CENTRE_A[1]) ** 2 + (z - CENTRE_A[2]) ** 2
    return torch.from_numpy(2.0 * np.exp(-squared / (2 * width_A**2))).float()


def test_the_plan_of_the_tutorial_map() -> None:
    assert resize_plan(64, 3.54, 1.24453125) == (90, 256)
    assert resize_plan(64, 2.0, 2.0) == (64, 64)
    assert resize_plan(64, 2.0, 1.0) == (64, 128)
    assert resize_plan(63, 2.0, 1.0) == (64, 128)
    assert resize_plan(100, 1.0, 4.0) == (104, 26)


def test_the_tutorial_map_reaches_its_pixel_size_exactly() -> None:
    resized, pixel_size_A = resize_map(blob(64, 3.54), 3.54, 1.24453125, 256)
    assert pixel_size_A == pytest.approx(1.24453125, rel=1e-14)
    assert resized.shape == (256, 256, 256) and resized.dtype == torch.float32
    assert float((resized - blob(256, 1.24453125)).abs().max()) < 1e-3


def test_where_nothing_is_exact_the_nearest_is_taken_and_told() -> None:
    padded, resampled = resize_plan(10, 1.0, np.pi / 3)
    assert 10 <= padded <= 40 and resampled % 2 == 0
    reached = padded / resampled
    assert 1e-9 < abs(reached / (np.pi / 3) - 1) < 0.01
    _, pixel_size_A = resize_map(torch.zeros(10, 10, 10), 1.0, float(np.pi / 3), 10)
    assert pixel_size_A == pytest.approx(reached)


def test_the_same_pixel_size_is_a_centred_window() -> None:
    volume = torch.randn(100, 100, 100, generator=torch.Generator().manual_seed(0))
    small, pixel_size_A = resize_map(volume, 3.54, 3.54, 64)
    assert pixel_size_A == 3.54 and torch.equal(small, volume[18:82, 18:82, 18:82])
    large, _ = resize_map(small, 3.54, 3.54, 70)
    assert torch.equal(large[3:67, 3:67, 3:67], small)
    assert float(large.abs().sum()) == pytest.approx(float(small.abs().sum()), rel=1e-6)
    odd, _ = resize_map(volume[:63, :63, :63], 1.0, 1.0, 60)
    assert torch.equal(odd, volume[1:61, 1:61, 1:61])


@pytest.mark.parametrize("old_box", [44, 45])
@pytest.mark.parametrize("new_box", [40, 42, 64, 66])
@pytest.mark.parametrize("new_pixel_size_A", [1.7, 2.5, 3.4])
def test_a_blob_stays_where_it_is(old_box: int, new_box: int, new_pixel_size_A: float) -> None:
    resized, reached_A = resize_map(blob(old_box, 2.5), 2.5, new_pixel_size_A, new_box)
    assert reached_A == pytest.approx(new_pixel_size_A, rel=1e-7)
    assert float((resized - blob(new_box, reached_A)).abs().max()) < 0.02


def test_a_constant_keeps_its_value_and_a_wave_its_phase() -> None:
    resized, _ = resize_map(torch.full((16, 16, 16), 3.0), 2.0, 1.0, 32)
    assert torch.allclose(resized, torch.full((32, 32, 32), 3.0), atol=1e-5)
    axis = (np.arange(16) - 8) / 16
    wave = np.cos(2 * np.pi * (3 * axis) + 0.7)[None, None, :] * np.ones((16, 16, 1))
    fine_axis = (np.arange(32) - 16) / 32
    expected = np.cos(2 * np.pi * (3 * fine_axis) + 0.7)[None, None, :] * np.ones((32, 32, 1))
    resized, _ = resize_map(torch.from_numpy(wave).float(), 2.0, 1.0, 32)
    assert torch.allclose(resized, torch.from_numpy(expected).float(), atol=1e-5)


def test_coarser_and_finer_again_keeps_what_both_grids_hold() -> None:
    smooth = blob(48, 2.0, 9.0)
    fine, _ = resize_map(smooth, 2.0, 1.0, 96)
    back, _ = resize_map(fine, 1.0, 2.0, 48)
    assert torch.allclose(back, smooth, atol=1e-5)


def test_frequencies_that_the_new_grid_cannot_hold_are_gone() -> None:
    axis = torch.arange(16, dtype=torch.float32) - 8
    wave = torch.cos(2 * torch.pi * 6 * axis / 16).expand(16, 16, 16)
    resized, _ = resize_map(wave, 1.0, 2.0, 8)
    assert float(resized.abs().max()) < 1e-5


@settings(max_examples=30, deadline=None)
@given(st.integers(4, 200), st.floats(0.3, 6.0), st.floats(0.3, 6.0))
def test_every_plan_is_even_and_covers_the_map(box: int, old_A: float, new_A: float) -> None:
    padded, resampled = resize_plan(box, old_A, new_A)
    assert padded % 2 == 0 and resampled % 2 == 0 and resampled >= 2
    assert box <= padded <= 4 * box


@pytest.mark.parametrize(
    "shape, old_A, new_A, new_box, message",
    [
        ((8, 8, 10), 1.0, 1.0, 8, "cubic"),
        ((8, 8, 8), 1.0, 1.0, 7, "even"),
        ((8, 8, 8), 0.0, 1.0, 8, "positive"),
        ((8, 8, 8), 1.0, -1.0, 8, "positive"),
    ],
)
def test_impossible_grids_are_refused(
    shape: tuple, old_A: float, new_A: float, new_box: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        resize_map(torch.zeros(shape), old_A, new_A, new_box)
