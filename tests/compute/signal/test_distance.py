"""Distances from a set of voxels, slab by slab, against comparison with every voxel."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compute.signal import distance
from compute.signal.distance import SLAB_PLANES, bounds, distance_from, distance_in_planes


def by_comparison(is_inside: np.ndarray) -> np.ndarray:
    inside = np.argwhere(is_inside)
    everywhere = np.argwhere(np.ones_like(is_inside))
    squared = ((everywhere[:, None] - inside) ** 2).sum(axis=2).min(axis=1)
    return np.sqrt(squared).reshape(is_inside.shape)


@pytest.mark.property
@given(st.integers(0, 10**6), st.integers(1, 12), st.integers(1, 30))
def test_distances_are_exact_up_to_the_reach(seed: int, voxels: int, reach: int) -> None:
    random = np.random.default_rng(seed)
    is_inside = np.zeros((SLAB_PLANES + 9, 7, 8), dtype=bool)
    is_inside[tuple(random.integers(0, n, voxels) for n in is_inside.shape)] = True
    expected = by_comparison(is_inside)
    found = distance_from(is_inside, reach)
    near = expected <= reach
    assert np.allclose(found[near], expected[near], atol=1e-5)
    assert (found[~near] > reach).all()
    planes = slice(5, 11)
    part = distance_in_planes(is_inside, planes, reach)
    assert np.allclose(part[near[planes]], expected[planes][near[planes]], atol=1e-5)


def test_slabs_give_what_the_whole_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    is_inside = np.random.default_rng(0).random((3 * SLAB_PLANES, 9, 9)) < 0.01
    whole = distance_from(is_inside, 6)
    near = whole <= 6
    monkeypatch.setattr(distance, "SLAB_BYTES", 0)
    for farthest_by_shifts in (6, 0):
        monkeypatch.setattr(distance, "FARTHEST_BY_SHIFTS", farthest_by_shifts)
        slabs = distance_from(is_inside, 6)
        assert np.array_equal(slabs[near], whole[near]) and (slabs[~near] > 6).all()


def test_from_nothing_everything_is_infinitely_far() -> None:
    nothing = np.zeros((4, 4, 4), dtype=bool)
    assert np.isinf(distance_from(nothing, 2)).all()
    assert np.isinf(distance_in_planes(nothing, slice(1, 3), 2)).all()
    assert bounds(nothing, 1) is None


def test_bounds_stay_in_the_box() -> None:
    is_inside = np.zeros((8, 8, 8), dtype=bool)
    is_inside[0, 3:5, 7] = True
    assert is_inside[bounds(is_inside, 2)].shape == (3, 6, 3)
