"""The molecular envelope: what it covers, where it ends, when there is none, and that parts give the same."""

import pytest
import torch
from torch import Tensor

from compute.maximisation import solvent
from compute.signal.masks import sphere

BOX, PIXEL_A, DIAMETER_A, EDGE = 64, 3.0, 170.0, 4.0


def noise() -> Tensor:
    return 0.02 * torch.randn(BOX, BOX, BOX, generator=torch.Generator().manual_seed(2))


def noisy_balls() -> Tensor:
    """Two touching balls of density off the centre, in weak noise."""
    ball = sphere(BOX, 6.0, 2.0)
    return noise() + ball.roll((-5, 4), (0, 1)) + ball.roll(5, 0)


def envelope(volume: Tensor) -> Tensor:
    found = solvent.molecular_envelope(volume, PIXEL_A, 12.0, DIAMETER_A, EDGE)
    assert found is not None
    return found


def test_the_molecule_is_inside_and_distant_solvent_outside() -> None:
    mask = envelope(noisy_balls())
    assert float(mask[BOX // 2 + 5, BOX // 2, BOX // 2]) == 1.0
    assert float(mask[BOX // 2 - 5, BOX // 2 + 4, BOX // 2]) == 1.0
    assert float(mask[BOX // 2, BOX // 2, BOX // 2 + 24]) == 0.0
    assert 0.0 <= float(mask.min()) and float(mask.max()) <= 1.0


def test_the_edge_begins_ten_angstroms_from_the_surface() -> None:
    """Along +x from the centre of a lone ball of radius 6: 1 to 6 + 10/3, 0 from 4 pixels farther on."""
    volume = noise() + sphere(BOX, 6.0, 0.0).roll(-3, 2)
    line = envelope(volume)[BOX // 2, BOX // 2, BOX // 2 - 3 :]
    surface = int((line == 1.0).sum()) - 1 - 10.0 / PIXEL_A
    assert 4.0 <= surface <= 11.0
    ends = int((line > 0).sum())
    assert ends == pytest.approx(int((line == 1.0).sum()) + EDGE, abs=1.0)


@pytest.mark.parametrize("planes", [1, 7])
def test_planes_computed_apart_give_the_same_envelope(
    planes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(solvent, "SLAB_PLANES", BOX)
    whole = envelope(noisy_balls())
    monkeypatch.setattr(solvent, "SLAB_PLANES", planes)
    assert torch.equal(envelope(noisy_balls()), whole)


@pytest.mark.parametrize("volume", [torch.zeros(BOX, BOX, BOX), noise()])
def test_where_nothing_stands_out_there_is_no_envelope(volume: Tensor) -> None:
    assert solvent.molecular_envelope(volume, PIXEL_A, 12.0, DIAMETER_A, EDGE) is None


def test_noise_that_is_confined_to_the_sphere_does_not_widen_the_envelope() -> None:
    """Maps have little noise where no image was put; what is measured there would call noise a molecule."""
    strong = 0.25 * torch.randn(BOX, BOX, BOX, generator=torch.Generator().manual_seed(3))
    molecule = sphere(BOX, 8.0, 2.0)
    mask = envelope(strong * sphere(BOX, 28.0, 2.0) + molecule)
    volume = float(mask.sum()) / float(sphere(BOX, 8.0 + 10.0 / PIXEL_A + EDGE / 2, 0.0).sum())
    assert 0.7 < volume < 2.0
