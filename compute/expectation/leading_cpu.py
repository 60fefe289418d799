"""The leading poses of images far from their present ones and near them, compiled for the CPU: see `rescan`."""

from typing import no_type_check

import numpy as np

from compute.compiled import compiled


@compiled(fastmath=False)
@no_type_check
def leading_poses(near, is_elsewhere, hidden, there, here):
    """Of each image's scores near its best (see `near_best_cpu`) the `there` best elsewhere, the `here` best others.

    None that lies more than `hidden` below the best of all counts, and those near only with some elsewhere. Returns
    them ascending, one image after another, and where those of each begin; an image whose best score is not a finite
    number has none.
    """
    images = near.best.shape[0]
    found, starts = np.empty(images * (there + here), np.int64), np.zeros(images + 1, np.int64)
    for i in range(images):
        count = starts[i]
        rows = slice(near.starts[i], near.starts[i + 1])
        least = near.best[i] - np.float32(hidden)
        for wanted in (True, False):
            most = there if wanted else here
            if wanted or count > starts[i]:
                for pose in _highest(
                    near.scores[rows], near.orientations[rows], is_elsewhere[i], wanted, most, least
                ):
                    _put_in_order(pose, found, starts[i], count)
                    count += 1
        starts[i + 1] = count
    return found[: starts[images]], starts


@compiled(fastmath=False)
@no_type_check
def _put_in_order(pose, found, start, end):
    """Put a pose among found[start:end], which ascend; what Numba takes seconds to compile for a few poses."""
    place = end
    while place > start and found[place - 1] > pose:
        found[place] = found[place - 1]
        place -= 1
    found[place] = pose


@compiled(fastmath=False)
@no_type_check
def _highest(scores, orientations, is_elsewhere, wanted, most, least):
    """At most so many poses of orientations that are elsewhere, or are not, with the best scores above `least`."""
    value, pose = np.full(most + 1, np.float32(-np.inf)), np.empty(most + 1, np.int64)
    count, bound = 0, least
    if most == 0:
        return pose[:0]
    for row in range(scores.shape[0]):
        if is_elsewhere[orientations[row]] != wanted:
            continue
        for t in range(scores.shape[1]):
            score = scores[row, t]
            if not score > bound:
                continue
            place = count
            while place > 0 and value[place - 1] < score:
                value[place], pose[place] = value[place - 1], pose[place - 1]
                place -= 1
            value[place], pose[place] = score, orientations[row] * scores.shape[1] + t
            count = min(count + 1, most)
            if count == most:
                bound = max(least, value[most - 1])
    return pose[:count]
