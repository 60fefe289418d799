"""Tables per shell against a direct count over voxels, and sums of accumulators."""

import numpy as np
import pytest
import torch

from compute.maximisation.prior import (
    add_accumulators,
    fourier_coverage,
    join_low_resolution,
    low_resolution_part,
    reconstruction_noise,
    shell_weights,
)
from compute.projection.slices import Accumulator, empty_accumulator

from .conftest import voxel_frequencies


def random_weights(padding: int, radius: int) -> Accumulator:
    accumulator = empty_accumulator(padding, radius)
    accumulator.sums.uniform_(generator=torch.Generator().manual_seed(8))
    return accumulator


@pytest.mark.parametrize("padding", [1, 2, 3])
def test_means_over_shells(padding: int) -> None:
    accumulator = random_weights(padding, 6)
    length = np.sqrt((voxel_frequencies(accumulator) ** 2).sum(-1))
    shell = np.floor(length / padding + 0.5)
    weights = accumulator.sums[..., 2].double().numpy()
    expected = [
        weights[(shell == i) & (length < padding * 6)].mean() if i <= 6 else 0.0 for i in range(9)
    ]
    if padding == 1:
        expected[6] = weights[(shell == 6) & (length < 6)].mean()
    np.testing.assert_allclose(shell_weights(accumulator, 9).numpy(), expected, rtol=1e-6)
    noise = reconstruction_noise(accumulator, 9).numpy()
    np.testing.assert_allclose(noise[:7] * padding**3 * expected[:7], 1.0, rtol=1e-6)
    assert (noise[7:] == 0).all()


def test_fewer_shells_than_the_accumulator_has() -> None:
    accumulator = random_weights(2, 6)
    assert torch.equal(shell_weights(accumulator, 4), shell_weights(accumulator, 7)[:4])


def test_coverage_is_the_fraction_of_voxels_that_outweigh_the_prior() -> None:
    accumulator = random_weights(2, 16)
    power = torch.full((20,), 1 / (8 * 0.25), dtype=torch.float64)
    power[7] = 0.0
    coverage = fourier_coverage(accumulator, power)
    assert float(coverage[10:16].mean()) == pytest.approx(0.75, abs=0.01)
    assert float(coverage[7]) == 0.0
    assert (coverage[17:] == 0).all()


def test_the_part_comes_back_where_it_was_taken() -> None:
    accumulator = random_weights(2, 8)
    before = accumulator.sums.clone()
    part = low_resolution_part(accumulator, 3)
    assert part.shape == (13, 13, 7, 3)
    assert torch.equal(part[6, 6, 0], accumulator.sums[17, 17, 0])
    assert float(part[0, 0, 6].abs().max()) == 0.0
    join_low_resolution(accumulator, part)
    assert torch.equal(accumulator.sums, before)
    join_low_resolution(accumulator, 2 * part)
    assert torch.equal(accumulator.sums[17, 17, :7], 2 * before[17, 17, :7])
    assert torch.equal(accumulator.sums[17, 17, 7:], before[17, 17, 7:])


def test_a_join_beyond_the_radius_takes_everything() -> None:
    accumulator = random_weights(2, 8)
    assert low_resolution_part(accumulator, 40).shape == (33, 33, 17, 3)
    with pytest.raises(ValueError, match="holds 16"):
        join_low_resolution(accumulator, torch.zeros(41, 41, 21, 3))


def test_many_small_contributions_are_not_lost() -> None:
    """In float32 one by one, 2^24 + 1 + 1 + … stays at 2^24."""
    target, one = empty_accumulator(1, 2), empty_accumulator(1, 2)
    target.sums.fill_(2.0**24)
    one.sums.fill_(1.0)
    add_accumulators(target, *[one] * 8)
    assert (target.sums == 2.0**24 + 8).all()


def test_only_equal_sizes_are_added() -> None:
    with pytest.raises(ValueError, match="sizes must be equal"):
        add_accumulators(empty_accumulator(1, 4), empty_accumulator(2, 2))
