"""Translation grids and the perturbation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from compute.sampling.perturbation import draw
from compute.sampling.translations import translation_grid

STILL = np.zeros(2)


@pytest.mark.parametrize(
    ("reach", "step", "count"),
    [(5.0, 2.0, 21), (6.0, 2.0, 29), (3.0, 1.0, 29), (4.0, 1.0, 49), (1.5, 1.0, 9), (0.0, 1.0, 1)],
)
def test_counts(reach: float, step: float, count: int):
    grid = translation_grid(reach, step, STILL)
    assert grid.coarse.shape == (count, 2) and grid.fine.shape == (4 * count, 2)
    assert grid.coarse.dtype == grid.fine.dtype == np.float32


def test_children_surround_their_parent_a_quarter_step_away():
    grid = translation_grid(5.0, 2.0, np.array([0.3, -0.2]))
    offsets = grid.fine.reshape(-1, 4, 2) - grid.coarse[:, None]
    np.testing.assert_allclose(np.abs(offsets), 0.5, atol=1e-6)
    np.testing.assert_allclose(offsets.sum(axis=1), 0.0, atol=1e-5)


def test_fine_points_are_a_lattice_without_gaps():
    fine = translation_grid(6.0, 2.0, STILL).fine
    assert len(np.unique(fine.round(4), axis=0)) == len(fine)
    np.testing.assert_allclose(np.mod(fine, 1.0), 0.5, atol=1e-6)
    inner = np.abs(fine).max(axis=1) < 4.0
    assert inner.sum() == 64


def test_perturbation_moves_every_point_alike():
    move = np.array([0.31, -0.17])
    moved, still = translation_grid(6.0, 2.0, move), translation_grid(6.0, 2.0, STILL)
    np.testing.assert_allclose(moved.coarse - still.coarse, np.tile(move, (29, 1)), atol=1e-6)
    np.testing.assert_allclose(moved.fine - still.fine, np.tile(move, (116, 1)), atol=1e-6)


@pytest.mark.parametrize(("reach", "step"), [(5.0, 0.0), (5.0, -1.0), (-1.0, 1.0)])
def test_impossible_grids_are_refused(reach: float, step: float):
    with pytest.raises(ValueError, match="but must be"):
        translation_grid(reach, step, STILL)


@given(st.integers(0, 2**31), st.floats(0.0, 1.0))
def test_perturbation_stays_inside_its_cell(seed: int, factor: float):
    turn, shift = draw(np.random.default_rng(seed), 7.5, 1.5, factor)
    assert np.abs(np.degrees(turn)).max() <= factor * 7.5 + 1e-12
    assert np.abs(shift).max() <= factor * 1.5 + 1e-12


def test_perturbation_is_uniform_and_independent():
    generator = np.random.default_rng(0)
    draws = np.array([np.concatenate(draw(generator, 7.5, 1.5, 0.5)) for _ in range(4000)])
    halves = np.array([np.radians(7.5)] * 3 + [1.5] * 2) / 2.0
    scaled = draws / halves
    np.testing.assert_allclose(scaled.mean(axis=0), 0.0, atol=0.04)
    np.testing.assert_allclose(scaled.var(axis=0), 1.0 / 3.0, rtol=0.06)
    np.testing.assert_allclose(np.corrcoef(scaled.T), np.eye(5), atol=0.06)


def farthest_part(moves: np.ndarray, poses: np.ndarray) -> float:
    """How near the displaced lattices (step 1) come to the pose that they come least near to."""
    tree = cKDTree(np.mod(moves, 1.0), boxsize=1.0)
    return float(tree.query(np.mod(poses, 1.0))[0].max())


def test_a_whole_cell_is_needed_to_sample_every_pose():
    """Specification §12, check 24, asks for an angle of at most half a fine cell; §5.4 for half a cell per direction.

    Both cannot be had: a cell of the lattice is a cube, of which the ball of half a step leaves out 1 - π/6 = 48 %. The
    displacement fills the cube, its angle is at most √3/2 = 0.87 steps (RELION: 2.24), and over the iterations every
    pose is sampled alike; cut to the ball, poses at the corners stay (√3 - 1)/2 = 0.37 steps away for ever.
    """
    generator = np.random.default_rng(3)
    moves = np.array([draw(generator, 7.5, 1.5, 0.5)[0] for _ in range(4000)]) / np.radians(7.5)
    sizes = np.linalg.norm(moves, axis=1)
    assert sizes.max() <= np.sqrt(3.0) / 2.0
    inside = sizes <= 0.5
    assert inside.mean() == pytest.approx(np.pi / 6.0, abs=0.025)
    corners = np.full((8, 3), 0.5) + generator.uniform(-0.02, 0.02, (8, 3))
    poses = np.concatenate([corners, generator.uniform(0.0, 1.0, (2000, 3))])
    assert farthest_part(moves, poses) < 0.12
    assert farthest_part(moves[inside], poses) > 0.33
    shares = np.histogramdd(moves, bins=4, range=[(-0.5, 0.5)] * 3)[0] / len(moves)
    np.testing.assert_allclose(shares, 1.0 / 64.0, atol=5.0 * np.sqrt(1.0 / 64.0 / len(moves)))


def test_factor_zero_does_not_move_and_wrong_factors_are_refused():
    turn, shift = draw(np.random.default_rng(1), 7.5, 1.5, 0.0)
    assert not turn.any() and not shift.any()
    for factor in (-0.1, 1.1):
        with pytest.raises(ValueError, match="between 0 and 1"):
            draw(np.random.default_rng(1), 7.5, 1.5, factor)
