"""From scores to weights: which poses matter for an image, and how much."""

from typing import no_type_check

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from compute.compiled import compiled

# Weights are counted by how far a score lies below the best one, in bins of 1/40 of a log unit. What is further
# below than all bins weighs nothing: exp(-25.6) is 8e-12, a ten-million-fold margin to what a cut at 99.9 % notices.
BINS = 1024
BINS_PER_UNIT = 40.0


@compiled(fastmath=False)
@no_type_check
def histogram(scores, best):
    """Weight per bin of distance below the best score, and the total weight (float64)."""
    bins = np.zeros(BINS, np.float64)
    total = 0.0
    for i in range(scores.shape[0]):
        below = best - scores[i]
        depth = below * np.float32(BINS_PER_UNIT)
        if depth < np.float32(BINS):
            weight = np.exp(-np.float64(below))
            bins[int(depth)] += weight
            total += weight
    return bins, total


@compiled(fastmath=False)
@no_type_check
def fill_weights(scores, best, bins, total, out):
    """Fill out with exp(score - best)/total where the score lies within the first `bins` bins, else 0."""
    for i in range(scores.shape[0]):
        below = best - scores[i]
        is_kept = below * np.float32(BINS_PER_UNIT) < bins
        out[i] = np.float32(np.exp(-np.float64(below)) / total) if is_kept else np.float32(0)


@compiled(fastmath=False)
@no_type_check
def within(scores, best, bins):
    """Indices of the scores within the first `bins` bins."""
    kept = np.empty(scores.shape[0], np.int64)
    count = 0
    for i in range(scores.shape[0]):
        if (best - scores[i]) * np.float32(BINS_PER_UNIT) < bins:
            kept[count] = i
            count += 1
    return kept[:count].copy()


def _cut(bins: np.ndarray, total: float, fraction: float) -> int:
    """How many bins from the best score on hold `fraction` of the total weight."""
    return min(int(np.searchsorted(np.cumsum(bins), fraction * total)) + 1, BINS)


def _depth(scores: Float[Tensor, "*pose"], best: float) -> Float[Tensor, "*pose"]:
    """Distance below the best score in bins, rounded as in the compiled functions."""
    return (best - scores) * BINS_PER_UNIT


def _bins_of(scores: Float[Tensor, " pose"], best: float) -> tuple[np.ndarray, float]:
    """The histogram of weights by depth on any device."""
    if scores.device.type == "cpu":
        bins, total = histogram(scores.numpy(), np.float32(best))
        return bins, float(total)
    depth = _depth(scores, best)
    weights = torch.where(depth < BINS, torch.exp((scores - best).double()), 0.0)
    index = torch.where(depth < BINS, depth, 0.0).long()
    return torch.bincount(index, weights, minlength=BINS).cpu().numpy(), float(weights.sum())


def significant(
    scores: Float[Tensor, " pose"], fraction: float, maximum: int = 0
) -> Int[Tensor, " kept"]:
    """Indices of the fewest best poses that hold more than `fraction` of the weight, ties included.

    Ties are poses within 1/40 of a log unit of the last one. `maximum` > 0 caps their number. A score of -inf is never
    kept; when none is finite, or one is not a number, the result is empty.
    """
    best = float(scores.max())
    if not np.isfinite(best):
        return torch.zeros(0, dtype=torch.long, device=scores.device)
    bins, total = _bins_of(scores, best)
    cut = _cut(bins, total, fraction)
    if scores.device.type == "cpu":
        kept = torch.from_numpy(within(scores.numpy(), np.float32(best), np.float32(cut)))
    else:
        kept = torch.nonzero(_depth(scores, best) < cut)[:, 0]
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
    kept = _cut(bins, total, fraction)
    if flat.device.type == "cpu":
        out = torch.empty_like(flat)
        fill_weights(flat.numpy(), np.float32(best), np.float32(kept), total, out.numpy())
    else:
        out = torch.where(_depth(flat, best) < kept, torch.exp(flat - best) / total, 0.0)
    return out.view(scores.shape), best, float(np.log(total))


def winner(
    scores: Float[Tensor, "orientation translation"],
) -> Float[Tensor, "orientation translation"]:
    """Weight 1 for the best pose, 0 for all others."""
    weights = torch.zeros_like(scores)
    weights.view(-1)[scores.argmax()] = 1.0
    return weights


def decide(
    scores: Float[Tensor, "orientation translation"], fraction: float, is_correlation: bool
) -> tuple[Float[Tensor, "orientation translation"], float, float]:
    """Weights, best score and log of the sum: of the best pose alone where scores are correlations, else `weigh`."""
    if is_correlation:
        return winner(scores), float(scores.max()), 0.0
    return weigh(scores, fraction)
