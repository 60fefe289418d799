"""Half-plane pixels, image transforms, shifts, shell sums and the low-pass filter."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from compute.signal.fourier import (
    half_plane_pixels,
    highpass,
    image_transform,
    lowpass,
    phase_shifts,
    radial_frequency,
    shell_sums,
    shift_by_pixels,
)


def polynomial_map(with_x_term: bool = False) -> torch.Tensor:
    """The 16^3 test map ((7X² + 3Y² + 2Z² + 5XY + YZ [+ X]) mod 13), X, Y, Z = -8 … 7."""
    z, y, x = np.mgrid[-8:8, -8:8, -8:8]
    values = 7 * x**2 + 3 * y**2 + 2 * z**2 + 5 * x * y + y * z + (x if with_x_term else 0)
    return torch.from_numpy(np.mod(values, 13)).float()


def test_first_shells_hold_one_four_and_six_pixels() -> None:
    pixels = half_plane_pixels(64, 1.5)
    assert torch.bincount(pixels.shell)[:3].tolist() == [1, 4, 6]


@pytest.mark.parametrize("box", [2, 8, 18, 64])
def test_pixels_are_the_half_disc_once_each_sorted_by_radius(box: int) -> None:
    pixels = half_plane_pixels(box, 2.0)
    x, y = pixels.model_x.long(), pixels.model_y.long()
    expected = {
        (i, j)
        for i in range(box // 2 + 1)
        for j in range(-(box // 2) + 1, box // 2 + 1)
        if i * i + j * j <= box * box / 4 and not (i == 0 and j < 0)
    }
    listed = list(zip(x.tolist(), y.tolist(), strict=True))
    assert len(listed) == len(expected) and set(listed) == expected
    keys = [(i * i + j * j, i, j) for i, j in listed]
    assert keys == sorted(keys)
    assert torch.equal(pixels.column, x) and torch.equal(pixels.row, y % box)
    assert torch.equal(pixels.shell, (x**2 + y**2).double().sqrt().add(0.5).long())
    assert torch.allclose(pixels.shift_x_A * (box * 2.0), x.double())
    assert torch.allclose(pixels.shift_y_A * (box * 2.0), y.double())
    assert pixels.amplitude == 1.0
    assert (box // 2, 0) in expected and (0, box // 2) in expected


def test_a_smaller_working_size_is_a_leading_part() -> None:
    pixels = half_plane_pixels(32, 1.0)
    radius = torch.hypot(pixels.model_x, pixels.model_y)
    for size in (2, 8, 14, 32):
        count = pixels.count(size)
        assert bool((radius[:count] <= size / 2).all()) and bool((radius[count:] > size / 2).all())
    assert pixels.count(2) == 3 and pixels.count(32) == len(radius) and pixels.count(0) == 1


def test_an_optics_group_with_another_box_is_listed_in_model_units() -> None:
    pixels = half_plane_pixels(48, 2.0, 64, 1.0)
    ratio = 64.0 / 96.0
    assert torch.allclose(pixels.model_x.double() / ratio, pixels.shift_x_A * 96.0, atol=1e-5)
    assert pixels.amplitude == pytest.approx(ratio**2)
    assert float(torch.hypot(pixels.model_x, pixels.model_y).max()) == pytest.approx(24 * ratio)
    fine = half_plane_pixels(128, 0.5, 64, 1.0)
    assert float(torch.hypot(fine.model_x, fine.model_y).max()) == 32.0
    assert len(fine.row) == len(half_plane_pixels(64, 1.0).row)
    frequency_x_A, frequency_y_A = pixels.frequency_A()
    assert torch.allclose(frequency_x_A, pixels.shift_x_A, rtol=1e-6)
    assert torch.allclose(frequency_y_A, pixels.shift_y_A, rtol=1e-6)


def test_magnification_moves_the_model_frequency_but_not_the_shift_frequency() -> None:
    matrix = (1.02, 0.01, -0.03, 0.97)
    pixels = half_plane_pixels(32, 1.0, magnification=matrix)
    x, y = pixels.shift_x_A * 32, pixels.shift_y_A * 32
    assert torch.allclose(pixels.model_x.double(), 1.02 * x + 0.01 * y, atol=1e-5)
    assert torch.allclose(pixels.model_y.double(), -0.03 * x + 0.97 * y, atol=1e-5)
    radius = torch.hypot(pixels.model_x, pixels.model_y)
    assert bool((radius[1:] >= radius[:-1] - 1e-5).all()) and float(radius.max()) <= 16.0001


@pytest.mark.parametrize("box, pixel_size_A", [(63, 1.0), (0, 1.0), (64, 0.0), (64, -1.0)])
def test_impossible_grids_are_refused(box: int, pixel_size_A: float) -> None:
    with pytest.raises(ValueError, match="must be"):
        half_plane_pixels(box, pixel_size_A)


def test_a_transform_of_a_point_at_the_centre_is_flat() -> None:
    images = torch.zeros(2, 3, 16, 16)
    images[..., 8, 8] = 256.0
    pixels = half_plane_pixels(16, 1.0)
    values = image_transform(images, pixels)
    assert values.shape == (2, 3, len(pixels.row)) and values.dtype == torch.complex64
    assert torch.allclose(values, torch.ones_like(values), atol=1e-6)


def test_a_cosine_has_half_its_amplitude_at_its_frequency() -> None:
    y, x = np.mgrid[-16:16, -16:16]
    image = torch.from_numpy(np.cos(2 * np.pi * (3 * x - 5 * y) / 32 + 0.4)).float()[None]
    pixels = half_plane_pixels(32, 1.0)
    values = image_transform(image, pixels)[0]
    place = (pixels.model_x == 3) & (pixels.model_y == -5)
    assert complex(values[place]) == pytest.approx(0.5 * np.exp(0.4j), abs=1e-6)
    assert float(values[~place].abs().max()) < 1e-6


def test_a_transform_refuses_images_of_another_box() -> None:
    with pytest.raises(ValueError, match="pixel list is for 16"):
        image_transform(torch.zeros(1, 18, 18), half_plane_pixels(16, 1.0))


def test_phase_shifts_move_the_content_by_the_origin() -> None:
    """A point at the centre with origin (+3, -2) pixels ends at (c+3, c-2)."""
    images = torch.zeros(1, 32, 32)
    images[0, 16, 16] = 1.0
    pixels = half_plane_pixels(32, 1.7)
    target = torch.zeros(1, 32, 32)
    target[0, 14, 19] = 1.0
    shifted = image_transform(images, pixels) * phase_shifts(
        torch.tensor([[3 * 1.7, -2 * 1.7]]), pixels, len(pixels.row)
    )
    assert torch.allclose(shifted, image_transform(target, pixels), atol=1e-9, rtol=1e-5)


def test_phase_shifts_agree_with_the_exponential_for_large_shifts_and_any_batch() -> None:
    pixels = half_plane_pixels(64, 3.54, 64, 3.3)
    shifts_A = torch.from_numpy(np.random.default_rng(0).uniform(-200, 200, (4, 5, 2)))
    count = pixels.count(40)
    factors = phase_shifts(shifts_A, pixels, count)
    frequency = torch.stack([pixels.shift_x_A, pixels.shift_y_A])[:, :count]
    exact = torch.exp(-2j * math.pi * (shifts_A @ frequency))
    assert factors.shape == (4, 5, count) and factors.dtype == torch.complex64
    assert float((factors - exact).abs().max()) < 1e-6


@settings(max_examples=25, deadline=None)
@given(st.tuples(st.integers(-20, 20), st.integers(-20, 20)))
def test_whole_pixel_shifts_bring_in_zeros_and_go_back(shift: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(1, 16, 16, generator=generator)
    dx, dy = shift
    moved = shift_by_pixels(image, torch.tensor([[dx, dy]]))
    expected = torch.zeros(16, 16)
    for y in range(max(0, dy), min(16, 16 + dy)):
        for x in range(max(0, dx), min(16, 16 + dx)):
            expected[y, x] = image[0, y - dy, x - dx]
    assert torch.equal(moved[0], expected)


def test_whole_pixel_shifts_differ_between_images() -> None:
    images = torch.arange(32.0).reshape(2, 4, 4)
    moved = shift_by_pixels(images, torch.tensor([[0, 0], [1, -1]]))
    assert torch.equal(moved[0], images[0])
    assert torch.equal(moved[1, :3, 1:], images[1, 1:, :3])
    assert float(moved[1, 3].abs().sum() + moved[1, :, 0].abs().sum()) == 0.0


def test_shell_sums_add_up_in_float64_and_drop_higher_shells() -> None:
    values = torch.rand(2, 3, 50, generator=torch.Generator().manual_seed(1))
    shell = torch.arange(50) % 7
    sums = shell_sums(values, shell, 5)
    assert sums.shape == (2, 3, 5) and sums.dtype == torch.float64
    for index in range(5):
        assert torch.allclose(sums[..., index], values.double()[..., shell == index].sum(-1))


def test_radial_frequency_is_the_norm_of_the_index() -> None:
    radius = radial_frequency(6, 3)
    assert radius.shape == (6, 6, 4)
    assert float(radius[0, 0, 0]) == 0.0
    assert float(radius[5, 2, 2]) == 3.0
    assert float(radius[3, 3, 3]) == pytest.approx(math.sqrt(27))
    assert radial_frequency(8, 2).shape == (8, 5)


def test_lowpass_of_the_polynomial_map() -> None:
    filtered = lowpass(polynomial_map(), 2.0, 8.0)
    assert float(filtered[0, 0, 0]) == pytest.approx(5.639962, abs=2e-6)
    assert float(filtered[8, 8, 8]) == pytest.approx(4.157613, abs=2e-6)
    assert float(filtered.std(correction=0)) == pytest.approx(0.870190, abs=2e-6)


def test_highpass_is_what_lowpass_takes_away() -> None:
    volume = polynomial_map()
    both = highpass(volume, 2.0, 9.0, 4.0) + lowpass(volume, 2.0, 9.0, 4.0)
    assert torch.allclose(both, volume, atol=1e-5)
    assert abs(float(highpass(volume, 2.0, 9.0, 4.0).mean())) < 1e-6
    with pytest.raises(ValueError, match="high-pass resolution is 0"):
        highpass(volume, 2.0, 0.0)


def test_lowpass_refuses_what_it_cannot_do() -> None:
    with pytest.raises(ValueError, match="cubic"):
        lowpass(torch.zeros(4, 4, 6), 1.0, 10.0)
    with pytest.raises(ValueError, match="positive"):
        lowpass(torch.zeros(4, 4, 4), 1.0, 0.0)
