"""The look beyond the neighbourhood: who is moved to another pose, and who stays."""

import numpy as np
import pytest
import torch
from torch import Tensor

from compute.expectation import rescan, shared_pass
from compute.expectation.leading_cpu import leading_poses
from compute.expectation.near_best_cpu import NearBest, near_rows
from compute.expectation.rescan import Rescan, rescan_block
from compute.sampling.rotations import angle_between, rotation_vectors_to_matrices
from compute.sampling.symmetry import parse_symmetry
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


def rescanned(
    world: World,
    images: Tensor,
    centres: Tensor,
    snr: float = 0.1,
    reach_deg: float = 10.0,
    symmetry: str = "C1",
) -> Rescan:
    search = make_search(coarse_size=14)
    tables = tables_for(search, world, world.noise_power(snr))
    block = make_block(images, world, centres[:, None])
    operators = torch.from_numpy(parse_symmetry(symmetry).operators)
    present_A = torch.full((len(images), 2), 1.0)
    return rescan_block(block, present_A, search, tables, reach_deg, operators)


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


def test_what_a_local_search_reaches_is_left_to_it(world: World, truth: Tensor) -> None:
    turn = torch.from_numpy(rotation_vectors_to_matrices(np.array([[0.0, 0.0, np.radians(40.0)]])))
    near, images = turn[0].float() @ truth, world.images(truth, torch.zeros(8, 2))
    found = rescanned(world, images, near, reach_deg=30.0)
    assert found.is_switched.all()
    assert not rescanned(world, images, near, reach_deg=60.0).is_switched.any()
    mates = near @ torch.from_numpy(parse_symmetry("C2").operators[1]).float()
    assert rescanned(world, images, mates, reach_deg=60.0).is_switched.all()
    assert not rescanned(world, images, mates, reach_deg=60.0, symmetry="C2").is_switched.any()


def test_both_ways_of_looking_move_the_same_images(world: World, truth: Tensor) -> None:
    """The one for the CPU, and the one for other devices; opposite offsets from the true one, 0, are equally good."""
    images, wrong = world.images(truth, torch.zeros(8, 2)), truth.clone()
    wrong[:4] = truth.roll(1, 0)[:4]
    images[7, BOX // 2, 5] = torch.nan
    found = rescanned(world, images, wrong)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rescan, "_look_on_host", rescan._look)
        together = rescanned(world, images, wrong)
    assert 2 <= int(found.is_switched.sum()) <= 4
    assert torch.equal(found.is_switched, together.is_switched)
    assert torch.equal(found.rotation, together.rotation)
    assert torch.equal(found.offset_A.abs(), together.offset_A.abs())


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


def near_best_of(scores: Tensor) -> NearBest:
    """What is near the best of these scores [image, orientation, translation], found in two parts."""
    images, orientations, shifts = scores.shape
    products = scores.transpose(1, 2).reshape(images * shifts, orientations).numpy()
    prior, best = np.zeros((images, shifts), np.float32), np.full(images, -np.inf, np.float32)
    found = []
    for part in (slice(0, 70), slice(70, orientations)):
        some = np.ascontiguousarray(products[:, part])
        nothing = np.zeros((images, some.shape[1]), np.float32)
        image, orientation, top, rows = near_rows(
            some, prior, nothing, nothing[0], False, np.float32(shared_pass.REACH), best
        )
        found.append((image, orientation + part.start, top, rows))
    return shared_pass.in_order(found, best, np.float32(shared_pass.REACH))


@pytest.mark.parametrize("spread", [3.0, 30.0])
def test_leading_poses_are_those_of_the_definition(spread: float) -> None:
    """Few of them within reach of the best or many, some images without a pose elsewhere or without a number."""
    generator = torch.Generator().manual_seed(2)
    scores = spread * torch.randn(12, 200, 7, generator=generator)
    is_elsewhere = torch.rand(12, 200, generator=generator) > 0.3
    scores[3], scores[5, 17, 2], scores[6, 20:], is_elsewhere[8] = (
        -torch.inf,
        torch.nan,
        -torch.inf,
        False,
    )
    scores[9, is_elsewhere[9]] -= 1e3
    expected = rescan._leading(scores, is_elsewhere)
    near = near_best_of(scores)
    assert len(near.scores) < 0.9 * 12 * 200
    pose, starts = leading_poses(
        near, is_elsewhere.numpy(), rescan.HIDDEN, rescan.LEADING_POSES, rescan.NEAR_POSES
    )
    assert np.diff(starts).tolist() == torch.bincount(expected.image, minlength=12).tolist()
    assert np.diff(starts)[[3, 5, 8, 9]].tolist() == [0, 0, 0, 0] and starts[-1] > 8 * 20 / spread
    assert pose.tolist() == expected.pose.tolist()
