"""Windows, Fourier rescaling and normalisation of images, against their definitions and stated figures."""

import itertools

import numpy as np
import pytest

from compute.signal.extraction import (
    background,
    is_background,
    normalise,
    normalised_plainly,
    padding_share,
    rescaled,
    windows,
    without_dust,
)
from tests.compute.jobs.extracting import pattern


def normalised(images: np.ndarray, radius: int, ramp: bool = True, factor: float = 1.0) -> int:
    """Normalise in place, with the background of these images."""
    return normalise(images, background(images.shape[-1], radius, ramp), factor)


def window(x: int, y: int) -> np.ndarray:
    return windows(pattern(), np.array([[x, y]]), 16)


def test_a_window_has_its_centre_at_half_the_box() -> None:
    (image,) = window(30, 20)
    assert image[0, 0] == 2.5
    assert image[8, 8] == 3.5 == pattern()[20, 30]
    assert image[15, 15] == -3.25
    assert image.mean() == 3.06640625


def test_pixels_beyond_the_edge_repeat_the_edge() -> None:
    (image,) = window(2, 3)
    assert [image[0, 0], image[0, 15], image[15, 0], image[15, 15]] == [0, 8.25, -2, 5.25]
    assert window(62, 46)[0, 15, 15] == -6.75
    padded = np.pad(pattern(), 40, mode="edge")
    for x, y in itertools.product(
        (-25, -9, -8, -3, 2, 30, 62, 71, 72, 80), (-25, 3, 20, 46, 50, 70)
    ):
        np.testing.assert_array_equal(window(x, y)[0], padded[y + 32 : y + 48, x + 32 : x + 48])
    (whole,) = windows(pattern(), np.array([[32, 24]]), 80)
    np.testing.assert_array_equal(whole, padded[24:104, 32:112])


def test_pixels_beyond_the_edge_can_have_a_value_of_their_own() -> None:
    (image,) = windows(pattern(), np.array([[2, 3]]), 16, fill=9.0)
    assert (image[:5] == 9.0).all() and (image[:, :6] == 9.0).all()
    np.testing.assert_array_equal(image[5:, 6:], pattern()[:11, :10])
    padded = np.pad(pattern(), 40, constant_values=9.0)
    for x, y in itertools.product((-20, -3, 62, 75), (-20, 20, 70)):
        image = windows(pattern(), np.array([[x, y]]), 16, fill=9.0, level=2.0)[0] + 2.0
        np.testing.assert_array_equal(image, padded[y + 32 : y + 48, x + 32 : x + 48])


@pytest.mark.parametrize("kind", [np.int8, np.uint16, np.int16])
def test_whole_numbers_become_floats(kind: type) -> None:
    pixels = np.arange(48 * 64).reshape(48, 64).astype(kind)
    image = windows(pixels, np.array([[30, 20]]), 16)
    assert image.dtype == np.float32
    np.testing.assert_array_equal(image[0], pixels[12:28, 22:38])


def test_the_share_of_a_box_beyond_the_edge() -> None:
    centres = np.array([[30, 20], [8, 20], [7, 20], [0, 0], [-8, 20], [-7, 20], [71, 20], [72, 20]])
    found = padding_share(centres, 16, (48, 64))
    assert found.tolist() == [0, 0, 1 / 16, 0.75, 1.0, 15 / 16, 15 / 16, 1.0]


def test_normalised_images_have_the_stated_values() -> None:
    images = window(30, 20)
    normalised(images, 6, True, -1.0)
    assert images[0, 0, 0] == pytest.approx(0.884044, abs=1e-6)
    assert images[0, 8, 8] == pytest.approx(-0.175449, abs=1e-6)
    assert images[0, 15, 15] == pytest.approx(1.595193, abs=1e-6)
    assert images.mean() == pytest.approx(0.022061, abs=1e-6)
    assert images.std() == pytest.approx(1.022262, abs=1e-6)
    images = window(30, 20)
    normalised(images, 6, False)
    assert images[0, 0, 0] == pytest.approx(-0.170471, abs=1e-6)
    assert images[0, 8, 8] == pytest.approx(0.063927, abs=1e-6)
    assert images.mean() == pytest.approx(-0.037707, abs=1e-6)
    assert images.std() == pytest.approx(0.908393, abs=1e-6)


@pytest.mark.parametrize(
    ("new_box", "first", "centre", "deviation"),
    [(8, 3.194865, 2.170928, 2.879111), (24, 2.435678, 2.976711, 3.658900)],
)
def test_rescaled_images_have_the_stated_values(
    new_box: int, first: float, centre: float, deviation: float
) -> None:
    (image,) = rescaled(window(30, 20), new_box)
    assert image[0, 0] == pytest.approx(first, abs=4e-6)
    assert image[new_box // 2, new_box // 2] == pytest.approx(centre, abs=4e-6)
    assert image.mean(dtype=float) == pytest.approx(3.066406, abs=1e-6)
    assert image.std(dtype=float) == pytest.approx(deviation, abs=2e-6)


def test_scaling_comes_before_normalisation_and_inversion() -> None:
    images = rescaled(window(30, 20), 8)
    normalised(images, 3, True, -1.0)
    assert images[0, 0, 0] == pytest.approx(0.815472, abs=2e-6)
    assert images[0, 4, 4] == pytest.approx(0.410876, abs=2e-6)
    assert images.std() == pytest.approx(0.929895, abs=2e-6)


def test_a_band_limited_image_is_met_on_any_grid() -> None:
    def wave(box: int) -> np.ndarray:
        along = (np.arange(box) - box // 2) / box
        return np.cos(2 * np.pi * (3 * along[:, None] - 2 * along) + 0.3)[None]

    for new_box in (10, 36, 90):
        np.testing.assert_allclose(rescaled(wave(36), new_box), wave(new_box), atol=1e-6)


def test_rescaling_keeps_double_precision_until_the_end() -> None:
    images = np.random.default_rng(3).normal(size=(2, 36, 36))
    exact = rescaled(images, 20)
    np.testing.assert_allclose(rescaled(images.astype(np.float32), 20), exact, atol=3e-6)


def test_a_level_is_taken_off_with_the_window() -> None:
    pixels = pattern() + np.float32(1000.0)
    lowered = windows(pixels, np.array([[30, 20], [2, 3]]), 16, level=1000.0)
    np.testing.assert_array_equal(lowered, windows(pattern(), np.array([[30, 20], [2, 3]]), 16))


def test_a_plane_is_not_divided_by_nothing() -> None:
    y, x = np.mgrid[:16, :16]
    images = (0.25 * x - 0.5 * y + 100.0).astype(np.float32)[None]
    assert normalised(images, 6) == 1
    assert np.abs(images).max() < 3e-5
    images = rescaled(np.full((1, 32, 32), 1234.5, np.float32), 16)
    assert normalised(images, 6) == 1
    assert np.abs(images).max() < 1e-3


@pytest.mark.parametrize("has_ramp", [True, False])
@pytest.mark.parametrize(("box", "radius"), [(16, 6), (16, 8), (30, 11), (64, 24)])
def test_the_quick_normalisation_is_its_definition(box: int, radius: int, has_ramp: bool) -> None:
    random = np.random.default_rng(box)
    y, x = np.mgrid[:box, :box]
    images = (random.normal(3.0, 7.0, (5, box, box)) + 0.4 * x - 0.2 * y).astype(np.float32)
    expected = normalised_plainly(images, radius, has_ramp, -1.0)
    assert normalised(images, radius, has_ramp, -1.0) == 0
    np.testing.assert_allclose(images, expected, atol=2e-6)
    outside = images[:, is_background(box, radius)].astype(float)
    assert np.abs(outside.mean(axis=1)).max() < 5e-7
    assert np.abs(outside.std(axis=1) - 1.0).max() < 1e-6


def test_dust_becomes_noise_and_the_rest_stays() -> None:
    random = np.random.default_rng(5)
    images = random.normal(10.0, 2.0, (2, 32, 32)).astype(np.float32)
    images[0, 3, 4], images[1, 16, 16] = 500.0, -400.0
    before = images.copy()

    def cleaned(white: float, black: float) -> np.ndarray:
        copy = before.copy()
        generators = [np.random.default_rng(n) for n in range(2)]
        without_dust(copy, 12, white, black, generators)
        return copy

    both = cleaned(8.0, 8.0)
    assert (both != before).sum() == 2
    assert abs(both[1, 16, 16] - 10.0) < 10.0
    only_white = cleaned(8.0, 0.0)
    assert only_white[0, 3, 4] < 100.0 and only_white[1, 16, 16] == -400.0
    np.testing.assert_array_equal(cleaned(8.0, 8.0), both)
