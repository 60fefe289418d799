"""Which of near points stay: the best, and none without need of going."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compute.signal.duplicates import kept_apart


@pytest.mark.property
@given(st.integers(0, 10**6), st.integers(1, 60), st.floats(1.0, 40.0))
def test_survivors_are_apart_and_nobody_goes_without_a_better_one(
    seed: int, count: int, distance: float
) -> None:
    random = np.random.default_rng(seed)
    positions = random.uniform(0, 100, (count, 2))
    group = random.integers(0, 3, count)
    rank = random.permutation(count)
    keep = kept_apart(positions, group, distance, rank)
    apart = np.linalg.norm(positions[:, None] - positions, axis=2)
    is_near = (apart <= distance) & (group[:, None] == group)
    np.fill_diagonal(is_near, False)
    assert not (is_near & keep[:, None] & keep).any()
    for point in np.flatnonzero(~keep):
        assert (is_near[point] & keep & (rank < rank[point])).any()
    assert keep[rank.argmin()]


def test_a_chain_keeps_every_other_point() -> None:
    positions = np.stack([np.arange(6) * 10.0, np.zeros(6)], axis=1)
    group = np.zeros(6, dtype=np.int64)
    assert kept_apart(positions, group, 10.0, np.arange(6)).tolist() == [1, 0, 1, 0, 1, 0]
    assert kept_apart(positions, np.arange(6), 10.0, np.arange(6)).all()
    assert kept_apart(positions, group, 9.9, np.arange(6)).all()
