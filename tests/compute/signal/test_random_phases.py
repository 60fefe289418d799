"""Phases that are random beyond a shell, with the symmetry of a real map."""

import numpy as np
import pytest
import torch

from compute.signal.fourier import radial_frequency
from compute.signal.random_phases import TURNS, random_phases, randomised_map, randomised_maps


@pytest.mark.parametrize("box", [16, 15])
def test_moduli_stay_everywhere_and_phases_up_to_the_shell(box: int) -> None:
    generator = torch.Generator().manual_seed(3)
    before = torch.fft.rfftn(torch.randn(box, box, box, generator=generator))
    after = torch.fft.rfftn(randomised_map(before, box, 5, seed=1, half=1))
    assert torch.allclose(after.abs(), before.abs(), rtol=1e-4, atol=1e-4)
    is_kept = radial_frequency(box, 3, torch.device("cpu")) < 5
    assert torch.allclose(after[is_kept], before[is_kept], atol=1e-4)
    turned = (after / before)[~is_kept]
    assert float(turned.mean().abs()) < 4.0 / len(turned) ** 0.5


@pytest.mark.parametrize("box", [12, 11])
def test_opposite_frequencies_have_opposite_phases(box: int) -> None:
    phases = random_phases(box, seed=2, half=1)
    opposite = -np.arange(box) % box
    planes = [0, box // 2] if box % 2 == 0 else [0]
    for x in planes:
        plane = phases[:, :, x]
        assert np.array_equal(plane[np.ix_(opposite, opposite)], np.negative(plane))
    if box % 2 == 0:
        own = phases[np.ix_([0, box // 2], [0, box // 2], planes)]
        assert set(np.unique(own)) <= {0, TURNS // 2}


def test_phases_are_uniform_and_those_of_their_seed_and_half() -> None:
    phases = random_phases(32, seed=1, half=1)
    counts = np.bincount(phases.ravel() >> 12, minlength=16)
    expected = phases.size / 16
    assert np.abs(counts - expected).max() < 5.0 * expected**0.5 + 32
    assert np.array_equal(phases, random_phases(32, seed=1, half=1))
    for seed, half, draw in ((1, 2, 0), (2, 1, 0), (1, 1, 1)):
        other = random_phases(32, seed, half, draw)
        turn = np.exp(2j * np.pi / TURNS * (phases.astype(float) - other))
        assert abs(turn.mean()) < 4.0 / phases.size**0.5


def test_small_boxes_are_drawn_more_often() -> None:
    generator = torch.Generator().manual_seed(3)
    transforms = {
        box: torch.fft.rfftn(torch.randn(box, box, box, generator=generator)) for box in (24, 120)
    }
    small = randomised_maps(transforms[24], 24, 4, seed=1, half=1)
    assert len(small) == 8 and len(randomised_maps(transforms[120], 120, 4, seed=1, half=1)) == 4
    assert torch.equal(small[3], randomised_map(transforms[24], 24, 4, seed=1, half=1, draw=3))
    assert not torch.equal(small[0], small[3])
