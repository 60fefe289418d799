"""The search compiled for the CPU against the definitions that other devices run."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import Tensor

from compute.expectation import batch_scores, coarse, fine, kernels_cpu
from compute.expectation.host import HostSearch
from compute.expectation.host_results import Poses
from compute.expectation.image_cpu import one_of
from compute.expectation.mean_pose import mean_pose
from compute.expectation.posterior_many import Kept
from compute.expectation.prepare import Block
from compute.expectation.search import Search, SharedTables
from compute.expectation.second_pass_cpu import _scored_children
from compute.sampling.orientations import local_grid
from compute.sampling.rotations import angle_between, rotation_vectors_to_matrices
from compute.sampling.translations import translation_grid
from tests.compute.expectation.scene import (
    BOX,
    NO_SHIFT,
    NO_TURN,
    World,
    make_block,
    make_search,
    make_world,
    noise_images,
    tables_for,
)

STEP_DEG = 7.5


@pytest.fixture(scope="module")
def world() -> World:
    return make_world()


def local_search(**changes: object) -> Search:
    lattice = local_grid(STEP_DEG, STEP_DEG, 3.0, NO_TURN)
    search = make_search(lattice, translation_grid(4.0, 4.0, NO_SHIFT), coarse_size=BOX)
    return dataclasses.replace(search, **changes)


def displaced(
    world: World, search: Search, snr: float, images: int = 12
) -> tuple[Block, SharedTables]:
    """Noisy images up to 2.5 steps of the lattice away from the poses that they are searched around."""
    power = world.noise_power(snr)
    random = np.random.default_rng(5)
    axes = random.normal(size=(images, 3))
    axes *= (random.uniform(0, 2.5, images) / np.linalg.norm(axes, axis=1))[:, None]
    turns = torch.from_numpy(rotation_vectors_to_matrices(axes * np.radians(STEP_DEG))).float()
    clean = world.images(turns, torch.zeros(images, 2))
    return make_block(clean + noise_images(images, power), world), tables_for(search, world, power)


def whole_lattice(block: Block, image: int, search: Search, tables: SharedTables) -> Tensor:
    return batch_scores.coarse_scores(block.part(slice(image, image + 1)), search, tables)[0]


@pytest.mark.parametrize("is_correlation", [False, True])
def test_scores_are_those_of_the_definition(world: World, is_correlation: bool) -> None:
    search = local_search(is_correlation=is_correlation)
    block, tables = displaced(world, search, 0.1, images=3)
    host, every = HostSearch(block, search, tables), np.arange(len(tables.coarse_rotations))
    for image in range(3):
        expected = whole_lattice(block, image, search, tables)
        found = host._coarse_scores(image, every)
        assert float((found - expected).abs().max()) < 1e-5 * float(expected.abs().max())
        kept = coarse.going_on(expected.view(-1), search)
        ours = host.candidates(image, kept.numpy())
        poses = Kept(torch.zeros_like(kept), kept, torch.ones(1, dtype=torch.bool))
        units = batch_scores.units_of(poses, 1, *expected.shape)
        theirs, scores = batch_scores.fine_scores(
            block.part(slice(image, image + 1)), units, search, tables
        )
        assert torch.equal(ours.rows, theirs.rows)
        assert torch.allclose(ours.rotations, theirs.rotations, atol=1e-6)
        found = host.fine_scores(image, ours)
        assert torch.allclose(found, scores[:, ours.columns], atol=2e-4, rtol=1e-5)
        others = torch.ones(scores.shape[1], dtype=torch.bool)
        others[ours.columns] = False
        assert bool((scores[:, others] == -torch.inf).all())


@pytest.mark.parametrize("changes", [{}, {"is_correlation": True}, {"oversample": False}], ids=str)
def test_single_pairs_have_the_scores_of_the_matrix_product(
    world: World, changes: dict[str, bool]
) -> None:
    """Two orientations by four shifts at a time where there are children, one by one where there are none."""
    search = local_search(**changes)
    block, tables = displaced(world, search, 0.1, images=3)
    host = HostSearch(block, search, tables)
    poses = Poses.joined(
        [
            torch.topk(whole_lattice(block, image, search, tables).view(-1), 20)
            .indices.sort()
            .values.numpy()
            for image in range(3)
        ]
    )
    best_scores, best_rows, rotations, shifts, present = host.best_children(poses)
    for image in range(3):
        found = host.candidates(image, poses.of(image))
        expected = host.fine_scores(image, found)
        own = one_of(host._images, image)
        ours = torch.from_numpy(_scored_children(poses.of(image), own, host._shared)[-1])
        is_pair = torch.isfinite(found.log_prior)
        assert bool(torch.isneginf(ours[~is_pair]).all())
        torch.testing.assert_close(ours[is_pair], expected[is_pair], rtol=1e-5, atol=2e-4)
        row, column = divmod(
            int(torch.where(is_pair, expected, -torch.inf).argmax()), ours.shape[1]
        )
        assert best_scores[image] == pytest.approx(float(expected[row, column]), rel=1e-5, abs=2e-4)
        assert best_rows[image] == int(found.rows[row])
        assert torch.equal(torch.from_numpy(rotations[image]), found.rotations[row])
        assert shifts[image] == int(found.columns[column])
        here = fine.Candidates(
            rows=torch.zeros(1, dtype=torch.int64),
            rotations=block.centres[image, :1],
            columns=torch.arange(len(tables.fine_shifts_A)),
            log_prior=torch.from_numpy(host._images.shift_prior[image])[None],
        )
        at_present = float(host.fine_scores(image, here).max())
        assert present[image] == pytest.approx(at_present, rel=1e-5, abs=2e-4)


@pytest.mark.parametrize("snr", [0.02, 0.1, 1.0])
def test_a_search_that_grows_from_its_core_keeps_what_the_whole_lattice_keeps(
    world: World, snr: float
) -> None:
    """For broad posteriors and narrow ones, near the present pose and at the edge of the ball."""
    search = local_search()
    block, tables = displaced(world, search, snr)
    poses, lost, best = HostSearch(block, search, tables).first_pass(), [], []
    for image in range(len(block.centres)):
        scores = whole_lattice(block, image, search, tables).view(-1)
        weights = torch.softmax(scores.double(), 0)
        kept = torch.from_numpy(poses.of(image))
        wanted = coarse.going_on(scores, search)
        missed = wanted[~torch.isin(wanted, kept)]
        lost.append(float(weights[missed].sum()))
        best.append(int(scores.argmax()) in kept.tolist())
    assert all(best)
    assert max(lost) < 0.01


def test_a_search_with_mates_scores_all_of_them(world: World) -> None:
    search = local_search()
    block, tables = displaced(world, search, 0.1, images=2)
    half_turn = torch.diag(torch.tensor([-1.0, -1.0, 1.0]))
    both = torch.stack([block.centres[:, 0], block.centres[:, 0] @ half_turn], dim=1)
    block = dataclasses.replace(block, centres=both)
    poses = HostSearch(block, search, tables).first_pass()
    for image in range(2):
        scores = whole_lattice(block, image, search, tables)
        kept = coarse.going_on(scores.view(-1), search)
        assert torch.equal(torch.from_numpy(poses.of(image)), kept)


def test_the_mean_pose_is_that_of_the_definition() -> None:
    random = np.random.default_rng(2)
    vectors = np.concatenate([random.normal(0, 0.03, (20, 3)), random.normal(0, 1.0, (5, 3))])
    centre = rotation_vectors_to_matrices(random.normal(size=(1, 3)))[0]
    rotations = (rotation_vectors_to_matrices(vectors) @ centre).astype(np.float32)
    offsets, weights = random.normal(size=(7, 2)), random.random((25, 7)).astype(np.float32)
    rotation, offset_A = np.empty((3, 3), np.float32), np.empty(2)
    kernels_cpu.mean_pose(rotations, offsets, weights, 3, 2, 0.15, rotation, offset_A)
    turn, offset = mean_pose(
        torch.from_numpy(rotations),
        torch.from_numpy(offsets),
        torch.from_numpy(weights),
        (3, 2),
        0.15,
    )
    assert angle_between(rotation[None], turn.numpy()[None])[0] < 1e-3
    assert np.allclose(offset_A, offset.numpy(), atol=1e-6)
    kernels_cpu.mean_pose(rotations, offsets, 0 * weights, 3, 2, 0.15, rotation, offset_A)
    assert np.array_equal(rotation, rotations[3]) and np.array_equal(offset_A, offsets[2])
