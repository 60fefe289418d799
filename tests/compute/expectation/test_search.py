"""Grids, weights and candidates of a search, without any image."""

import numpy as np
import pytest
import torch

from compute.expectation.batch_scores import fine_scores, units_of
from compute.expectation.posterior_many import Kept
from compute.expectation.search import fine_children, offset_log_prior
from compute.sampling.orientations import local_grid
from compute.sampling.rotations import rotation_vectors_to_matrices
from tests.compute.expectation.scene import (
    NO_TURN,
    SHELLS,
    World,
    make_block,
    make_search,
    make_world,
    tables_for,
)

NO_ROTATION = torch.eye(3)[None]


@pytest.fixture(scope="module")
def world() -> World:
    return make_world()


def test_the_offset_prior_is_about_the_whole_offset() -> None:
    shifts, base = torch.tensor([[0.0, 0.0], [3.0, -1.0]]), torch.tensor([1.0, 2.0])
    found = offset_log_prior(shifts, base, 2.0)
    assert found.tolist() == pytest.approx([-(1 + 4) / 8, -(16 + 1) / 8])


def test_children_follow_their_parents() -> None:
    assert fine_children(torch.tensor([2, 5]), 4).tolist() == [8, 9, 10, 11, 20, 21, 22, 23]
    assert fine_children(torch.tensor([2, 5]), 1).tolist() == [2, 5]


def test_weights_leave_zero_frequency_out_of_scores_only(world: World) -> None:
    noise = torch.linspace(2.0, 1.0, SHELLS, dtype=torch.float64)
    noise[SHELLS - 1] = 0.0
    tables = tables_for(make_search(score_divisor=2.0), world, noise)
    shell = world.pixels.shell
    assert tables.inverse_noise[0] == 0.0
    assert float(tables.insertion_weight[0]) == pytest.approx(0.5)
    assert torch.allclose(2 * tables.inverse_noise[1:], tables.insertion_weight[1:])
    inner = shell < SHELLS - 1
    expected = 1 / noise[shell[inner]].float()
    assert torch.allclose(tables.insertion_weight[inner], expected)
    assert bool(torch.isfinite(tables.insertion_weight).all())
    ones = tables_for(make_search(is_correlation=True), world, noise).inverse_noise
    assert ones[0] == 0.0
    assert bool((ones[1:] == 1.0).all())


def test_pairs_without_a_significant_parent_are_left_out(world: World) -> None:
    """Rows and columns of two significant poses make four pairs; two of them do not count."""
    search = make_search()
    tables = tables_for(search, world, world.noise_power(1.0))
    shifts, every = len(tables.coarse_shifts_A), torch.ones(1, dtype=torch.bool)
    kept = Kept(torch.zeros(2).long(), torch.tensor([3 * shifts + 1, 7 * shifts + 4]), every)
    units = units_of(kept, 1, len(tables.coarse_rotations), shifts)
    block = make_block(world.images(NO_ROTATION, torch.zeros(1, 2)), world)
    pairs, scores = fine_scores(block, units, search, tables)
    assert pairs.rows.tolist() == [*range(24, 32), *range(56, 64)]
    possible = torch.isfinite(scores).view(2, 8, shifts, 4)
    assert bool(possible[0, :, 1].all() and possible[1, :, 4].all())
    assert int(possible.sum()) == 2 * 8 * 4
    assert torch.equal(pairs.rotations, tables.fine_rotations[pairs.rows])


def test_candidates_of_a_local_search_turn_about_their_centre(world: World) -> None:
    lattice = local_grid(7.5, 7.5, 1.0, NO_TURN)
    search = make_search(lattice)
    tables = tables_for(search, world, world.noise_power(1.0))
    vectors = np.array([[0.3, 0.2, -1.0], [1.0, 0.0, 0.5]])
    centres = torch.from_numpy(rotation_vectors_to_matrices(vectors)).float()
    shifts, points = len(tables.coarse_shifts_A), len(lattice.coarse)
    poses = torch.tensor([2 * shifts, (points + 4) * shifts])
    kept = Kept(torch.zeros(2).long(), poses, torch.ones(1, dtype=torch.bool))
    units = units_of(kept, 1, 2 * points, shifts)
    block = make_block(world.images(NO_ROTATION, torch.zeros(1, 2)), world, centres[None])
    pairs, _ = fine_scores(block, units, search, tables)
    fine = torch.from_numpy(lattice.fine)
    expected = torch.cat([fine[16:24] @ centres[0], fine[32:40] @ centres[1]])
    assert torch.allclose(pairs.rotations, expected, atol=1e-6)
