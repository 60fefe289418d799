"""A look beyond the neighbourhood: whether an image fits a pose far from its present one clearly better."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from compute.expectation import batch_scores
from compute.expectation.coarse import shared_scores
from compute.expectation.host import HostSearch
from compute.expectation.posterior_many import Kept, first_best, largest
from compute.expectation.prepare import Block
from compute.expectation.search import Search, SharedTables

# A pose replaces the present one when it is a hundred times more likely: the same odds as in the expected accuracy.
CLEARLY_BETTER = math.log(100.0)
# Coarse poses of an image whose children are looked at.
LEADING_POSES = 32


@dataclass(frozen=True, slots=True)
class Rescan:
    """For every image of a block: the pose that it should be searched around from now on.

    is_switched tells where that is another one than before; offset_A is the whole offset.
    """

    rotation: Float[Tensor, "image 3 3"]
    offset_A: Float[Tensor, "image 2"]
    is_switched: Bool[Tensor, " image"]


def rescan_block(
    block: Block, present_A: Float[Tensor, "image 2"], search: Search, tables: SharedTables
) -> Rescan:
    """The best pose of a shared grid for every image that has one clearly better than its present pose.

    present_A is the present offset of each image. Both are scored with the same pixels and priors; the present pose
    at its own rotation, with the grid's shifts, so that only the rotation has the advantage of being exact.
    """
    scores = shared_scores(block.images, block.base_A, search, tables)
    look = _look if block.centres.device.type != "cpu" else _look_on_host
    return look(block, present_A, scores, search, tables)


def _look_on_host(
    block: Block,
    present_A: Float[Tensor, "image 2"],
    scores: Float[Tensor, "image orientation translation"],
    search: Search,
    tables: SharedTables,
) -> Rescan:
    """The leading poses of one image after another."""
    rotation, offset = block.centres[:, 0].clone(), present_A.clone()
    is_switched = torch.zeros(len(rotation), dtype=torch.bool)
    host = HostSearch(block.images, block.centres, block.base_A, search, tables)
    for i in range(len(rotation)):
        flat = scores[i].reshape(-1)
        if not bool(torch.isfinite(flat.max())):
            continue
        kept = torch.topk(flat, min(LEADING_POSES, len(flat))).indices.sort().values
        found = host.candidates(i, kept)
        fine = host.fine_scores(i, found)
        present = host.best_score_at(i, block.centres[i, 0].numpy())
        if float(fine.max()) > present + CLEARLY_BETTER:
            row, column = divmod(int(fine.argmax()), len(found.columns))
            rotation[i] = found.rotations[row]
            offset[i] = tables.fine_shifts_A[found.columns[column]] + block.base_A[i]
            is_switched[i] = True
    return Rescan(rotation, offset, is_switched)


def _look(
    block: Block,
    present_A: Float[Tensor, "image 2"],
    scores: Float[Tensor, "image orientation translation"],
    search: Search,
    tables: SharedTables,
) -> Rescan:
    """The leading poses of all images at once."""
    images, orientations, shifts = scores.shape
    flat = scores.reshape(images, -1)
    is_found = torch.isfinite(flat.amax(1))
    pose = torch.topk(flat, min(LEADING_POSES, flat.shape[1])).indices.sort(dim=1).values[is_found]
    image = torch.nonzero(is_found)[:, 0].repeat_interleave(pose.shape[1])
    kept = Kept(image, pose.reshape(-1), is_found)
    rotation, offset = block.centres[:, 0].clone(), present_A.clone()
    if not len(image):
        return Rescan(rotation, offset, is_found)
    units = batch_scores.units_of(kept, images, orientations, shifts)
    pairs, fine = batch_scores.fine_scores(block, units, search, tables)
    best = largest(fine.amax(1), pairs.image, images)
    is_switched = best > batch_scores.best_scores_at(block, search, tables) + CLEARLY_BETTER
    row, column = first_best(fine, best, pairs.image, images)
    switched = torch.nonzero(is_switched)[:, 0]
    rotation[switched] = pairs.rotations[row[switched]]
    moved = tables.fine_shifts_A[column[switched]] + block.base_A[switched]
    offset[switched] = moved.to(offset)
    return Rescan(rotation, offset, is_switched)
