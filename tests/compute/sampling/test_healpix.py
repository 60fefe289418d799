"""Directions on the sphere and those unique under a point group."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from compute.sampling.healpix import (
    children,
    direction_angles,
    direction_count,
    direction_vectors,
    nearest_direction,
    order_of_views,
    step_deg,
    unique_directions,
)
from compute.sampling.symmetry import parse_symmetry

EXACT = ["C1", "C2", "C4", "D1", "D2", "D4"]
OTHERS = ["C3", "C7", "C13", "D3", "D7", "T", "O", "I1", "I2", "I3", "I4"]


def sphere_points(count: int) -> np.ndarray:
    points = np.random.default_rng(0).normal(size=(count, 3))
    return points / np.linalg.norm(points, axis=1, keepdims=True)


@pytest.mark.parametrize(("order", "count", "step"), [(0, 12, 60), (2, 192, 15), (4, 3072, 3.75)])
def test_table(order: int, count: int, step: float):
    assert direction_count(order) == count == len(direction_vectors(order))
    assert step_deg(order) == step
    assert np.abs(direction_vectors(order).mean(axis=0)).max() < 1e-12


def test_angles_point_where_the_vectors_do():
    rot, tilt = np.radians(direction_angles(2, np.arange(192))).T
    assert np.degrees(rot).min() >= -180.0 and np.degrees(rot).max() <= 180.0
    made = np.stack([np.sin(tilt) * np.cos(rot), np.sin(tilt) * np.sin(rot), np.cos(tilt)], axis=1)
    np.testing.assert_allclose(made, direction_vectors(2), atol=1e-12)


@pytest.mark.parametrize("levels", [1, 2])
def test_children_lie_inside_their_parent(levels: int):
    inside = direction_vectors(2 + levels)[children(np.arange(192), levels)]
    np.testing.assert_array_equal(
        nearest_direction(2, inside), np.repeat(np.arange(192)[:, None], 4**levels, axis=1)
    )


@pytest.mark.parametrize("order", [-1, 11])
def test_impossible_orders_are_refused(order: int):
    with pytest.raises(ValueError, match="HEALPix order is"):
        direction_count(order)


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("order", [1, 2, 3])
def test_exact_groups_keep_one_direction_of_each_orbit(name: str, order: int):
    group = parse_symmetry(name)
    unique = unique_directions(order, group.operators)
    assert len(unique.pixels) == direction_count(order) // group.order
    np.testing.assert_array_equal(unique.child_weights, 1.0)
    turned = direction_vectors(order)[unique.pixels] @ group.operators.transpose(0, 2, 1)
    reached = np.sort(nearest_direction(order, turned), axis=None)
    np.testing.assert_array_equal(reached, np.arange(direction_count(order)))


@pytest.mark.parametrize("name", EXACT + OTHERS)
@pytest.mark.parametrize("order", [0, 1, 2, 3])
def test_weights_add_up_to_the_asymmetric_unit(name: str, order: int):
    group = parse_symmetry(name)
    unique = unique_directions(order, group.operators)
    share = direction_count(order) / group.order
    assert unique.weights.sum() == pytest.approx(share, rel=1e-12)
    assert unique.child_weights.sum() == pytest.approx(4.0 * share, rel=1e-12)
    np.testing.assert_allclose(unique.child_weights.mean(axis=1), unique.weights, rtol=1e-12)
    assert unique.child_weights.min() > 0.0
    assert (np.diff(unique.pixels) > 0).all()


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize(("order", "missing", "unevenness"), [(2, 0.003, 0.26), (3, 0.001, 0.20)])
def test_mates_cover_the_sphere_evenly(name: str, order: int, missing: float, unevenness: float):
    group = parse_symmetry(name)
    unique = unique_directions(order, group.operators)
    weights = np.zeros(direction_count(order + 1))
    weights[children(unique.pixels)] = unique.child_weights
    points = sphere_points(20_000)
    turned = points @ group.operators.transpose(0, 2, 1)
    density = weights[nearest_direction(order + 1, turned)].sum(axis=0)
    assert (density == 0.0).mean() <= missing
    assert density.mean() == pytest.approx(1.0, abs=0.006)
    assert density.std() < unevenness


@pytest.mark.parametrize("name", OTHERS)
def test_density_is_even_at_the_scale_of_large_pixels(name: str):
    group = parse_symmetry(name)
    unique = unique_directions(3, group.operators)
    centres = direction_vectors(4)[children(unique.pixels)].reshape(-1, 3)
    turned = (centres @ group.operators.transpose(0, 2, 1)).reshape(-1, 3)
    weights = np.tile(unique.child_weights.ravel(), group.order)
    for axis in sphere_points(40):
        cap = weights[turned @ axis > np.cos(np.radians(40.0))].sum()
        expected = direction_count(4) * (1.0 - np.cos(np.radians(40.0))) / 2.0
        assert cap == pytest.approx(expected, rel=0.06)


@pytest.mark.parametrize("name", OTHERS)
def test_few_directions_are_kept_beyond_the_asymmetric_unit(name: str):
    group = parse_symmetry(name)
    unique = unique_directions(4, group.operators)
    share = direction_count(4) / group.order
    assert share <= len(unique.pixels) < 1.3 * share


def test_views_of_similar_planes_follow_one_another() -> None:
    views = Rotation.random(600, random_state=4).as_matrix().astype(np.float32)
    order = order_of_views(views)
    assert sorted(order) == list(range(600))

    def turned_deg(sequence: np.ndarray) -> float:
        """The mean angle between the planes of one view and the next."""
        normal = views[sequence, 2].astype(np.float64)
        return float(
            np.degrees(np.arccos(np.abs((normal[1:] * normal[:-1]).sum(1)).clip(0, 1))).mean()
        )

    assert turned_deg(order) < 10 < 50 < turned_deg(np.arange(600))


def test_a_view_and_the_one_from_behind_are_neighbours() -> None:
    view = Rotation.random(random_state=5).as_matrix().astype(np.float32)
    behind = np.diag([1.0, -1.0, -1.0]).astype(np.float32) @ view
    others = Rotation.random(50, random_state=6).as_matrix().astype(np.float32)
    order = order_of_views(np.concatenate([view[None], others, behind[None]]))
    places = np.flatnonzero((order == 0) | (order == 51))
    assert places[1] - places[0] == 1
