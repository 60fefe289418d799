"""The first pass on a grid that all images share, on the CPU: what `coarse.shared_scores` defines, near the best."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from compute.expectation import posterior
from compute.expectation.coarse import going_on
from compute.expectation.host_results import Poses
from compute.expectation.image_cpu import Images
from compute.expectation.near_best_cpu import NearBest, move_images, near_rows, significant_poses
from compute.expectation.search import Search, SharedTables

# So many orientations at a time: their products with the images of a block stay in the cache.
ORIENTATIONS = 2048
# What lies further below the best score weighs nothing: see `posterior`.
REACH = posterior.BINS / posterior.BINS_PER_UNIT


def near_best(images: Images, search: Search, tables: SharedTables) -> NearBest:
    """The orientations of the shared grid that matter for each image, with their scores at all coarse shifts.

    Those within `REACH` of the best score, in a correlation search those with the best one. ValueError where there is
    no shared grid.
    """
    if tables.coarse_slices is None:
        raise ValueError("a local search has no shared grid")
    assert tables.coarse_powers is not None
    count, n, slices = len(images.forward), tables.coarse_count, tables.coarse_slices
    phases = tables.coarse_phase_rows.numpy()
    moved = torch.empty(count * len(phases), 2 * n)
    move_images(images, tables.inverse_noise.numpy(), phases, n, moved.numpy())
    weight = torch.from_numpy(images.forward)[:, :n].square() * tables.inverse_noise[:n]
    reach = np.float32(0.0 if search.is_correlation else REACH)
    best, found = np.full(count, -np.inf, np.float32), []
    room = torch.empty(len(moved) * min(ORIENTATIONS, len(slices)))
    for start in range(0, len(slices), ORIENTATIONS):
        part = slice(start, min(start + ORIENTATIONS, len(slices)))
        cross = products(slices[part].view(-1, 2 * n), moved, room)
        image, orientation, top, scores = near_rows(
            cross.numpy(),
            images.coarse_prior,
            (weight @ tables.coarse_powers[part].T).numpy(),
            tables.coarse_log_prior[part].numpy(),
            search.is_correlation,
            reach,
            best,
        )
        found.append((image, orientation + start, top, scores))
    return in_order(found, best, reach)


def products(
    slices: Float[Tensor, "orientation row"],
    moved: Float[Tensor, "image_translation row"],
    room: Float[Tensor, " at_least"],
) -> Float[Tensor, "image_translation orientation"]:
    """The matrix product of some slices and all moved images, made in a room that serves again and again."""
    shape = len(moved), len(slices)
    return torch.mm(moved, slices.T, out=room[: shape[0] * shape[1]].view(shape))


def in_order(
    found: list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]],
    best: Float[np.ndarray, " image"],
    reach: np.float32,
) -> NearBest:
    """The rows that `near_rows` found in one part of a grid after another, as far as they are still near the best.

    Of a single part all of them are, and they are in order.
    """
    image, orientation, top, scores = found[0]
    if len(found) > 1:
        image, orientation, top, scores = (
            np.concatenate(each) for each in zip(*found, strict=True)
        )
        near = np.flatnonzero(best[image] - top <= reach)
        near = near[np.argsort(image[near], kind="stable")]
        image, orientation, scores = image[near], orientation[near], scores[near]
    starts = np.searchsorted(image, np.arange(len(best) + 1))
    return NearBest(starts, orientation, scores, best)


def significant(near: NearBest, search: Search) -> Poses:
    """The poses of each image that go on to the second pass: see `coarse.going_on`."""
    found = Poses(*significant_poses(near, search.adaptive_fraction, search.is_correlation))
    most, shifts = search.maximum_significant, near.scores.shape[1]
    if not most or np.diff(found.starts).max() <= most:
        return found
    every = []
    for image in range(len(found)):
        kept = found.of(image)
        if len(kept) > most:
            rows = slice(near.starts[image], near.starts[image + 1])
            some = going_on(torch.from_numpy(near.scores[rows].reshape(-1)), search).numpy()
            kept = near.orientations[rows][some // shifts] * shifts + some % shifts
        every.append(kept)
    return Poses.joined(every)
