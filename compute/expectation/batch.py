"""Both passes over many images at once: the expectation step of devices that are not the CPU.

Everything is done for all images of a block together, in a few large operations; what goes on to the second pass is
kept as a list of pairs of image and orientation. On the CPU, `host` does the same image by image.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from compute.expectation import fine, posterior_many
from compute.expectation import pairs as pair_kernels
from compute.expectation.batch_scores import Units, coarse_scores, fine_scores, units_of
from compute.expectation.fine import Found
from compute.expectation.mean_pose import mean_poses
from compute.expectation.meter import Meter
from compute.expectation.pairs import Pairs
from compute.expectation.prepare import Block, PreparedImages
from compute.expectation.search import Search, SharedTables
from compute.projection.slices import Accumulator
from compute.signal.fourier import shell_sums

# Devices with so many bytes of memory or more work on two, and on four times as much at a time as is said here:
LARGE_DEVICES = (24e9, 64e9)
# So many images are searched at once at most ...
IMAGES = 256
# ... if their scores on the coarse grid take no more bytes than this,
SCORE_BYTES = 256_000_000
# ... and the images no more than this, ready for scoring and on the way there,
IMAGE_BYTES = 1_000_000_000
# at so many bytes for each pixel of the box.
PREPARED_BYTES = 40
# The second pass holds the scores of so many poses at a time, or those of one image.
POSES_AT_ONCE = 16_000_000
# Mean phases of pairs take at most so many bytes at a time.
MEAN_BYTES = 256_000_000


@dataclass(frozen=True, slots=True)
class BatchResult(Found):
    """What was found for some images of a block, and what is to be put back, with the images it is made of."""

    pairs: Pairs
    weights: Float[Tensor, "pair translation"]
    prepared: PreparedImages


def images_per_batch(poses: int, box: int, scale: int = 1) -> int:
    """How many images of so many coarse poses, and of this box, are searched at once; `scale` as of `scale_of`."""
    by_scores, by_size = SCORE_BYTES // (4 * poses), IMAGE_BYTES // (PREPARED_BYTES * box**2)
    return max(1, scale * min(IMAGES, by_scores, by_size))


def scale_of(device: torch.device) -> int:
    """How many times as much as on a small one is worked on at a time on a device: fewer and longer operations."""
    if device.type != "cuda":
        return 1
    return scale_for(torch.cuda.get_device_properties(device).total_memory)


def scale_for(device_bytes: float) -> int:
    """The same for so much memory."""
    return 2 ** sum(device_bytes >= size for size in LARGE_DEVICES)


def search_block(
    block: Block,
    search: Search,
    tables: SharedTables,
    well_determined: Float[Tensor, " pixel"],
    meter: Meter,
) -> Iterator[BatchResult]:
    """Both passes for all images of a block, in order, a few at a time where many poses go on."""
    first_pass = search.first_pass
    with meter.measure(first_pass):
        scores = coarse_scores(block, search, tables)
        images, orientations, shifts = scores.shape
        meter.count(f"{first_pass} poses", scores.numel())
        meter.count(f"{first_pass} products", scores.numel() * 2 * tables.coarse_count)
        if search.is_local:
            meter.count(f"{first_pass} samples", images * orientations * tables.coarse_count)
        kept = posterior_many.significant(
            scores.reshape(images, -1),
            search.adaptive_fraction,
            search.maximum_significant,
            search.is_correlation,
        )
        del scores
        units = units_of(kept, images, orientations, shifts)
        significant = torch.bincount(kept.image, minlength=images)
    poses = search.orientation_children * len(tables.fine_shifts_A)
    most = scale_of(block.centres.device) * POSES_AT_ONCE // poses
    first = 0
    for part in _parts(units.counts, max(1, most)):
        last = first + sum(units.counts[part])
        own = Units(
            units.image[first:last] - part.start,
            units.rows[first:last],
            units.is_open[first:last],
            units.counts[part],
        )
        first = last
        with meter.measure("pass 2"):
            pairs = len(own.rows) * search.orientation_children
            meter.count("pass 2 samples", pairs * tables.count)
            meter.count("pass 2 poses", pairs * len(tables.fine_shifts_A))
            meter.count("pass 2 products", pairs * len(tables.fine_shifts_A) * 2 * tables.count)
            found = _second_pass(
                block.part(part),
                part,
                own,
                kept.is_found[part],
                significant[part],
                search,
                tables,
                well_determined,
            )
        yield found


def put_back(result: BatchResult, tables: SharedTables, accumulator: Accumulator) -> None:
    """Add the images to the sums, shifted and weighted as the posterior has it."""
    m, prepared = tables.accumulation_count, result.prepared
    factor = prepared.backward[:, :m] * tables.insertion_weight[:m]
    images, weights = prepared.unmasked[:, :m] * factor, prepared.forward[:, :m] * factor
    shares = result.weights.sum(1)
    for part in _of_pairs(shares, m):
        some = _some(result.pairs, part)
        means = _mean_phases(result.weights[part], tables, m)
        pair_kernels.put_back(some, images, shares[part], means, weights, tables, accumulator)


def _second_pass(
    block: Block,
    part: slice,
    units: Units,
    is_found: Bool[Tensor, " image"],
    significant: Int[Tensor, " image"],
    search: Search,
    tables: SharedTables,
    well_determined: Float[Tensor, " pixel"],
) -> BatchResult:
    """The posterior of some images over the children of their units, and everything that follows from it."""
    images = len(block.centres)
    pairs, scores = fine_scores(block, units, search, tables)
    weighed = posterior_many.weigh(
        scores, pairs.image, images, search.adaptive_fraction, search.is_correlation
    )
    row, column = posterior_many.first_best(scores, weighed.best, pairs.image, images)
    del scores
    offsets_A = tables.fine_shifts_A[None] + block.base_A[:, None]
    row = row.clamp(max=max(0, len(pairs.rows) - 1))
    rotation, offset_A = block.centres[:, 0].clone(), block.base_A.clone()
    if len(pairs.rows):
        best = pairs.rotations[row], offsets_A[torch.arange(images, device=row.device), column]
        rotation[is_found], offset_A[is_found] = best[0][is_found], best[1][is_found]
    used = torch.nonzero(weighed.weights.sum(1) > 0)[:, 0]
    pairs, weights = _some(pairs, used), weighed.weights[used]
    if search.is_local:
        reach_rad = math.radians(fine.MEAN_REACH_STEPS * search.orientations.step_deg)
        rotation, offset_A = mean_poses(
            pairs.image, pairs.rotations, offsets_A, weights, (rotation, offset_A), reach_rad
        )
    per_shift = torch.zeros(images, weights.shape[1], dtype=torch.float64, device=weights.device)
    per_shift.index_add_(0, pairs.image, weights.double())
    total = per_shift.sum(1)
    residual, cross, model_power = _fit(block, pairs, weights, total, tables, well_determined)
    shells = tables.pixels.model_box // 2 + 1
    largest = posterior_many.largest(weights.amax(1), pairs.image, images)
    return BatchResult(
        images=part,
        is_found=is_found,
        rotation=rotation,
        offset_A=offset_A,
        maximum_probability=largest.clamp(min=0.0),
        significant_samples=significant,
        log_evidence=weighed.best.double() + weighed.log_total,
        weight=total,
        residual_power=torch.where(is_found, residual.sum(1), 0.0),
        cross=cross,
        model_power=model_power,
        offset_square_A2=(per_shift * offsets_A.double().square().sum(2)).sum(1),
        noise_residual=shell_sums(residual[is_found].sum(0), tables.pixels.shell, shells),
        pairs=pairs,
        weights=weights,
        prepared=block.images,
    )


def _fit(
    block: Block,
    pairs: Pairs,
    weights: Float[Tensor, "pair translation"],
    total: Float[Tensor, " image"],
    tables: SharedTables,
    well_determined: Float[Tensor, " pixel"],
) -> tuple[Float[Tensor, "image pixel"], Float[Tensor, " image"], Float[Tensor, " image"]]:
    """Weighted |image - model|² per pixel, and the two sums that fix the groups' scale."""
    n, images = tables.count, len(block.centres)
    masked, forward = block.images.masked, block.images.forward[:, :n]
    fit = torch.zeros(images, n, device=masked.device)
    model = torch.zeros(images, n, device=masked.device)
    shares = weights.sum(1)
    for part in _of_pairs(shares, n):
        some, means = _some(pairs, part), _mean_phases(weights[part], tables, n)
        pair_kernels.model_sums(some, masked[:, :n], shares[part], means, tables, fit, model)
    residual = masked.abs().square().double() * total[:, None]
    residual[:, :n] += forward * (forward * model - 2 * fit)
    chosen = forward * well_determined[:n]
    cross = (chosen * fit).double().sum(1)
    return residual, cross, (chosen * forward * model).double().sum(1)


def _mean_phases(
    weights: Float[Tensor, "pair translation"], tables: SharedTables, pixels: int
) -> Float[Tensor, "pair 2 pixel"]:
    """Phases of the shifts of each pair, summed by weight."""
    phases = tables.fine_phase_rows[:, :, :pixels].reshape(weights.shape[1], -1)
    return (weights @ phases).view(len(weights), 2, pixels)


def _some(pairs: Pairs, which: slice | Int[Tensor, " pair"]) -> Pairs:
    """Some of the pairs."""
    return Pairs(pairs.image[which], pairs.rows[which], pairs.rotations[which])


def _of_pairs(shares: Float[Tensor, " pair"], pixels: int) -> Iterator[slice]:
    """Consecutive ranges of pairs whose mean phases stay within `MEAN_BYTES`."""
    step = max(1, scale_of(shares.device) * MEAN_BYTES // (8 * max(1, pixels)))
    for start in range(0, len(shares), step):
        yield slice(start, min(start + step, len(shares)))


def _parts(counts: list[int], most: int) -> Iterator[slice]:
    """Consecutive ranges of images with at most so many units in all, or of one image."""
    start, held = 0, 0
    for image, count in enumerate(counts):
        if image > start and held + count > most:
            yield slice(start, image)
            start, held = image, 0
        held += count
    if start < len(counts):
        yield slice(start, len(counts))
