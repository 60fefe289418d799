"""Sums over shells: the compiled pass and its definition give the same."""

import pytest
import torch

from compute.signal.shell_sums import products_compiled, products_torch


def transforms(box: int, dtype: torch.dtype) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(box)
    return [
        torch.fft.rfftn(torch.randn(box, box, box, generator=generator, dtype=dtype))
        for _ in range(2)
    ]


@pytest.mark.parametrize("box", [2, 8, 9, 32])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_both_ways_agree(box: int, dtype: torch.dtype) -> None:
    first, second = transforms(box, dtype)
    for shells in (1, box // 2 + 1, box):
        expected = products_torch(first, second, shells)
        found = products_compiled(first, second, shells)
        torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-4)
        found = products_compiled(first.conj(), second.conj(), shells)
        torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-4)


def test_the_mean_is_shell_zero() -> None:
    """The transform over the number of voxels has the mean at zero: 6.025391 squared for the polynomial map."""
    z, y, x = torch.meshgrid(*[torch.arange(-8, 8)] * 3, indexing="ij")
    values = (7 * x**2 + 3 * y**2 + 2 * z**2 + 5 * x * y + y * z).remainder(13).double()
    transform = torch.fft.rfftn(values, norm="forward")
    power = products_torch(transform, transform, 1)
    assert float(power[1, 0]) == pytest.approx(36.305332, abs=1e-6)
