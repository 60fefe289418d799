"""Weights of many images at once are those of each image alone."""

import pytest
import torch
from torch import Tensor

from compute.expectation import posterior, posterior_many

FRACTION = 0.99


def spread(images: int, poses: int, width: float = 6.0) -> Tensor:
    """Scores of very different heights and widths."""
    generator = torch.Generator().manual_seed(3)
    scores = width * torch.randn(images, poses, generator=generator)
    return (
        scores * torch.linspace(0.02, 3.0, images)[:, None] + 1000 * torch.arange(images)[:, None]
    )


@pytest.mark.parametrize("maximum", [0, 5])
def test_the_poses_that_go_on_are_those_of_each_image(maximum: int) -> None:
    scores = spread(7, 400)
    scores[2] = -torch.inf
    scores[4, 10] = torch.nan
    kept = posterior_many.significant(scores, FRACTION, maximum, False)
    assert kept.is_found.tolist() == [True, True, False, True, False, True, True]
    for image in range(7):
        expected = posterior.significant(scores[image], FRACTION, maximum)
        assert torch.equal(kept.pose[kept.image == image], expected)


def test_only_the_best_pose_goes_on_in_a_correlation_search() -> None:
    scores = spread(4, 50)
    scores[1] = -torch.inf
    kept = posterior_many.significant(scores, FRACTION, 0, True)
    assert kept.image.tolist() == [0, 2, 3]
    assert kept.pose.tolist() == scores.argmax(1)[[0, 2, 3]].tolist()


@pytest.mark.parametrize("is_correlation", [False, True])
def test_weights_are_those_of_each_image(is_correlation: bool) -> None:
    """Also with poses that are ruled out, with equal best scores, and with an image that has no pairs."""
    owner = torch.tensor([0, 0, 0, 1, 1, 3, 3, 3, 3])
    scores = spread(9, 11)
    scores[0, 3:] = -torch.inf
    scores[7] = scores[5]
    found = posterior_many.weigh(scores, owner, 4, FRACTION, is_correlation)
    row, column = posterior_many.first_best(scores, found.best, owner, 4)
    for image in (0, 1, 3):
        own = scores[owner == image]
        weights, best, log_total = posterior.decide(own, FRACTION, is_correlation)
        assert torch.allclose(found.weights[owner == image], weights, rtol=1e-5, atol=1e-9)
        assert float(found.best[image]) == best
        assert float(found.log_total[image]) == pytest.approx(log_total, rel=1e-6, abs=1e-9)
        top = int(own.argmax())
        first = int(torch.nonzero(owner == image)[0, 0])
        assert (int(row[image]) - first, int(column[image])) == divmod(top, 11)
    assert float(found.best[2]) == -torch.inf and int(row[2]) == len(scores)
