"""Euler conventions, round trips and distances between orientations."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from compute.sampling.rotations import (
    angle_between,
    changes_in_angle,
    euler_to_matrix,
    matrices_to_rotation_vectors,
    matrix_to_euler,
    rotation_vectors_to_matrices,
)
from compute.sampling.symmetry import parse_symmetry


def random_rotations(count: int, seed: int) -> np.ndarray:
    return Rotation.random(count, rng=np.random.default_rng(seed)).as_matrix()


def one(rot: float, tilt: float, psi: float) -> np.ndarray:
    return euler_to_matrix(np.array([[rot, tilt, psi]]))


def test_matrix_of_30_60_45():
    expected = [
        [-0.047367, 0.789149, -0.612372],
        [-0.659740, 0.435596, 0.612372],
        [0.75, 0.433013, 0.5],
    ]
    matrix = one(30.0, 60.0, 45.0)
    np.testing.assert_allclose(matrix[0], expected, atol=1e-6)
    assert np.linalg.det(matrix[0]) == pytest.approx(1.0, abs=1e-12)
    np.testing.assert_allclose(matrix_to_euler(matrix), [[30.0, 60.0, 45.0]], atol=1e-9)


def test_a_whole_turn_of_psi_changes_nothing():
    """Specification §12, check 27: searches work on matrices, which are the same."""
    np.testing.assert_allclose(one(30.0, 60.0, 405.0), one(30.0, 60.0, 45.0), atol=1e-14)


def test_third_row_is_the_viewing_direction():
    np.testing.assert_allclose(one(0.0, 90.0, 77.0)[0, 2], [1.0, 0.0, 0.0], atol=1e-15)
    np.testing.assert_allclose(one(90.0, 90.0, 10.0)[0, 2], [0.0, 1.0, 0.0], atol=1e-15)


def test_agrees_with_scipy_euler_angles():
    angles = np.random.default_rng(1).uniform(-180.0, 180.0, (100, 3))
    expected = Rotation.from_euler("ZYZ", angles, degrees=True).as_matrix().transpose(0, 2, 1)
    np.testing.assert_allclose(euler_to_matrix(angles), expected, atol=1e-14)


def test_ten_thousand_poses_survive_angles():
    matrices = random_rotations(10_000, 2)
    np.testing.assert_allclose(euler_to_matrix(matrix_to_euler(matrices)), matrices, atol=1e-12)


def test_angles_are_recovered():
    rng = np.random.default_rng(3)
    angles = rng.uniform([-180.0, 0.5, -180.0], [180.0, 179.5, 180.0], (10_000, 3))
    np.testing.assert_allclose(matrix_to_euler(euler_to_matrix(angles)), angles, atol=1e-9)


@pytest.mark.parametrize("tilt", [0.0, 180.0])
@pytest.mark.parametrize("psi", [-170.0, 0.0, 33.0, 90.0])
def test_rot_is_zero_at_the_poles(tilt: float, psi: float):
    recovered = matrix_to_euler(one(25.0, tilt, psi))
    assert recovered[0, 0] == 0.0 and recovered[0, 1] == tilt
    np.testing.assert_allclose(euler_to_matrix(recovered), one(25.0, tilt, psi), atol=1e-12)


@given(
    st.floats(-180.0, 180.0),
    st.floats(0.0, 180.0) | st.floats(0.0, 1e-5) | st.floats(179.99999, 180.0),
    st.floats(-180.0, 180.0),
)
@settings(deadline=None)
def test_round_trip_next_to_the_poles_in_both_precisions(rot: float, tilt: float, psi: float):
    matrix = one(rot, tilt, psi)
    np.testing.assert_allclose(euler_to_matrix(matrix_to_euler(matrix)), matrix, atol=1e-12)
    single = matrix.astype(np.float32)
    np.testing.assert_allclose(euler_to_matrix(matrix_to_euler(single)), matrix, atol=3e-6)


def test_mean_axis_rule():
    identity = parse_symmetry("C1").operators
    turned = changes_in_angle(one(0.0, 0.0, 30.0), one(0.0, 0.0, 0.0), identity)
    assert turned[0] == pytest.approx(20.0, abs=1e-9)
    turned = changes_in_angle(one(10.0, 20.0, 30.0), one(10.0, 20.0, 33.0), identity)
    assert turned[0] == pytest.approx(2.0, abs=1e-9)


def test_distance_is_the_angle_of_the_turn():
    first = random_rotations(50, 4)
    axes = np.random.default_rng(5).normal(size=(50, 3))
    angles = np.radians(np.linspace(1e-7, 180.0, 50))
    vectors = axes / np.linalg.norm(axes, axis=1, keepdims=True) * angles[:, None]
    second = rotation_vectors_to_matrices(vectors) @ first
    np.testing.assert_allclose(angle_between(first, second), np.degrees(angles), atol=1e-6)
    np.testing.assert_allclose(angle_between(first, second)[0], 1e-7, rtol=1e-4)


@pytest.mark.parametrize("name", ["C1", "C7", "D3", "T", "O", "I"])
def test_symmetry_mates_are_no_distance_apart(name: str):
    operators = parse_symmetry(name).operators
    first = random_rotations(200, 6)
    picks = np.random.default_rng(7).integers(len(operators), size=200)
    turn = rotation_vectors_to_matrices(np.tile([[0.0, 0.02, 0.0]], (200, 1)))
    second = turn @ first @ operators[picks]
    np.testing.assert_allclose(angle_between(first, second, operators), np.degrees(0.02), atol=1e-9)
    mean_axis = changes_in_angle(first, second, operators)
    np.testing.assert_allclose(mean_axis, np.degrees(0.02) * 2.0 / 3.0, atol=1e-9)


def test_best_mate_agrees_with_trying_them_all():
    operators = parse_symmetry("O").operators
    first, second = random_rotations(100, 8), random_rotations(100, 9)
    every = np.stack([angle_between(first @ g, second) for g in operators])
    np.testing.assert_allclose(angle_between(first, second, operators), every.min(0), atol=1e-9)
    cosines = np.stack([(first * (second @ g)).sum(axis=2) for g in operators]).clip(-1, 1)
    expected = np.degrees(np.arccos(cosines)).mean(axis=2).min(axis=0)
    np.testing.assert_allclose(changes_in_angle(first, second, operators), expected, atol=1e-6)


def test_hundred_thousand_particles_with_sixty_mates_are_quick():
    operators = parse_symmetry("I").operators
    first, second = random_rotations(100_000, 10), random_rotations(100_000, 11)
    started = time.process_time()
    changes_in_angle(first, second, operators)
    assert time.process_time() - started < 4.0


@given(st.lists(st.floats(-1.0, 1.0), min_size=3, max_size=3))
@settings(deadline=None)
def test_rotation_vectors_round_trip(vector: list[float]):
    vectors = np.array([vector])
    matrices = rotation_vectors_to_matrices(vectors)
    np.testing.assert_allclose(matrices_to_rotation_vectors(matrices), vectors, atol=1e-9)


def test_no_rotations_give_no_angles():
    none = np.zeros((0, 3, 3))
    assert matrix_to_euler(none).shape == (0, 3)
    assert euler_to_matrix(np.zeros((0, 3))).shape == (0, 3, 3)
    assert angle_between(none, none).shape == (0,)
    assert changes_in_angle(none, none, parse_symmetry("C2").operators).shape == (0,)
