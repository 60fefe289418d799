"""Which poses are significant, and what they weigh, against a plain sort in double precision."""

import math

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from compute.expectation.posterior import significant, weigh, winner

BIN = 1 / 40


def plain_significant(scores: np.ndarray, fraction: float) -> np.ndarray:
    """Indices of the fewest best scores whose weights exceed the fraction of the total."""
    order = np.argsort(-scores, kind="stable")
    weights = np.exp(scores[order] - scores[order[0]])
    count = int((np.cumsum(weights) <= fraction * weights.sum()).sum()) + 1
    return np.sort(order[: min(count, len(order))])


def score_arrays() -> st.SearchStrategy[np.ndarray]:
    values = st.floats(-200.0, 200.0, width=32)
    return arrays.arrays(np.float32, st.integers(1, 60), elements=values)


@given(score_arrays(), st.sampled_from([0.5, 0.9, 0.999]))
def test_kept_poses_are_those_of_a_plain_sort_and_near_ties(
    scores: np.ndarray, fraction: float
) -> None:
    exact = scores.astype(np.float64)
    kept = significant(torch.from_numpy(scores), fraction).numpy()
    needed = plain_significant(exact, fraction)
    assert set(kept) >= set(needed)
    extra = sorted(set(kept) - set(needed))
    lowest = exact[needed].min()
    assert all(exact[i] > lowest - 1.01 * BIN - 1e-4 for i in extra)
    assert (np.diff(kept) > 0).all()


def test_kept_poses_of_smooth_scores_are_few_more_than_needed() -> None:
    """A Gaussian posterior on a fine grid: 3.29 σ hold 99.9 % in one dimension."""
    position = np.linspace(-8, 8, 4001)
    scores = torch.from_numpy(-0.5 * position**2).float()
    kept = significant(scores, 0.999)
    assert float(scores[kept].min()) == pytest.approx(-0.5 * 3.2905**2, abs=2 * BIN)


def test_all_ties_are_kept() -> None:
    scores = torch.tensor([1.0, 5.0, 5.0, -3.0, 5.0, 5.0])
    assert significant(scores, 0.5).tolist() == [1, 2, 4, 5]


def test_a_cap_keeps_the_best() -> None:
    scores = torch.tensor([1.0, 1.4, 1.2, 1.3, -9.0])
    assert significant(scores, 0.999, 2).tolist() == [1, 3]
    assert significant(scores, 0.999, 10).tolist() == [0, 1, 2, 3]


def test_impossible_poses_are_never_kept() -> None:
    scores = torch.tensor([-math.inf, 0.0, -math.inf, -0.5])
    assert significant(scores, 0.999).tolist() == [1, 3]


@pytest.mark.parametrize("bad", [math.nan, -math.inf])
def test_without_any_finite_score_nothing_is_kept(bad: float) -> None:
    assert significant(torch.full((4,), bad), 0.999).tolist() == []


def test_scores_that_are_not_a_number_spoil_the_image() -> None:
    """They say that the image or the map is broken, so no pose of it is believed."""
    assert significant(torch.tensor([1.0, math.nan, 0.0]), 0.999).tolist() == []


@given(score_arrays())
def test_weights_are_the_softmax_of_what_is_kept(scores: np.ndarray) -> None:
    exact = scores.astype(np.float64)
    softmax = np.exp(exact - exact.max()) / np.exp(exact - exact.max()).sum()
    weights, best, log_total = weigh(torch.from_numpy(scores)[:, None], 0.999)
    found = weights[:, 0].double().numpy()
    kept = found > 0
    assert best == float(scores.max())
    assert log_total == pytest.approx(math.log(np.exp(exact - exact.max()).sum()), abs=1e-4)
    assert np.abs(found - softmax)[kept].max() < 1e-4
    assert 0.999 - 1e-4 < found.sum() < 1 + 1e-5
    assert kept[plain_significant(exact, 0.999)].all()


def test_sums_stay_within_the_fraction_and_one() -> None:
    scores = torch.randn(300, 50, generator=torch.Generator().manual_seed(2)) * 5
    for fraction in (0.5, 0.9, 0.999):
        weights, _, _ = weigh(scores, fraction)
        assert weights.shape == scores.shape
        assert fraction < float(weights.double().sum()) <= 1 + 1e-6


def test_pairs_that_were_left_out_weigh_nothing() -> None:
    scores = torch.tensor([[0.0, -math.inf], [-math.inf, -1.0]])
    weights, best, log_total = weigh(scores, 0.999)
    first = 1 / (1 + math.exp(-1))
    assert weights.flatten().tolist() == pytest.approx([first, 0, 0, 1 - first], abs=1e-6)
    assert (best, log_total) == (0.0, pytest.approx(math.log(1 + math.exp(-1))))


def test_enormous_scores_give_finite_weights() -> None:
    scores = torch.tensor([[3.0e8, 2.9e8], [-1.0e9, 0.0]])
    weights, _, log_total = weigh(scores, 0.999)
    assert weights.tolist() == [[1.0, 0.0], [0.0, 0.0]]
    assert log_total == 0.0
    assert significant(scores.reshape(-1), 0.999).tolist() == [0]


def test_the_winner_takes_all() -> None:
    weights = winner(torch.tensor([[1.0, 4.0], [4.0, -1.0]]))
    assert weights.tolist() == [[0.0, 1.0], [0.0, 0.0]]
