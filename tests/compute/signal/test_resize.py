"""Maps on another grid: sizes, centres, hands, densities."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from compute.signal.resize import covering_box, resize_map, resize_plan

CENTRE_A = np.array([9.0, -14.0, 6.5])  # x, y, z from the box centre; no two alike


def blob(box: int, pixel_size_A: float, width_A: float = 7.0) -> torch.Tensor:
    """A Gaussian blob off the centre, of height 2."""
    axis = (np.arange(box) - box // 2) * pixel_size_A
    x, y, z = np.exp(-((axis - CENTRE_A[:, None]) ** 2) / (2 * width_A**2))
    return torch.from_numpy(2.0 * z[:, None, None] * y[:, None] * x).float()


def test_the_plan_of_the_tutorial_map() -> None:
    assert resize_plan(64, 3.54, 1.24453125) == (90, 256)
    assert resize_plan(64, 2.0, 2.0) == (64, 64)
    assert resize_plan(64, 2.0, 1.0) == (64, 128)
    assert resize_plan(63, 2.0, 1.0) == (64, 128)
    assert resize_plan(100, 1.0, 4.0) == (104, 26)


def test_the_tutorial_map_needs_no_window() -> None:
    """N26: 64 voxels of 3.54 Å, padded to 90, are 256 voxels of 3.54 * 90 / 256 Å."""
    resized = resize_map(blob(64, 3.54), 3.54, 1.24453125, 256)
    assert resized.shape == (256, 256, 256) and resized.dtype == torch.float32
    assert float((resized - blob(256, 1.24453125)).abs().max()) < 1e-3


def by_fft(volume: torch.Tensor, padded: int, resampled: int) -> torch.Tensor:
    """A map without density near its edge, padded with zeros and resampled by whole transforms."""
    edge = padded // 2 - volume.shape[0] // 2
    after = padded - volume.shape[0] - edge
    whole = torch.nn.functional.pad(volume.double(), (edge, after) * 3)
    transform = torch.fft.fftshift(torch.fft.fftn(torch.fft.ifftshift(whole)))
    low = min(padded, resampled) // 2
    kept = slice(padded // 2 - low, padded // 2 + low)
    wanted = torch.zeros((resampled,) * 3, dtype=transform.dtype)
    place = slice(resampled // 2 - low, resampled // 2 + low)
    wanted[place, place, place] = transform[kept, kept, kept]
    values = torch.fft.fftshift(torch.fft.ifftn(torch.fft.ifftshift(wanted))).real
    return values * (resampled / padded) ** 3


@pytest.mark.parametrize("old_A, new_A, grid", [(3.6, 1.8, (50, 100)), (3.6, 4.5, (50, 40))])
def test_it_is_what_whole_transforms_give(
    old_A: float, new_A: float, grid: tuple[int, int]
) -> None:
    volume = blob(50, old_A, 6.0)
    assert resize_plan(50, old_A, new_A) == grid
    expected = by_fft(volume, *grid)
    resized = resize_map(volume, old_A, new_A, grid[1])
    assert torch.allclose(resized.double(), expected, atol=1e-5)


def test_padding_by_hand_gives_the_same() -> None:
    volume = blob(32, 3.54, 6.0)
    assert resize_plan(32, 3.54, 3.54 * 9 / 16) == (36, 64)
    expected = by_fft(volume, 36, 64)
    resized = resize_map(volume, 3.54, 3.54 * 9 / 16, 64)
    assert torch.allclose(resized.double(), expected, atol=2e-5)


def test_where_no_padding_is_exact_the_pixel_size_still_is() -> None:
    new_A = float(np.pi / 1.3)
    padded, resampled = resize_plan(44, 2.5, new_A)
    assert 44 <= padded <= 176 and resampled % 2 == 0
    assert 1e-7 < abs(padded * 2.5 / (resampled * new_A) - 1) < 1e-3
    resized = resize_map(blob(44, 2.5), 2.5, new_A, 44)
    assert float((resized - blob(44, new_A)).abs().max()) < 0.01


def test_the_same_pixel_size_is_a_centred_window() -> None:
    volume = torch.randn(100, 100, 100, generator=torch.Generator().manual_seed(0))
    small = resize_map(volume, 3.54, 3.54, 64)
    assert torch.equal(small, volume[18:82, 18:82, 18:82])
    large = resize_map(small, 3.54, 3.54, 70)
    assert torch.equal(large[3:67, 3:67, 3:67], small)
    assert float(large.abs().sum()) == pytest.approx(float(small.abs().sum()), rel=1e-6)
    odd = resize_map(volume[:63, :63, :63], 1.0, 1.0, 60)
    assert torch.equal(odd, volume[1:61, 1:61, 1:61])
    assert torch.equal(resize_map(volume, 1.0, 1.0, 63), volume[19:82, 19:82, 19:82])


@pytest.mark.parametrize("old_box", [44, 45])
@pytest.mark.parametrize("new_box", [40, 42, 45, 64, 66])
@pytest.mark.parametrize("new_pixel_size_A", [1.7, 2.5, 3.4])
def test_a_blob_stays_where_it_is(old_box: int, new_box: int, new_pixel_size_A: float) -> None:
    resized = resize_map(blob(old_box, 2.5), 2.5, new_pixel_size_A, new_box)
    assert float((resized - blob(new_box, new_pixel_size_A)).abs().max()) < 0.02


@pytest.mark.property
@settings(max_examples=25, deadline=None)
@given(st.integers(30, 48), st.floats(0.9, 2.2), st.integers(30, 60))
def test_any_pixel_size_is_reached(old_box: int, ratio: float, new_box: int) -> None:
    resized = resize_map(blob(old_box, 2.5), 2.5, 2.5 * ratio, new_box)
    extent = min(old_box * 2.5, new_box * 2.5 * ratio)
    if extent > 100.0:  # all of the blob is in both boxes
        assert float((resized - blob(new_box, 2.5 * ratio)).abs().max()) < 0.03


def test_a_constant_keeps_its_value_and_a_wave_its_phase() -> None:
    resized = resize_map(torch.full((16, 16, 16), 3.0), 2.0, 1.0, 32)
    assert torch.allclose(resized, torch.full((32, 32, 32), 3.0), atol=1e-5)
    axis = (np.arange(16) - 8) / 16
    wave = np.cos(2 * np.pi * (3 * axis) + 0.7)[None, None, :] * np.ones((16, 16, 1))
    fine_axis = (np.arange(32) - 16) / 32
    expected = np.cos(2 * np.pi * (3 * fine_axis) + 0.7)[None, None, :] * np.ones((32, 32, 1))
    resized = resize_map(torch.from_numpy(wave).float(), 2.0, 1.0, 32)
    assert torch.allclose(resized, torch.from_numpy(expected).float(), atol=1e-5)


def test_coarser_and_finer_again_keeps_what_both_grids_hold() -> None:
    smooth = blob(48, 2.0, 9.0)
    fine = resize_map(smooth, 2.0, 1.0, 96)
    back = resize_map(fine, 1.0, 2.0, 48)
    assert torch.allclose(back, smooth, atol=1e-5)


def test_frequencies_that_the_new_grid_cannot_hold_are_gone() -> None:
    axis = torch.arange(16, dtype=torch.float32) - 8
    wave = torch.cos(2 * torch.pi * 6 * axis / 16).expand(16, 16, 16)
    resized = resize_map(wave, 1.0, 2.0, 8)
    assert float(resized.abs().max()) < 1e-5


@pytest.mark.property
@given(st.integers(2, 60), st.floats(0.2, 5.0), st.floats(0.2, 5.0))
def test_the_covering_box_is_the_smallest_even_one(box: int, old_A: float, new_A: float) -> None:
    covering = covering_box(box, old_A, new_A)
    assert covering % 2 == 0 and covering >= 2
    assert covering * new_A >= box * old_A * (1 - 1e-5)
    assert covering == 2 or (covering - 2) * new_A < box * old_A


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
        ((8, 8, 8), 1.0, 1.0, 1, "at least 2"),
        ((8, 8, 8), 0.0, 1.0, 8, "positive"),
        ((8, 8, 8), 1.0, -1.0, 8, "positive"),
    ],
)
def test_impossible_grids_are_refused(
    shape: tuple, old_A: float, new_A: float, new_box: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        resize_map(torch.zeros(shape), old_A, new_A, new_box)
