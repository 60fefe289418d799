"""Density of points: place, hand, mass, fall-off, and what is refused."""

import math

import numpy as np
import pytest
import torch

from compute.signal.density import density_map


def _points(rows: list[list[float]]) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def test_an_atom_on_a_voxel_is_a_gaussian_of_its_b_factor() -> None:
    box, pixel, b_factor = 24, 2.0, 600.0
    volume = density_map(_points([[4.0, -6.0, 8.0]]), _points([7.0]), box, pixel, b_factor)
    axis = (torch.arange(box) - box // 2) * pixel
    z, y, x = torch.meshgrid(axis, axis, axis, indexing="ij")
    variance = b_factor / (8.0 * math.pi**2)
    squared = (x - 4.0) ** 2 + (y + 6.0) ** 2 + (z - 8.0) ** 2
    expected = 7.0 * pixel**3 * torch.exp(-squared / (2 * variance))
    expected /= (2 * math.pi * variance) ** 1.5
    assert (volume - expected).abs().max() < 2e-3 * expected.max()


def test_atoms_lie_at_their_places_and_hand() -> None:
    first, second = [10.3, -4.6, 7.9], [-8.1, 5.2, -2.4]
    volume = density_map(_points([first, second]), _points([8.0, 4.0]), 32, 1.5, 60.0)
    axis = (torch.arange(32) - 16) * 1.5
    for place, share in ((first, 8.0), (second, 4.0)):
        weights = [torch.exp(-(((axis - p) / 6.0) ** 4)) for p in place]
        near = volume * weights[2][:, None, None] * weights[1][:, None] * weights[0]
        mass = near.sum()
        found = [
            float((near.sum(dim=[d for d in range(3) if d != 2 - i]) * axis).sum() / mass)
            for i in range(3)
        ]
        assert np.allclose(found, place, atol=0.1)
        assert float(mass) == pytest.approx(share, rel=0.02)


def test_the_transform_is_the_sum_of_phases() -> None:
    random = np.random.default_rng(3)
    places = torch.from_numpy(random.uniform(-12.0, 12.0, (40, 3)))
    weights = torch.from_numpy(random.uniform(6.0, 16.0, 40))
    box, pixel, b_factor = 20, 2.0, 50.0
    volume = density_map(places, weights, box, pixel, b_factor)
    transform = torch.fft.rfftn(torch.fft.ifftshift(volume.double()))
    for x, y, z in ((0, 0, 0), (3, -2, 1), (6, 5, -4), (0, 7, -7), (9, 0, 0)):
        frequency = torch.tensor([x, y, z], dtype=torch.float64) / (box * pixel)
        expected = (weights * torch.exp(-2j * torch.pi * (places @ frequency))).sum()
        expected *= torch.exp(-b_factor / 4 * (frequency @ frequency))
        assert abs(transform[z, y, x] - expected) < 0.015 * float(weights.sum()) / math.sqrt(40)


def test_the_voxels_add_up_to_the_mass() -> None:
    volume = density_map(_points([[1.0, 2.0, 3.0]]), _points([5.0]), 16, 2.0)
    assert float(volume.sum()) == pytest.approx(5.0, rel=1e-5)


def test_a_model_larger_than_the_box_is_refused() -> None:
    with pytest.raises(ValueError, match="reaches 40.0 Å"):
        density_map(_points([[40.0, 0.0, 0.0]]), _points([6.0]), 16, 2.0)


def test_an_odd_box_is_refused() -> None:
    with pytest.raises(ValueError, match="even"):
        density_map(_points([[0.0, 0.0, 0.0]]), _points([6.0]), 15, 2.0)
