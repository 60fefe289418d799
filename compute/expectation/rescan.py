"""A look beyond the neighbourhood: whether an image fits a pose far from its present one clearly better."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from compute.expectation import batch_scores
from compute.expectation.coarse import shared_scores
from compute.expectation.host import HostSearch
from compute.expectation.host_results import Poses
from compute.expectation.leading_cpu import leading_poses
from compute.expectation.posterior_many import Kept, first_best, largest
from compute.expectation.prepare import Block
from compute.expectation.search import Search, SharedTables

# A pose replaces the present one when it is a hundred times more likely: the same odds as in the expected accuracy.
CLEARLY_BETTER = math.log(100.0)
# Coarse poses of an image whose children are looked at: so many at most,
LEADING_POSES = 32
# and none that lies further below the best one of all than a coarse grid may hide: of real images that belonged
# elsewhere, the pose that led there was up to 17 log units below. (Less than `shared_pass.REACH`.)
HIDDEN = 25.0
# So many poses near the present one compete with them.
NEAR_POSES = 4


@dataclass(frozen=True, slots=True)
class Rescan:
    """For every image of a block: the pose that it should be searched around from now on.

    is_switched tells where that is another one than before; offset_A is the whole offset.
    """

    rotation: Float[Tensor, "image 3 3"]
    offset_A: Float[Tensor, "image 2"]
    is_switched: Bool[Tensor, " image"]


def rescan_block(
    block: Block,
    present_A: Float[Tensor, "image 2"],
    search: Search,
    tables: SharedTables,
    reach_deg: float,
    operators: Float[Tensor, "operator 3 3"],
) -> Rescan:
    """The best pose of a shared grid for every image that has one clearly better than its present pose.

    present_A is the present offset of each image. Both are scored with the same pixels and priors; the present pose
    at its own rotation, with the grid's shifts, so that only the rotation has the advantage of being exact. Poses
    within reach_deg of the present one or a mate of it (operators) are left to the local search.
    """
    is_elsewhere = _elsewhere(block.centres, tables.coarse_rotations, reach_deg, operators)
    look = _look if block.centres.device.type != "cpu" else _look_on_host
    return look(block, present_A, is_elsewhere, search, tables)


def _elsewhere(
    centres: Float[Tensor, "image mate 3 3"],
    grid: Float[Tensor, "orientation 3 3"],
    reach_deg: float,
    operators: Float[Tensor, "operator 3 3"],
) -> Bool[Tensor, "image orientation"]:
    """Which orientations of the grid lie further than reach_deg from all that an image is searched around."""
    around = centres[:, :, None] @ operators.to(centres)
    traces = around.reshape(-1, 9) @ grid.reshape(-1, 9).T
    nearest = traces.view(len(centres), -1, len(grid)).amax(1)
    return nearest < 1 + 2 * math.cos(math.radians(reach_deg))


def _leading(
    scores: Float[Tensor, "image orientation translation"],
    is_elsewhere: Bool[Tensor, "image orientation"],
) -> Kept:
    """The best poses elsewhere of every image, as far as a child of theirs could still be the best of all.

    Where an image has any, with the best ones that a local search will find by itself, which must not be better.
    """
    best = scores.amax((1, 2))
    is_found = torch.isfinite(best)
    least = torch.where(is_found, best - HIDDEN, torch.inf)[:, None]

    def leading(is_open: Bool[Tensor, "image orientation"], most: int) -> tuple[Tensor, Tensor]:
        some = scores.masked_fill(~is_open[:, :, None], -torch.inf).view(len(scores), -1)
        highest, pose = torch.topk(some, min(most, some.shape[1]))
        return pose, highest > least

    there, is_there = leading(is_elsewhere, LEADING_POSES)
    here, is_here = leading(~is_elsewhere, NEAR_POSES)
    pose, order = torch.cat([there, here], 1).sort(dim=1)
    is_kept = torch.cat([is_there, is_here & is_there.any(1, keepdim=True)], 1).gather(1, order)
    image = torch.arange(len(scores), device=pose.device)[:, None].expand_as(pose)
    return Kept(image[is_kept], pose[is_kept], is_found)


def _look_on_host(
    block: Block,
    present_A: Float[Tensor, "image 2"],
    is_elsewhere: Bool[Tensor, "image orientation"],
    search: Search,
    tables: SharedTables,
) -> Rescan:
    """The leading poses of one image after another, as `_leading` finds them."""
    rotation, offset = block.centres[:, 0].clone(), present_A.clone()
    host = HostSearch(block, search, tables)
    elsewhere = is_elsewhere.numpy()
    poses = Poses(*leading_poses(host.near_best(), elsewhere, HIDDEN, LEADING_POSES, NEAR_POSES))
    best, row, turn, shift, present = map(torch.from_numpy, host.best_children(poses))
    parent = row // search.orientation_children
    is_switched = is_elsewhere[torch.arange(len(row)), parent] & (best > present + CLEARLY_BETTER)
    rotation[is_switched] = turn[is_switched]
    offset[is_switched] = (tables.fine_shifts_A[shift] + block.base_A)[is_switched].to(offset)
    return Rescan(rotation, offset, is_switched)


def _look(
    block: Block,
    present_A: Float[Tensor, "image 2"],
    is_elsewhere: Bool[Tensor, "image orientation"],
    search: Search,
    tables: SharedTables,
) -> Rescan:
    """The leading poses of all images at once."""
    scores = shared_scores(block.images, block.base_A, search, tables)
    kept = _leading(scores, is_elsewhere)
    images = len(block.centres)
    rotation, offset = block.centres[:, 0].clone(), present_A.clone()
    if not len(kept.image):
        return Rescan(rotation, offset, torch.zeros_like(kept.is_found))
    orientations, shifts = len(tables.coarse_rotations), len(tables.coarse_shifts_A)
    units = batch_scores.units_of(kept, images, orientations, shifts)
    pairs, fine = batch_scores.fine_scores(block, units, search, tables)
    best = largest(fine.amax(1), pairs.image, images)
    is_better = best > batch_scores.best_scores_at(block, search, tables) + CLEARLY_BETTER
    row, column = first_best(fine, best, pairs.image, images)
    parent = pairs.rows[row.clamp(max=len(pairs.rows) - 1)] // search.orientation_children
    is_switched = is_better & is_elsewhere[torch.arange(images, device=row.device), parent]
    switched = torch.nonzero(is_switched)[:, 0]
    rotation[switched] = pairs.rotations[row[switched]]
    moved = tables.fine_shifts_A[column[switched]] + block.base_A[switched]
    offset[switched] = moved.to(offset)
    return Rescan(rotation, offset, is_switched)
