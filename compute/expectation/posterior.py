"""From scores to weights: which poses matter for an image, and how much."""

from typing import no_type_check

import numba as nb
import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

# Log weights further than this below the best are zero: exp(-25.6) is 8e-12, a ten-million-fold margin to what
# a cut at 99.9 % could notice. Resolution of the histogram: 1/40 of a log unit.
_DEPTH = 25.6
_BINS_PER_UNIT = 40


@nb.njit(nogil=True, fastmath=False, cache=True)
@no_type_check
def _histogram(scores, best):
    """Weight per bin of distance below the best score, and the total weight (float64)."""
    bins = np.zeros(1024, np.float64)
    total = 0.0
    for i in range(scores.shape[0]):
        below = best - scores[i]
        if below < np.float32(25.6):
            weight = np.exp(-np.float64(below))
            bins[int(below * np.float32(40.0))] += weight
            total += weight
    return bins, total


@nb.njit(nogil=True, fastmath=False, cache=True)
@no_type_check
def _weights(scores, best, limit, total, out):
    """Fill out with exp(score - best)/total where the score is at most `limit` below the best, else 0."""
    for i in range(scores.shape[0]):
        below = best - scores[i]
        out[i] = np.float32(np.exp(-np.float64(below)) / total) if below < limit else np.float32(0)


def _cut(bins: np.ndarray, total: float, fraction: float) -> float:
    """Distance below the best score within which the weights exceed `fraction` of the total."""
    covered = np.cumsum(bins)
    return float((np.searchsorted(covered, fraction * total) + 1) / _BINS_PER_UNIT)


def _bins_of(scores: Float[Tensor, " pose"], best: float) -> tuple[np.ndarray, float]:
    """The histogram of weights by depth on any device."""
    if scores.device.type == "cpu":
        bins, total = _histogram(scores.numpy(), np.float32(best))
        return bins, float(total)
    below = (best - scores).clamp(max=_DEPTH)
    weights = torch.where(below < _DEPTH, torch.exp(-below.double()), 0.0)
    index = (below * _BINS_PER_UNIT).long().clamp(max=1023)
    return torch.bincount(index, weights, minlength=1024).cpu().numpy(), float(weights.sum())


def significant(
    scores: Float[Tensor, " pose"], fraction: float, maximum: int = 0
) -> Int[Tensor, " kept"]:
    """Indices of the fewest best poses that hold more than `fraction` of the weight, ties included.

    Ties are poses within 1/40 of a log unit of the last one. `maximum` > 0 caps their number. A score that is not
    finite is never kept; when none is finite the result is empty.
    """
    best = float(scores.max())
    if not np.isfinite(best):
        return torch.zeros(0, dtype=torch.long, device=scores.device)
    bins, total = _bins_of(scores, best)
    kept = torch.nonzero(scores > best - _cut(bins, total, fraction))[:, 0]
    if maximum and len(kept) > maximum:
        kept = kept[torch.topk(scores[kept], maximum).indices].sort().values
    return kept


def weigh(
    scores: Float[Tensor, "orientation translation"], fraction: float
) -> tuple[Float[Tensor, "orientation translation"], float, float]:
    """Posterior weights of all poses, those outside the best `fraction` set to 0; the best score; log of the sum.

    Weights are divided by the sum over all poses, so what is kept adds up to more than `fraction` and at most 1.
    The logarithm is that of Σ exp(score - best).
    """
    flat = scores.reshape(-1)
    best = float(flat.max())
    bins, total = _bins_of(flat, best)
    limit = min(_cut(bins, total, fraction), _DEPTH)
    if flat.device.type == "cpu":
        out = torch.empty_like(flat)
        _weights(flat.numpy(), np.float32(best), np.float32(limit), total, out.numpy())
    else:
        out = torch.where(best - flat < limit, torch.exp(flat - best) / total, 0.0)
    return out.view(scores.shape), best, float(np.log(total))


def winner(
    scores: Float[Tensor, "orientation translation"],
) -> Float[Tensor, "orientation translation"]:
    """Weight 1 for the best pose, 0 for all others."""
    weights = torch.zeros_like(scores)
    weights.view(-1)[scores.argmax()] = 1.0
    return weights
