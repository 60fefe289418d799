"""Expected accuracy of poses: its dependence on noise, its bounds, and the distance at which poses differ."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from compute.convergence.accuracy import PoseAccuracy, pose_accuracy
from compute.projection.reference import Projector, build_projector
from compute.projection.slices import slices
from compute.sampling.orientations import global_grid
from compute.sampling.rotations import rotation_vectors_to_matrices
from compute.sampling.symmetry import parse_symmetry
from compute.signal.fourier import half_plane_pixels, phase_shifts
from compute.signal.phantom import make_phantom, phantom_map

BOX, PIXEL_A = 32, 4.0
PIXELS = half_plane_pixels(BOX, PIXEL_A)
CLEAR = 3e7


@pytest.fixture(scope="module")
def projector() -> Projector:
    phantom = make_phantom(parse_symmetry("C1").operators, 44.0, 11.0, seed=3)
    return build_projector(phantom_map(phantom, BOX, PIXEL_A), 2, BOX)


@pytest.fixture(scope="module")
def turns() -> Tensor:
    grid = global_grid(0, parse_symmetry("C1"), np.array([0.2, 0.3, -0.1]))
    return torch.from_numpy(grid.coarse[::4]).contiguous()


def found(
    projector: Projector, turns: Tensor, precision: float, size: int = BOX, pixel: float = PIXEL_A
) -> PoseAccuracy:
    weights = torch.full((len(turns), len(PIXELS.shell)), precision)
    weights[:, 0] = 0.0
    return pose_accuracy(projector, PIXELS, size, turns, weights, pixel)


def test_half_the_noise_power_lowers_the_errors_by_the_root_of_two(
    projector: Projector, turns: Tensor
) -> None:
    noisy, better = found(projector, turns, CLEAR), found(projector, turns, 2 * CLEAR)
    assert 0.5 < float(noisy.angle_deg.mean()) < 10.0
    for name in ("angle_deg", "offset_A"):
        ratio = getattr(noisy, name).mean() / getattr(better, name).mean()
        assert float(ratio) == pytest.approx(math.sqrt(2), rel=0.15)


def test_a_constant_map_reaches_the_bounds(turns: Tensor) -> None:
    flat = build_projector(torch.zeros(BOX, BOX, BOX), 2, BOX)
    result = found(flat, turns, CLEAR, pixel=1.5)
    assert result.angle_deg.tolist() == pytest.approx([30.0] * len(turns))
    assert result.offset_A.tolist() == pytest.approx([15.0] * len(turns))
    assert not result.sensitivity.any()


def test_shares_of_the_shells_add_up_to_one(projector: Projector, turns: Tensor) -> None:
    result = found(projector, turns, CLEAR)
    assert result.sensitivity.shape == (len(turns), BOX // 2 + 1)
    assert torch.allclose(result.sensitivity.sum(1), torch.ones(len(turns)).double())
    assert not result.sensitivity[:, 0].any()
    assert bool((result.sensitivity[:, 1:] > 0).all())


def test_only_the_working_size_counts(projector: Projector, turns: Tensor) -> None:
    small, whole = found(projector, turns, CLEAR, size=12), found(projector, turns, CLEAR)
    assert not small.sensitivity[:, 7:].any()
    assert bool((small.angle_deg > whole.angle_deg).all())
    assert bool((small.offset_A >= whole.offset_A).all())


def test_errors_are_those_at_which_the_likelihood_falls_a_hundredfold(
    projector: Projector, turns: Tensor
) -> None:
    """A turn or shift by the expected error costs ln 100, up to terms beyond second order."""
    precision = 30 * CLEAR
    result = found(projector, turns[:1], precision)
    turn = turns[:1]
    xy = (PIXELS.model_x, PIXELS.model_y)

    def cost(rotation: Tensor, shift_A: Tensor) -> float:
        first = slices(projector, turn, *xy)
        second = slices(projector, rotation, *xy)
        here, there = torch.complex(first[:, 0], first[:, 1]), torch.complex(*second[0])
        moved = there * phase_shifts(shift_A[None], PIXELS, len(PIXELS.shell))
        return float((precision * (here - moved).abs().square())[:, 1:].double().sum())

    still = torch.zeros(2)

    def crossing(of: list[float], costs: list[float]) -> float:
        return float(np.interp(math.log(100.0), costs, of))

    steps = np.linspace(0, 3 * float(result.angle_deg[0]), 61)
    angles = []
    for axis in np.eye(3):
        moves = rotation_vectors_to_matrices(np.radians(steps)[:, None] * axis)
        rotations = (torch.from_numpy(moves).float() @ turn).contiguous()
        angles.append(crossing(steps.tolist(), [cost(one[None], still) for one in rotations]))
    assert float(result.angle_deg[0]) == pytest.approx(np.mean(angles), rel=0.1)
    steps = np.linspace(0, 3 * float(result.offset_A[0]), 61)
    offsets = []
    for direction in torch.eye(2):
        costs = [cost(turn, float(length) * direction) for length in steps]
        offsets.append(crossing(steps.tolist(), costs))
    assert float(result.offset_A[0]) == pytest.approx(np.mean(offsets), rel=0.1)
