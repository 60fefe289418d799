"""What is compiled of the work on shells agrees with its definition."""

import numpy as np
import pytest
import torch

from compute.maximisation import reconstruct, shells_triton
from compute.maximisation.prior import covered_torch, fourier_coverage
from compute.maximisation.shells import half_shell_sums, half_shell_sums_torch, sums_over_shells
from compute.projection.reference import grid_shape
from compute.projection.slices import Accumulator, empty_accumulator


@pytest.fixture(params=[(1, 9), (2, 8), (3, 5)], ids=["padding 1", "padding 2", "padding 3"])
def sums(request: pytest.FixtureRequest) -> Accumulator:
    """Sums of which some voxels hold nothing."""
    accumulator = empty_accumulator(*request.param)
    draw = torch.Generator().manual_seed(3)
    accumulator.sums.normal_(generator=draw)
    accumulator.sums[..., 2] = accumulator.sums[..., 2].clamp(min=0)
    return accumulator


def test_sums_over_half_shells(sums: Accumulator) -> None:
    for found, expected in zip(half_shell_sums(sums), half_shell_sums_torch(sums), strict=True):
        assert len(found) == 2 * sums.radius
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("numbers", [3, 4])
def test_what_a_gpu_counts(numbers: int) -> None:
    """Run by Triton's interpreter, on voxels of three and of four numbers."""
    wide = torch.zeros(*grid_shape(2, 3), numbers)
    wide[..., 2].uniform_(generator=torch.Generator().manual_seed(3))
    sums = Accumulator(wide[..., :3], 2, 3)
    needed = torch.linspace(0, 1, 2 * sums.radius, dtype=torch.float64)
    weights, count = half_shell_sums_torch(sums)
    covered, _ = covered_torch(sums, needed)
    found = shells_triton.add_half_shells(wide[..., 2], sums.padding, needed)
    for one, expected in zip(found, (weights, covered, count), strict=True):
        torch.testing.assert_close(one, expected, rtol=1e-12, atol=1e-12)
    assert 0 < float(covered.sum()) < float(count.sum())


def test_coverage(sums: Accumulator) -> None:
    power = torch.linspace(3, 0, sums.radius + 1, dtype=torch.float64) / sums.padding**3
    per_half = power[(torch.arange(2 * sums.radius) + 1) // 2]
    covered, count = covered_torch(sums, 1 / (sums.padding**3 * per_half))
    shells = len(power)
    expected = sums_over_shells(covered, shells) / sums_over_shells(count, shells).clamp(min=1)
    found = fourier_coverage(sums, power)
    assert torch.equal(found, expected)
    assert 0 < found[4] < 1
    assert found[-1] == 0


def test_quotients(sums: Accumulator) -> None:
    added, floor = reconstruct._regularisation(sums, None, 5)
    added = added + torch.linspace(0, 1, len(added))
    padded, reach = sums.padding * 20, sums.padding * sums.radius
    rows = slice(sums.origin - 3, sums.origin + 6)
    given = (sums, rows, padded, added, floor)
    found, expected = reconstruct._quotient(*given), reconstruct.quotient_torch(*given)
    assert found.shape == (padded, 9, reach)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-7)
    middle = sums.sums[sums.origin - 2, sums.origin + 1, 2]
    half = int(2 * np.sqrt(2**2 + 1 + 2**2) / sums.padding)
    weight = max(float(middle[2] + added[half]), float(floor[half]))
    assert found[-2, 4, 2].real == pytest.approx(float(middle[0]) / weight, rel=1e-5)
    assert not found[reach : padded - reach + 1].any()


def test_nothing_is_known_where_there_are_no_data() -> None:
    empty = empty_accumulator(2, 8)
    added, floor = reconstruct._regularisation(empty, None, 5)
    given = (empty, slice(5, 20), 40, added, floor)
    assert not reconstruct._quotient(*given).any()
    assert not reconstruct.quotient_torch(*given).any()
