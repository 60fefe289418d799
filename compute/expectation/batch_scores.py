"""Scores of many images at once: on the coarse grid, at the children of what goes on, and at their present poses."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from compute.expectation import pairs as pair_kernels
from compute.expectation.coarse import shared_scores
from compute.expectation.pairs import Pairs
from compute.expectation.posterior_many import Kept
from compute.expectation.prepare import Block
from compute.expectation.search import Search, SharedTables, fine_children, offset_log_prior


@dataclass(frozen=True, slots=True)
class Units:
    """What of each image goes on to the second pass: coarse orientations, and which coarse shifts of each.

    They are in the order of the images; counts tells how many each image has.
    """

    image: Int[Tensor, " unit"]
    rows: Int[Tensor, " unit"]
    is_open: Bool[Tensor, "unit translation"]
    counts: list[int]


def coarse_scores(
    block: Block, search: Search, tables: SharedTables
) -> Float[Tensor, "image orientation translation"]:
    """Scores of the first pass: on the shared grid, or on the lattice around each image's centres."""
    if not search.is_local:
        return shared_scores(block.images, block.base_A, search, tables)
    images, mates = block.centres.shape[:2]
    points = len(tables.coarse_rotations)
    turned = tables.coarse_rotations[None, None] @ block.centres[:, :, None]
    count, device = mates * points, turned.device
    pairs = Pairs(
        image=torch.arange(images, device=device).repeat_interleave(count),
        rows=torch.arange(count, device=device).repeat(images),
        rotations=turned.reshape(-1, 3, 3),
    )
    cross, power = _compared(block, pairs, tables, is_fine=False)
    cross, power = cross.view(images, count, -1), power.view(images, count)
    if search.is_correlation:
        return cross.div_(torch.sqrt(power + 1e-20)[:, :, None])
    prior = offset_log_prior(tables.coarse_shifts_A, block.base_A, search.offset_sigma_A)
    per_orientation = tables.coarse_log_prior.repeat(mates) - 0.5 * power
    return cross.add_(per_orientation[:, :, None]).add_(prior[:, None, :].float())


def units_of(kept: Kept, images: int, orientations: int, shifts: int) -> Units:
    """The coarse orientations that go on, with their shifts, from poses that do.

    orientations, shifts: how many coarse ones each image has.
    """
    owner, of = torch.unique_consecutive(
        kept.image * orientations + kept.pose // shifts, return_inverse=True
    )
    is_open = torch.zeros(len(owner), shifts, dtype=torch.bool, device=owner.device)
    is_open[of, kept.pose % shifts] = True
    image = owner // orientations
    counts = torch.bincount(image, minlength=images).tolist()
    return Units(image, owner % orientations, is_open, counts)


def fine_scores(
    block: Block, units: Units, search: Search, tables: SharedTables
) -> tuple[Pairs, Float[Tensor, "pair translation"]]:
    """The children of the units with their scores; -inf where a child's parent did not go on."""
    children, points = search.orientation_children, len(tables.fine_rotations)
    rows = fine_children(units.rows, children)
    image = units.image.repeat_interleave(children)
    rotations = tables.fine_rotations[rows % points]
    if search.is_local:
        rotations = rotations @ block.centres[image, rows // points]
    pairs = Pairs(image, rows, rotations)
    found, power = _compared(block, pairs, tables, is_fine=True)
    if search.is_correlation:
        found = found / torch.sqrt(power + 1e-20)[:, None]
    else:
        prior = offset_log_prior(tables.fine_shifts_A, block.base_A, search.offset_sigma_A)
        found += (tables.fine_log_prior[rows % points] - 0.5 * power)[:, None]
        found += prior.float()[image]
    blocks = found.view(
        len(units.rows), children, units.is_open.shape[1], search.translation_children
    )
    blocks.masked_fill_(~units.is_open[:, None, :, None], -torch.inf)
    return pairs, found


def best_scores_at(block: Block, search: Search, tables: SharedTables) -> Float[Tensor, " image"]:
    """The best score of every image at its present rotation over all fine shifts, without the rotation's prior."""
    numbers = torch.arange(len(block.centres), device=block.centres.device)
    pairs = Pairs(numbers, torch.zeros_like(numbers), block.centres[:, 0])
    found, power = _compared(block, pairs, tables, is_fine=True)
    if search.is_correlation:
        return found.amax(1) / torch.sqrt(power + 1e-20)
    prior = offset_log_prior(tables.fine_shifts_A, block.base_A, search.offset_sigma_A)
    return (found + prior.float()).amax(1) - 0.5 * power


def _compared(
    block: Block, pairs: Pairs, tables: SharedTables, is_fine: bool
) -> tuple[Float[Tensor, "pair translation"], Float[Tensor, " pair"]]:
    """Products of the images with the slices of their pairs at all shifts, weighted by the noise, and their power.

    is_fine: with the pixels and shifts of the second pass, exactly; else with those of the first.
    """
    n = tables.count if is_fine else tables.coarse_count
    phases = tables.fine_phase_rows if is_fine else tables.coarse_phase_rows
    forward = block.images.forward[:, :n]
    weight = forward * tables.inverse_noise[:n]
    masked = block.images.masked[:, :n] * weight
    return pair_kernels.scores(pairs, masked, forward * weight, phases, tables, is_exact=is_fine)
