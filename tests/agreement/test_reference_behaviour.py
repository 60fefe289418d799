"""Where we differ from RELION on purpose: its figures as the specification pins them, and ours on the better side."""

import numpy as np
import pytest
import torch

from compute.expectation import search
from compute.jobs.extract_geometry import box_centres
from compute.sampling.healpix import direction_count, step_deg
from compute.sampling.orientations import direction_density, local_grid
from compute.sampling.perturbation import draw
from compute.sampling.rotations import (
    angle_between,
    euler_to_matrix,
    rotation_vectors_to_matrices,
)
from compute.sampling.symmetry import parse_symmetry
from compute.signal.random import generator
from tests.agreement import reference_behaviour as reference

pytestmark = pytest.mark.agreement
STILL = np.zeros(3)


def angle_deg(matrix: np.ndarray) -> float:
    """The angle of a rotation."""
    return float(np.degrees(np.arccos((np.trace(matrix) - 1) / 2)))


@pytest.mark.parametrize(("half_step", "expected"), [(7.5, 16.76), (3.75, 8.38)])
def test_the_displacement_of_the_grid_stays_within_half_a_cell(
    half_step: float, expected: float
) -> None:
    assert angle_deg(reference.perturbation_matrix(half_step)) == pytest.approx(expected, abs=5e-3)
    fine_step = (
        half_step  # the coarse step is twice the largest displacement, the fine one half of it
    )
    moves = np.array([draw(generator(1, "move", i), fine_step, 1.0, 0.5)[0] for i in range(500)])
    assert np.degrees(np.abs(moves)).max() <= fine_step / 2
    turned = [angle_deg(one) for one in rotation_vectors_to_matrices(moves)]
    assert max(turned) <= fine_step / 2 * np.sqrt(3) + 1e-9 < expected


def test_offsets_are_judged_in_one_unit() -> None:
    old_px, shift_A, sigma_A = np.array([2.0, -1.0]), np.array([1.5, 4.0]), 6.0
    for pixel_A in (0.8, 1.0, 1.5, 4.0):
        whole_A = old_px * pixel_A + shift_A
        ours = search.offset_log_prior(
            torch.tensor(shift_A)[None], torch.tensor(old_px * pixel_A)[None], sigma_A
        )
        assert float(ours[0, 0]) == pytest.approx(-(whole_A**2).sum() / (2 * sigma_A**2))
        theirs = reference.offset_log_prior(old_px, shift_A, pixel_A, sigma_A)
        assert (theirs == pytest.approx(float(ours[0, 0]))) == (pixel_A == 1.0)


def test_no_direction_is_ever_ruled_out() -> None:
    sums = np.zeros(direction_count(1))
    sums[:10] = 5.0
    assert (reference.direction_prior(sums) == 0).sum() == len(sums) - 10
    ours = direction_density(sums, 1, parse_symmetry("C1"))
    assert ours.min() > 0
    assert ours.sum() == pytest.approx(1)
    assert ours[:10].min() > ours[10:].max()


def test_the_reference_search_has_the_pinned_size() -> None:
    rng = np.random.default_rng(1)
    counts = [
        [len(one) for one in reference.local_search(np.array(pose), 4, 3.75)]
        for pose in zip(
            rng.uniform(-180, 180, 200),
            np.degrees(np.arccos(rng.uniform(-1, 1, 200))),
            rng.uniform(-180, 180, 200),
            strict=True,
        )
    ]
    directions, psi = np.mean(counts, axis=0)
    assert 29 <= directions <= 30
    assert 5 <= psi <= 6


@pytest.mark.parametrize(("tilt", "is_at_border"), [(60.0, False), (88.5, True)])
def test_neighbours_across_the_border_of_the_asymmetric_unit_are_searched(
    tilt: float, is_at_border: bool
) -> None:
    """A D2 particle whose true pose is 5 degrees of tilt away: on the other side of the equator in one case."""
    operators, step = parse_symmetry("D2").operators, step_deg(4)
    current = np.array([90.0, tilt, 40.0])
    truth = euler_to_matrix(np.array([[91.0, tilt + 5.0, 41.0]]))[0]
    directions, psi = reference.local_search(current, 4, step, operators)
    theirs = reference.nearest_searched_deg(truth, directions, psi, operators)
    assert (theirs > 0.8 * step) == is_at_border
    grid = local_grid(step, step, 3.0, STILL)
    found = grid.coarse.astype(np.float64) @ euler_to_matrix(current[None])[0]
    ours = float(angle_between(found, np.broadcast_to(truth, found.shape), operators).min())
    assert ours < 0.8 * step


def test_a_box_lies_where_its_coordinate_says_on_both_sides_of_the_edge() -> None:
    """Particles that move by whole pixels have boxes that move alike; cutting towards zero loses one at the edge."""
    coordinates = np.array([2.4, 1.4, 0.4, -0.6, -1.6])
    ours = box_centres(np.stack([coordinates, coordinates], axis=1))[:, 0]
    theirs = [reference.window_centre(x) for x in coordinates]
    assert theirs == [2, 1, 0, 0, -1]
    assert ours.tolist() == [2, 1, 0, -1, -2]


def test_the_reference_ranks_have_contiguous_blocks() -> None:
    """Our threads take the next micrograph when they are free; the files do not depend on that (test_extract)."""
    blocks = [(block[0], block[-1]) for block in reference.rank_blocks(24, 5)]
    assert blocks == [(0, 4), (5, 9), (10, 14), (15, 19), (20, 23)]
