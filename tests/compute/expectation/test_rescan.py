"""The look beyond the neighbourhood: who is moved to another pose, and who stays."""

import numpy as np
import pytest
import torch
from torch import Tensor

from compute.expectation.rescan import Rescan, rescan_block
from compute.sampling.rotations import angle_between
from tests.compute.expectation.scene import (
    BOX,
    World,
    make_block,
    make_search,
    make_world,
    noise_images,
    some_grid,
    tables_for,
)


@pytest.fixture(scope="module")
def world() -> World:
    return make_world()


@pytest.fixture(scope="module")
def truth() -> Tensor:
    """Orientations on a fine grid of 15 degrees."""
    generator = torch.Generator().manual_seed(4)
    fine = torch.from_numpy(some_grid(1).fine)
    return fine[torch.randint(len(fine), (8,), generator=generator)]


def rescanned(world: World, images: Tensor, centres: Tensor, snr: float = 0.1) -> Rescan:
    search = make_search(coarse_size=14)
    tables = tables_for(search, world, world.noise_power(snr))
    block = make_block(images, world, centres[:, None])
    return rescan_block(block, torch.full((len(images), 2), 1.0), search, tables)


def test_an_image_far_from_its_pose_is_moved_to_it(world: World, truth: Tensor) -> None:
    shifts = torch.tensor([[2.0, -6.0]]).expand(8, 2)
    wrong = truth.roll(1, 0)
    found = rescanned(world, world.images(truth, -shifts), wrong)
    far = torch.from_numpy(angle_between(wrong.numpy(), truth.numpy()) > 45.0)
    assert int(far.sum()) >= 6
    assert bool(found.is_switched[far].all())
    moved = angle_between(found.rotation[far].numpy(), truth[far].numpy())
    assert np.median(moved) < 1.0
    assert moved.max() < 20.0
    assert float((found.offset_A - shifts)[far].norm(dim=1).median()) < 0.1


def test_an_image_at_its_pose_stays(world: World, truth: Tensor) -> None:
    found = rescanned(world, world.images(truth, torch.zeros(8, 2)), truth)
    assert not found.is_switched.any()
    assert torch.equal(found.rotation, truth)
    assert bool((found.offset_A == 1.0).all())


def test_chance_does_not_move_images_of_noise(world: World, truth: Tensor) -> None:
    """With a map so faint that no pose is a hundred times likelier than another."""
    noise = world.noise_power(0.003)
    found = rescanned(world, noise_images(8, noise), truth, snr=0.003)
    assert not found.is_switched.any()


def test_an_image_that_is_not_finite_stays(world: World, truth: Tensor) -> None:
    images = world.images(truth.roll(1, 0), torch.zeros(8, 2))
    images[3, BOX // 2, 5] = torch.nan
    found = rescanned(world, images, truth)
    assert not bool(found.is_switched[3])
    assert torch.equal(found.rotation[3], truth[3])
    assert bool(torch.isfinite(found.rotation).all())
