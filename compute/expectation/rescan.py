"""A look beyond the neighbourhood: whether an image fits a pose far from its present one clearly better."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from compute.expectation.coarse import shared_scores
from compute.expectation.fine import Candidates, candidates, fine_scores
from compute.expectation.host import HostSearch
from compute.expectation.search import Search, SharedTables, offset_log_prior
from compute.expectation.step import Block
from compute.projection.slices import slices

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
    rotation, offset = block.centres[:, 0].clone(), present_A.clone()
    is_switched = torch.zeros(len(rotation), dtype=torch.bool, device=rotation.device)
    host = None
    if rotation.device.type == "cpu":
        host = HostSearch(block.images, block.centres, block.base_A, search, tables)
    for i in range(len(rotation)):
        flat = scores[i].reshape(-1)
        if not bool(torch.isfinite(flat.max())):
            continue
        kept = torch.topk(flat, min(LEADING_POSES, len(flat))).indices.sort().values
        if host is not None:
            found = host.candidates(i, kept)
            fine = host.fine_scores(i, found)
            present = host.best_score_at(i, block.centres[i, 0].numpy())
        else:
            found = candidates(kept, None, block.base_A[i], search, tables)
            fine, _ = fine_scores(block.images, i, found, search, tables)
            present = _present_score(block, i, search, tables)
        if float(fine.max()) > present + CLEARLY_BETTER:
            row, column = divmod(int(fine.argmax()), len(found.columns))
            rotation[i] = found.rotations[row]
            offset[i] = tables.fine_shifts_A[found.columns[column]] + block.base_A[i]
            is_switched[i] = True
    return Rescan(rotation, offset, is_switched)


def _present_score(block: Block, image: int, search: Search, tables: SharedTables) -> float:
    """The best score of the image at its present rotation over all shifts of the grid."""
    n, pixels = tables.count, tables.pixels
    around = block.centres[image, :1].contiguous()
    every = torch.arange(len(tables.fine_shifts_A), device=around.device)
    prior = offset_log_prior(tables.fine_shifts_A, block.base_A[image], search.offset_sigma_A)
    present = Candidates(
        rows=every[:1],
        rotations=around,
        sliced=slices(tables.projector, around, pixels.model_x[:n], pixels.model_y[:n]),
        columns=every,
        log_prior=prior.float()[None],
    )
    scores, _ = fine_scores(block.images, image, present, search, tables)
    return float(scores.max())
