"""The posterior mean of poses: between grid points, one peak only."""

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from compute.expectation.mean_pose import mean_pose, rotation_vectors, turn


def test_rotation_vectors_and_turns_are_inverse_to_each_other() -> None:
    vectors = torch.tensor([[0.0, 0.0, 0.0], [0.1, -0.2, 0.05], [1.5, 1.0, -1.2]])
    turns = torch.stack([turn(vector) for vector in vectors])
    expected = torch.from_numpy(Rotation.from_rotvec(vectors.numpy()).as_matrix()).float()
    assert torch.allclose(turns, expected, atol=1e-6)
    assert torch.allclose(rotation_vectors(turns), vectors, atol=1e-5)


def test_the_mean_of_a_gaussian_on_a_grid_is_its_centre() -> None:
    axis = np.deg2rad(np.linspace(-6, 6, 13))
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
    truth = np.deg2rad([0.4, -0.3, 0.2])
    present = Rotation.random(random_state=3)
    rotations = (Rotation.from_rotvec(grid) * present).as_matrix()
    spread = np.deg2rad(1.5)
    per_row = np.exp(-((grid - truth) ** 2).sum(1) / (2 * spread**2))
    offsets = torch.tensor([[0.0, 0.0], [1.0, 2.0]])
    weights = torch.from_numpy(per_row[:, None] * np.array([0.25, 0.75])).float()
    best = (int(per_row.argmax()), 1)
    rotation, offset = mean_pose(
        torch.from_numpy(rotations).float(), offsets, weights, best, float(np.deg2rad(20.0))
    )
    expected = Rotation.from_rotvec(truth) * present
    error = (Rotation.from_matrix(rotation.numpy()) * expected.inv()).magnitude()
    assert np.rad2deg(error) < 0.05
    assert torch.allclose(offset, torch.tensor([0.75, 1.5]), atol=1e-5)


def test_another_peak_does_not_pull() -> None:
    far = Rotation.from_rotvec([[0.0, 0.0, 0.0], [0.0, 0.0, 1.0]]).as_matrix()
    weights = torch.tensor([[0.6], [0.4]])
    rotation, offset = mean_pose(
        torch.from_numpy(far).float(), torch.tensor([[3.0, 4.0]]), weights, (0, 0), 0.2
    )
    assert torch.allclose(rotation, torch.eye(3), atol=1e-6)
    assert torch.allclose(offset, torch.tensor([3.0, 4.0]))
