"""Masks grown, shrunk, cleaned and softened: the stored figures, and laws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compute.signal.binary import extended, soft_edge, softened, without_dust, without_holes


def one_voxel() -> np.ndarray:
    is_inside = np.zeros((24, 24, 24), dtype=bool)
    is_inside[12, 12, 12] = True
    return is_inside


def test_n28_extension_counts_distances_below_it() -> None:
    assert extended(one_voxel(), 3.0).sum() == 93
    assert extended(one_voxel(), 2.5).sum() == 81
    assert extended(one_voxel(), 1.0).sum() == 1
    assert extended(one_voxel(), 0.0).sum() == 1


def test_n29_soft_edge() -> None:
    mask = softened(extended(one_voxel(), 3.0), 4.0)
    assert mask.sum(dtype=float) == pytest.approx(399.672346, abs=1e-4)
    assert np.count_nonzero(mask) == 1039
    expected = [1, 1, 1, 0.853553, 0.5, 0.146447, 0]
    assert mask[12, 12, 12:19].tolist() == pytest.approx(expected, abs=1e-6)


def test_n30_shrinking() -> None:
    cube = np.zeros((24, 24, 24), dtype=bool)
    cube[8:17, 8:17, 8:17] = True
    assert extended(cube, -2.0).sum() == 343
    assert extended(cube, -20.0).sum() == 0


def test_what_lies_outside_the_box_does_not_count() -> None:
    half = np.zeros((12, 12, 12), dtype=bool)
    half[:, :, :6] = True
    assert extended(half, -2.0).sum() == 12 * 12 * 5
    assert extended(half, 2.0).sum() == 12 * 12 * 7
    assert extended(np.ones((6, 6, 6), dtype=bool), -2.0).all()


@pytest.mark.property
@given(st.integers(0, 10**6), st.floats(0.5, 4.0))
def test_shrinking_is_growing_of_the_outside(seed: int, by_px: float) -> None:
    is_inside = np.random.default_rng(seed).random((9, 10, 11)) < 0.4
    assert np.array_equal(extended(is_inside, -by_px), ~extended(~is_inside, by_px))
    assert (extended(is_inside, by_px) >= is_inside).all()


@pytest.mark.property
@given(st.integers(0, 10**6), st.floats(0.0, 6.0))
def test_a_soft_edge_adds_around_and_changes_nothing_inside(seed: int, edge_px: float) -> None:
    is_inside = np.random.default_rng(seed).random((9, 10, 11)) < 0.05
    mask = softened(is_inside, edge_px)
    assert ((mask == 1) >= is_inside).all() and mask.min() >= 0 and mask.max() <= 1
    assert ((mask > 0) <= extended(is_inside, edge_px + 1e-3)).all()
    if edge_px <= 1.0:
        assert np.array_equal(mask, is_inside)


def test_a_soft_edge_of_distances_below_zero_is_inside() -> None:
    distance = np.array([[[-3.0, 0.0, 1.0, 2.0, 5.0]]], dtype=np.float32)
    assert soft_edge(distance, 2.0).ravel().tolist() == pytest.approx([1, 1, 0.5, 0, 0], abs=1e-6)
    assert soft_edge(distance, 0.0).ravel().tolist() == [1, 1, 0, 0, 0]


def test_dust_is_judged_by_the_largest_piece() -> None:
    is_inside = np.zeros((20, 20, 20), dtype=bool)
    is_inside[2:12, 2:12, 2:12] = True  # 1000
    is_inside[14:18, 14:18, 14:18] = True  # 64
    is_inside[0, 0, 0] = is_inside[0, 1, 1] = True  # two of 1: they touch by an edge only
    found = without_dust(is_inside, 0.05)
    assert (found.pieces, found.removed_pieces, found.removed_voxels) == (4, 2, 2)
    assert found.is_inside.sum() == 1064
    assert without_dust(is_inside, 0.1).is_inside.sum() == 1000
    assert np.array_equal(without_dust(is_inside, 0.0).is_inside, is_inside)
    assert without_dust(np.zeros((4, 4, 4), dtype=bool), 0.5).pieces == 0


def test_cavities_are_filled_up_to_a_size_and_channels_are_not() -> None:
    is_inside = np.zeros((20, 20, 20), dtype=bool)
    is_inside[2:18, 2:18, 2:18] = True
    is_inside[5:7, 5:7, 5:7] = False  # 8
    is_inside[10:13, 10:13, 10:13] = False  # 27
    is_inside[15, 15, :] = False  # open to both sides
    found = without_holes(is_inside, 8.0)
    assert (found.removed_pieces, found.removed_voxels) == (1, 8)
    assert without_holes(is_inside, 100.0).removed_voxels == 35
    assert without_holes(is_inside, 0.0).removed_voxels == 0
    full = np.ones((6, 6, 6), dtype=bool)
    full[0, 2:4, 2:4] = False  # at the edge of the box: not a cavity
    assert np.array_equal(without_holes(full, 100.0).is_inside, full)
