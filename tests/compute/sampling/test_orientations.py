"""Global and local grids of orientations."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from compute.sampling.healpix import direction_vectors
from compute.sampling.orientations import (
    direction_density,
    global_grid,
    local_grid,
    relaxed_local_grid,
)
from compute.sampling.rotations import (
    angle_between,
    euler_to_matrix,
    matrices_to_rotation_vectors,
    matrix_to_euler,
    rotation_vectors_to_matrices,
)
from compute.sampling.symmetry import mates, parse_symmetry

STILL = np.zeros(3)
C1 = parse_symmetry("C1")


def nearest_angles(poses: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Degrees from each pose to the nearest orientation of a grid, by quaternion distance."""
    tree = cKDTree(Rotation.from_matrix(grid.astype(np.float64)).as_quat(canonical=True))
    quaternions = Rotation.from_matrix(poses).as_quat()
    chord = np.minimum(tree.query(quaternions)[0], tree.query(-quaternions)[0])
    return np.degrees(4.0 * np.arcsin(chord / 2.0))


def random_rotations(count: int) -> np.ndarray:
    return Rotation.random(count, rng=np.random.default_rng(1)).as_matrix()


@pytest.mark.parametrize(("order", "count", "step"), [(1, 576, 30), (2, 4608, 15), (3, 36864, 7.5)])
def test_sizes_without_symmetry(order: int, count: int, step: float):
    grid = global_grid(order, C1, STILL)
    assert grid.coarse.shape == (count, 3, 3) and grid.step_deg == step
    assert grid.fine.shape == (8 * count, 3, 3) and grid.fine_log_prior.shape == (8 * count,)
    assert grid.coarse.dtype == grid.fine.dtype == grid.log_prior.dtype == np.float32
    np.testing.assert_array_equal(grid.log_prior, 0.0)
    np.testing.assert_array_equal(grid.fine_log_prior, 0.0)


def test_d2_keeps_48_of_192_directions():
    grid = global_grid(2, parse_symmetry("D2"), STILL)
    assert len(np.unique(grid.direction)) == 48 and len(grid.coarse) == 48 * 24


def test_rows_look_along_their_direction_and_turn_by_the_step():
    grid = global_grid(1, C1, STILL)
    np.testing.assert_allclose(grid.coarse[:, 2], direction_vectors(1)[grid.direction], atol=1e-6)
    psi = matrix_to_euler(grid.coarse)[:, 2].reshape(48, 12)
    np.testing.assert_allclose(
        np.mod(psi + 0.01, 360.0) - 0.01, np.tile(np.arange(12) * 30.0, (48, 1)), atol=1e-3
    )


def test_children_are_the_next_order_with_evenly_spaced_psi():
    fine = global_grid(1, C1, STILL).fine
    rows = np.argmax(fine[:, 2] @ direction_vectors(2).T, axis=1)
    np.testing.assert_allclose(fine[:, 2], direction_vectors(2)[rows], atol=1e-6)
    np.testing.assert_array_equal(np.bincount(rows), 24)
    psi = matrix_to_euler(fine)[np.argsort(rows, kind="stable"), 2].reshape(192, 24)
    gaps = np.diff(np.sort(np.mod(psi, 360.0), axis=1), axis=1)
    np.testing.assert_allclose(gaps, 15.0, atol=1e-3)


@pytest.mark.parametrize(("name", "order"), [("C1", 1), ("C1", 2), ("D3", 3)])
def test_children_are_near_their_parent_even_at_the_poles(name: str, order: int):
    grid = global_grid(order, parse_symmetry(name), np.array([0.02, -0.03, 0.01]))
    distance = angle_between(np.repeat(grid.coarse, 8, axis=0), grid.fine)
    assert distance.max() < 0.75 * grid.step_deg
    assert distance.mean() < 0.5 * grid.step_deg


def test_some_rows_of_the_fine_grid_equal_the_whole():
    grid = global_grid(2, parse_symmetry("C3"), np.array([0.02, -0.03, 0.01]))
    rows = np.array([5, 700, 3, len(grid.coarse) - 1])
    every = (8 * rows[:, None] + np.arange(8)).ravel()
    np.testing.assert_array_equal(grid.fine_rotations(rows), grid.fine[every])
    np.testing.assert_array_equal(grid.fine_log_priors(rows), grid.fine_log_prior[every])


@pytest.mark.parametrize("name", ["C1", "C2", "C3", "C7", "D2", "D3", "D7", "T", "O", "I1", "I4"])
def test_priors_add_up_to_the_asymmetric_unit(name: str):
    group = parse_symmetry(name)
    grid = global_grid(2, group, STILL)
    share = 72.0 * 8**2 / group.order
    assert np.exp(grid.log_prior.astype(np.float64)).sum() == pytest.approx(share, rel=1e-6)
    assert np.exp(grid.fine_log_prior.astype(np.float64)).sum() == pytest.approx(
        8 * share, rel=1e-6
    )


@pytest.mark.parametrize("name", ["C1", "C3", "C7", "D2", "D7", "T", "O", "I2", "I3"])
def test_every_pose_has_a_mate_near_the_grid(name: str):
    group = parse_symmetry(name)
    poses = random_rotations(300)
    grid = global_grid(2, group, np.array([0.01, 0.02, -0.01]))
    everywhere = mates(grid.fine, group.operators).reshape(-1, 3, 3)
    distance = nearest_angles(poses, everywhere)
    assert distance.max() < 0.95 * 7.5 and distance.mean() < 0.55 * 7.5


def test_perturbation_acts_from_the_right():
    move = np.array([0.03, -0.02, 0.05])
    still, moved = global_grid(1, C1, STILL), global_grid(1, C1, move)
    turn = rotation_vectors_to_matrices(move[None])[0]
    np.testing.assert_allclose(moved.coarse, still.coarse @ turn, atol=1e-6)
    np.testing.assert_allclose(moved.fine, still.fine @ turn, atol=1e-6)


def test_direction_prior_enters_relative_to_a_uniform_one():
    weights = np.random.default_rng(2).uniform(0.5, 1.5, 192)
    weights /= weights.sum()
    grid = global_grid(2, parse_symmetry("D2"), STILL, weights)
    expected = np.log(weights[grid.direction] * 192)
    np.testing.assert_allclose(grid.log_prior, expected, atol=1e-6)
    np.testing.assert_allclose(grid.fine_log_prior, np.repeat(expected, 8), atol=1e-6)


@pytest.mark.parametrize(
    ("weights", "complaint"),
    [
        (np.full(48, 1 / 48), "48 values"),
        (np.append(np.full(191, 1 / 191), 0.0), "not above 0"),
        (np.full(192, 1.0), "must sum to 1"),
    ],
)
def test_wrong_direction_priors_are_refused(weights: np.ndarray, complaint: str):
    with pytest.raises(ValueError, match=complaint):
        global_grid(2, C1, STILL, weights)


@pytest.mark.parametrize("name", ["C1", "C3", "D2", "O"])
def test_even_hits_give_an_even_direction_prior(name: str):
    group = parse_symmetry(name)
    grid = global_grid(2, group, STILL)
    share = np.exp(grid.log_prior.astype(np.float64))
    hits = np.bincount(grid.direction, weights=share, minlength=192)
    density = direction_density(hits * 1000.0, 2, group)
    assert density.sum() == pytest.approx(1.0) and density.min() > 0.0
    kept = density[np.unique(grid.direction)]
    np.testing.assert_allclose(kept, kept[0], rtol=1e-6)


def test_grids_of_order_three_are_quick():
    started = time.process_time()
    global_grid(3, C1, STILL)
    global_grid(3, parse_symmetry("I1"), STILL)
    assert time.process_time() - started < 0.8


@pytest.mark.parametrize(("radius", "count"), [(3.0, 123), (2.0, 33), (0.0, 1)])
def test_local_counts(radius: float, count: int):
    grid = local_grid(3.75, 3.75, radius, STILL)
    assert grid.coarse.shape == (count, 3, 3) and grid.fine.shape == (8 * count, 3, 3)
    assert grid.coarse.dtype == grid.fine.dtype == np.float32


@given(st.floats(0.1, 15.0), st.floats(0.3, 3.0), st.floats(1.0, 4.0), st.integers(0, 1000))
@settings(deadline=None, max_examples=30)
def test_local_priors_sum_to_one(step: float, sigma_steps: float, radius: float, seed: int):
    move = np.random.default_rng(seed).uniform(-0.25, 0.25, 3) * np.radians(step)
    grid = local_grid(step, sigma_steps * step, radius, move)
    for log_prior in (grid.coarse_log_prior, grid.fine_log_prior):
        assert np.exp(log_prior.astype(np.float64)).sum() == pytest.approx(1.0, abs=1e-5)


def test_local_prior_is_gaussian_at_the_points_themselves():
    grid = local_grid(3.75, 5.0, 3.0, np.array([0.01, 0.005, -0.01]))
    identity = np.eye(3)[None]
    for points, log_prior in (
        (grid.coarse, grid.coarse_log_prior),
        (grid.fine, grid.fine_log_prior),
    ):
        angles = angle_between(points, np.repeat(identity, len(points), axis=0))
        np.testing.assert_allclose(np.ptp(log_prior + angles**2 / 50.0), 0.0, atol=1e-4)


def test_local_children_and_perturbation_are_displacements_of_the_lattice():
    move = np.array([0.01, -0.02, 0.015])
    grid = local_grid(7.5, 7.5, 2.0, move)
    coarse = matrices_to_rotation_vectors(grid.coarse)
    fine = matrices_to_rotation_vectors(grid.fine).reshape(-1, 8, 3)
    step = np.radians(7.5)
    np.testing.assert_allclose(np.abs(fine - coarse[:, None]), step / 4.0, atol=1e-5)
    lattice = (coarse - move) / step
    np.testing.assert_allclose(lattice, lattice.round(), atol=1e-4)


@pytest.mark.parametrize("step", [7.5, 3.75, 0.46875])
def test_poses_near_the_centre_have_a_fine_point_within_one_cell(step: float):
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(2000, 3))
    vectors *= (1.5 * np.radians(step) * rng.uniform(0, 1, (2000, 1)) ** (1 / 3)) / np.linalg.norm(
        vectors, axis=1, keepdims=True
    )
    move = rng.uniform(-0.25, 0.25, 3) * np.radians(step)
    grid = local_grid(step, step, 3.0, move)
    distance = nearest_angles(rotation_vectors_to_matrices(vectors), grid.fine) / (step / 2.0)
    assert distance.max() < 0.5 * np.sqrt(3.0) + 0.02
    assert np.quantile(distance, 0.75) < 0.6


@pytest.mark.parametrize("tilt", [0.0, 0.01, 89.0, 90.0, 91.0, 179.9, 180.0])
def test_the_true_neighbour_is_found_across_borders_and_poles(tilt: float):
    operators = parse_symmetry("D2").operators
    rng = np.random.default_rng(4)
    angles = np.stack(
        [rng.uniform(-180, 180, 40), np.full(40, tilt), rng.uniform(-180, 180, 40)], 1
    )
    current = euler_to_matrix(angles)
    step = 3.75
    turn = rng.normal(size=(40, 3))
    turn *= 1.4 * np.radians(step) / np.linalg.norm(turn, axis=1, keepdims=True)
    mate = operators[rng.integers(4, size=40)]
    truth = rotation_vectors_to_matrices(turn) @ current @ mate
    fine = local_grid(step, step, 3.0, STILL).fine.astype(np.float64)
    for pose, start in zip(truth, current, strict=True):
        sampled = fine @ start
        distance = angle_between(sampled, np.broadcast_to(pose, sampled.shape), operators)
        assert distance.min() < 0.9 * step / 2.0


@pytest.mark.parametrize(
    ("step", "sigma", "radius"), [(0.0, 1.0, 3.0), (1.0, 0.0, 3.0), (60.0, 60.0, 3.0)]
)
def test_impossible_local_grids_are_refused(step: float, sigma: float, radius: float):
    with pytest.raises(ValueError, match="local search"):
        local_grid(step, sigma, radius, STILL)


def test_relaxed_grid_surrounds_every_mate_and_shares_the_prior():
    group = parse_symmetry("C4")
    local = local_grid(3.75, 3.75, 2.0, np.array([0.01, 0.0, 0.005]))
    current = random_rotations(1)[0]
    relaxed = relaxed_local_grid(local, group.operators, current)
    for points, spread in ((local.coarse, relaxed.coarse), (local.fine, relaxed.fine)):
        expected = np.concatenate([points @ current @ g for g in group.operators])
        np.testing.assert_allclose(spread @ current, expected, atol=1e-6)
    for log_prior in (relaxed.coarse_log_prior, relaxed.fine_log_prior):
        shares = np.exp(log_prior.astype(np.float64)).reshape(4, -1).sum(axis=1)
        np.testing.assert_allclose(shares, 0.25, atol=1e-5)
