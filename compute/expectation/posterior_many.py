"""From scores to weights for many images at once: what `posterior` defines for one."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from compute.expectation.posterior import BINS, BINS_PER_UNIT


@dataclass(frozen=True, slots=True)
class Kept:
    """The poses of many images that go on to the second pass, in the order of images and poses.

    is_found: which images have any finite score.
    """

    image: Int[Tensor, " kept"]
    pose: Int[Tensor, " kept"]
    is_found: Bool[Tensor, " image"]


@dataclass(frozen=True, slots=True)
class Weighed:
    """Posterior weights of pairs at all shifts; best score and log of Σ exp(score - best) of every image."""

    weights: Float[Tensor, "pair translation"]
    best: Float[Tensor, " image"]
    log_total: Float[Tensor, " image"]


def significant(
    scores: Float[Tensor, "image pose"], fraction: float, maximum: int, is_correlation: bool
) -> Kept:
    """The fewest best poses of each image that hold more than `fraction` of its weight: see `posterior.significant`.

    Only the best one where scores are correlations. `maximum` > 0 caps their number.
    """
    best = scores.amax(1)
    is_found = torch.isfinite(best)
    if is_correlation:
        image = torch.nonzero(is_found)[:, 0]
        return Kept(image, scores.argmax(1)[image], is_found)
    depth = (best[:, None] - scores).mul_(BINS_PER_UNIT)
    image, pose = torch.nonzero(depth < BINS, as_tuple=True)
    depth = depth[image, pose]
    cut, _ = _cuts(depth, image, len(scores), fraction)
    is_kept = depth < cut[image]
    image, pose = image[is_kept], pose[is_kept]
    if maximum:
        image, pose = _capped(scores, image, pose, maximum)
    return Kept(image, pose, is_found)


def weigh(
    scores: Float[Tensor, "pair translation"],
    image_of: Int[Tensor, " pair"],
    images: int,
    fraction: float,
    is_correlation: bool,
) -> Weighed:
    """Weights of all poses of each image, those outside its best `fraction` set to 0: see `posterior.decide`.

    In a correlation search the first of the best poses has all the weight. An image without pairs has -inf as its best.
    """
    best = largest(scores.amax(1), image_of, images)
    if is_correlation:
        weights = torch.zeros_like(scores)
        row, column = first_best(scores, best, image_of, images)
        has_any = row < len(scores)
        weights[row[has_any], column[has_any]] = 1.0
        return Weighed(weights, best, torch.zeros_like(best, dtype=torch.float64))
    below = best[image_of, None] - scores
    row, column = torch.nonzero(below * BINS_PER_UNIT < BINS, as_tuple=True)
    below = below[row, column]
    owner = image_of[row]
    cut, total = _cuts(below * BINS_PER_UNIT, owner, images, fraction)
    is_kept = below * BINS_PER_UNIT < cut[owner]
    row, column, owner = row[is_kept], column[is_kept], owner[is_kept]
    weights = torch.zeros_like(scores)
    weights[row, column] = (torch.exp(-below[is_kept].double()) / total[owner]).float()
    return Weighed(weights, best, total.log())


def first_best(
    scores: Float[Tensor, "pair translation"],
    best: Float[Tensor, " image"],
    image_of: Int[Tensor, " pair"],
    images: int,
) -> tuple[Int[Tensor, " image"], Int[Tensor, " image"]]:
    """Pair and shift of each image's best score, the first of equal ones; the number of pairs where it has none."""
    highest, shift = scores.max(1)
    number = torch.arange(len(scores), device=scores.device)
    none = torch.full_like(number, len(scores))
    number = torch.where(highest == best[image_of], number, none)
    pair = torch.full((images,), len(scores), dtype=torch.long, device=scores.device)
    pair.scatter_reduce_(0, image_of, number, "amin")
    return pair, torch.cat([shift, shift.new_zeros(1)])[pair]


def largest(
    values: Float[Tensor, " pair"], image_of: Int[Tensor, " pair"], images: int
) -> Float[Tensor, " image"]:
    """The largest value of each image; -inf where it has none."""
    out = torch.full((images,), -torch.inf, dtype=values.dtype, device=values.device)
    return out.scatter_reduce_(0, image_of, values, "amax")


def _cuts(
    depth: Float[Tensor, " kept"], image: Int[Tensor, " kept"], images: int, fraction: float
) -> tuple[Int[Tensor, " image"], Float[Tensor, " image"]]:
    """How many bins from the best score on hold `fraction` of each image's weight, and the total weight.

    depth: distance below the best score in bins.
    """
    weights = torch.exp(depth.double() / -BINS_PER_UNIT)
    bins = torch.zeros(images * BINS, dtype=torch.float64, device=depth.device)
    bins.index_add_(0, image * BINS + depth.long(), weights)
    held = bins.view(images, BINS).cumsum(1)
    total = held[:, -1].contiguous()
    cut = torch.searchsorted(held, (fraction * total)[:, None])[:, 0] + 1
    return cut.clamp(max=BINS), total


def _capped(
    scores: Float[Tensor, "image pose"],
    image: Int[Tensor, " kept"],
    pose: Int[Tensor, " kept"],
    maximum: int,
) -> tuple[Int[Tensor, " capped"], Int[Tensor, " capped"]]:
    """The same poses, less the worst of those images that have more than `maximum`."""
    order = torch.argsort(scores[image, pose], descending=True, stable=True)
    order = order[torch.argsort(image[order], stable=True)]
    sorted_image = image[order]
    start = torch.searchsorted(sorted_image, sorted_image)
    rank = torch.arange(len(order), device=order.device) - start
    chosen = order[rank < maximum].sort().values
    return image[chosen], pose[chosen]
