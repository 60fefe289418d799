"""Soft discs and spheres, and images with their background replaced."""

import math

import pytest
import torch

from compute.signal.masks import disc_background, mask_images, sphere


def test_the_background_weight_is_a_raised_cosine() -> None:
    background = disc_background(32, 6.0, 4.0)
    row = background[16, 16:].tolist()
    expected = [0.5 + 0.5 * math.cos(math.pi * (10 - r) / 4) for r in range(6, 11)]
    assert row[:7] == pytest.approx([0.0] * 7, abs=1e-7)
    assert row[6:11] == pytest.approx(expected, abs=1e-6)
    assert row[10:] == [1.0] * 6
    assert float(background[16 + 6, 16 + 8]) == 1.0


def test_the_disc_is_centred_on_the_centre_pixel() -> None:
    background = disc_background(32, 7.0, 3.0)
    inner = background[1:, 1:]
    assert torch.equal(inner, inner.flip(0)) and torch.equal(inner, inner.flip(1))
    assert torch.equal(background, background.T)


def test_an_edge_of_zero_is_a_step() -> None:
    background = disc_background(8, 2.0, 0.0)
    assert set(background.unique().tolist()) == {0.0, 1.0}
    assert int((background == 0).sum()) == 13


def test_the_sphere_is_the_complement_in_three_dimensions() -> None:
    ball = sphere(24, 5.0, 4.0)
    assert torch.allclose(ball[12], 1.0 - disc_background(24, 5.0, 4.0))
    assert ball[12, 12, 17] == 1.0 and ball[12, 12, 21] == 0.0 and ball[19, 12, 12] == 0.5
    volume = sphere(48, 15.0, 0.0).sum()
    assert float(volume) == pytest.approx(4 / 3 * math.pi * 15**3, rel=0.01)


@pytest.mark.parametrize("radius, edge", [(0.0, 3.0), (-1.0, 3.0), (5.0, -1.0)])
def test_impossible_masks_are_refused(radius: float, edge: float) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        disc_background(16, radius, edge)


def test_the_outside_becomes_its_own_weighted_mean() -> None:
    images = torch.randn(3, 32, 32, generator=torch.Generator().manual_seed(0)) + 5.0
    background = disc_background(32, 8.0, 5.0)
    masked = mask_images(images, background, None)
    for image, result in zip(images, masked, strict=True):
        mean = (image * background).sum() / background.sum()
        assert torch.allclose(result, image * (1 - background) + mean * background, atol=1e-5)
        assert torch.equal(result[background == 0], image[background == 0])
    flat = torch.full((1, 32, 32), 2.5)
    assert torch.allclose(mask_images(flat, background, None), flat)


def test_the_outside_can_be_filled_with_other_images() -> None:
    generator = torch.Generator().manual_seed(1)
    images, fill = torch.randn(2, 2, 16, 16, generator=generator)
    background = disc_background(16, 4.0, 3.0)
    masked = mask_images(images, background, fill)
    assert torch.allclose(masked, images * (1 - background) + fill * background, atol=1e-6)
    assert torch.equal(masked[:, background == 1], fill[:, background == 1])


def test_a_disc_larger_than_the_box_changes_nothing() -> None:
    images = torch.randn(1, 8, 8, generator=torch.Generator().manual_seed(2))
    assert torch.equal(mask_images(images, disc_background(8, 20.0, 2.0), None), images)
