"""Curves of cones: what they hold, and the areas under them."""

import pytest
import torch

from compute.signal.directional_fsc import area_ratio, areas, directional_fsc, smoothed
from compute.signal.fourier import radial_frequency
from compute.signal.fsc import fsc

BOX = 24


def transforms(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    signal, noise = torch.randn(2, BOX, BOX, BOX, generator=torch.Generator().manual_seed(seed))
    return torch.fft.rfftn(signal), torch.fft.rfftn(signal + noise)


def test_the_widest_cone_is_the_whole_shell() -> None:
    first, second = transforms(0)
    whole = fsc(first, second, 13)
    (found,) = directional_fsc(first, second, torch.tensor([[0.6, 0.0, 0.8]]), 90.0, whole)
    torch.testing.assert_close(found, whole, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_cone_holds_its_own_frequencies_only(axis: int) -> None:
    """One map lacks its agreement within 30 degrees of an axis: a cone along it shows that, one across does not."""
    first, second = transforms(1)
    k = torch.fft.fftfreq(BOX, 1 / BOX)
    parts = (torch.arange(BOX // 2 + 1).float()[None, None], k[None, :, None], k[:, None, None])
    along = parts[axis].abs().expand(BOX, BOX, BOX // 2 + 1)
    is_near = along > 0.87 * radial_frequency(BOX, 3)
    second = torch.where(is_near, -second, second)
    whole = fsc(first, second, 13)
    directions = torch.eye(3)
    curves = list(directional_fsc(first, second, directions, 20.0, whole))
    for direction, curve in enumerate(curves):
        mean = float(curve[7:].mean())
        assert mean < -0.5 if direction == axis else mean > 0.5


def test_shells_with_few_values_take_the_whole_shell() -> None:
    first, second = transforms(2)
    whole = fsc(first, second, 13)
    (found,) = directional_fsc(first, second, torch.tensor([[0.0, 0.0, 1.0]]), 5.0, whole)
    assert torch.equal(found[:4], whole[:4])


def test_areas_end_where_curves_do() -> None:
    curves = torch.tensor([[1.0, 0.8, 0.5, 0.1, 0.9], [1.0, 0.1, 0.0, 0.0, 0.0]]).double()
    assert areas(curves).tolist() == pytest.approx([1.3, 0.1])
    assert area_ratio(curves) == pytest.approx(0.1 / 1.3)
    assert area_ratio(curves[:1]) == 1.0


def test_smoothed_curves_do_not_end_at_a_noisy_first_shell() -> None:
    curve = torch.tensor([[1.0, 0.0, 0.9, 0.8, 0.1]]).double()
    found = smoothed(curve)
    assert float(found[0, 1]) == pytest.approx(0.771429) and float(found[0, 0]) == 1.0
    assert float(areas(found)) > 2.0
