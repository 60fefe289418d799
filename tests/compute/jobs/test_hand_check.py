"""A reference that leaves the hand of the map open is told, and no other."""

import pytest
import torch

from compute.jobs.hand_check import hand_remark, mirror_fsc
from compute.sampling.symmetry import parse_symmetry
from compute.signal.masks import sphere
from compute.signal.phantom import make_phantom, phantom_map

BOX, PIXEL_SIZE_A, DETAIL_A = 64, 4.0, 9.0


def phantom(group: str, seed: int) -> torch.Tensor:
    """A chiral particle of 187 Å."""
    operators = parse_symmetry(group).operators
    return phantom_map(make_phantom(operators, 93.5, DETAIL_A, seed), BOX, PIXEL_SIZE_A)


def mirrored(volume: torch.Tensor) -> torch.Tensor:
    """The map with every voxel at the opposite place of the centre."""
    return volume.flip(0, 1, 2).roll((1, 1, 1), (0, 1, 2))


@pytest.mark.parametrize("group", ["C1", "D2"])
def test_a_map_of_few_symmetries_has_its_hand(group: str) -> None:
    volume = phantom(group, 1)
    assert hand_remark(volume, PIXEL_SIZE_A, 30.0) == []


def test_an_icosahedral_particle_has_it_only_at_high_resolution() -> None:
    volume = phantom("I", 2)
    (said,) = hand_remark(volume, PIXEL_SIZE_A, 50.0)
    assert "cannot be told from its mirror image at 50 Å" in said
    assert hand_remark(volume, PIXEL_SIZE_A, 15.0) == []


def test_a_ball_never_has_one() -> None:
    ball = sphere(BOX, 15.0, 6.0)
    (said,) = hand_remark(ball, PIXEL_SIZE_A, 20.0)
    assert "at 20 Å" in said


def test_the_correlation_is_that_of_the_map_with_its_mirror_image() -> None:
    volume = phantom("C2", 3)
    both = volume + mirrored(volume)
    assert mirror_fsc(both, 20).min() > 0.9999
    ours, theirs = mirror_fsc(volume, 20), mirror_fsc(mirrored(volume), 20)
    assert torch.allclose(ours, theirs, atol=1e-6) and ours[5:].min() < 0.5
