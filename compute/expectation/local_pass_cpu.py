"""The first pass of a local search compiled for the CPU: what `coarse.local_scores` defines, for the poses that matter.

Around a single centre the search begins with a core of orientations and goes on from whatever is significant, until all
neighbours of significant orientations have been scored.
"""

from typing import no_type_check

import numpy as np

from compute.compiled import compiled
from compute.expectation.image_cpu import best_of, cut_of, one_of, weighted_image
from compute.expectation.kernels_cpu import compare, turned
from compute.expectation.posterior import BINS_PER_UNIT

_half, _bins_per_unit = np.float32(0.5), np.float32(BINS_PER_UNIT)


@compiled(fastmath=False)
@no_type_check
def with_more(found, count, more):
    """Numbers with some more after the first `count` ones, in a larger array where they do not fit."""
    while count + more.shape[0] > found.shape[0]:
        found = np.concatenate((found, np.empty(found.shape[0] + 1, np.int64)))
    found[count : count + more.shape[0]] = more
    return found


@compiled(fastmath=False)
@no_type_check
def local_poses(images, lattice, volume, fraction):
    """The significant coarse poses of every image of a block around its only centre, in order.

    Returns them one image after another, where those of each begin, and how many orientations were scored.
    """
    count = images.masked.shape[0]
    starts, scored = np.zeros(count + 1, np.int64), 0
    found = np.empty(64 * count, np.int64)
    for i in range(count):
        kept, tried = grown(lattice, one_of(images, i), volume, fraction)
        found = with_more(found, starts[i], kept)
        starts[i + 1] = starts[i] + kept.shape[0]
        scored += tried
    return found[: starts[count]], starts, scored


@compiled(fastmath=False)
@no_type_check
def grown(lattice, image, volume, fraction):
    """The significant poses of one image, ascending, and how many orientations were scored."""
    points, shifts = lattice.points.shape[0], lattice.phases.shape[0]
    weighted, strength = weighted_image(image, lattice.inverse_noise, lattice.x.shape[0])
    place = np.full(points, -1, np.int64)
    order, scores = np.empty(points, np.int64), np.empty((points, shifts), np.float32)
    count, best, cut = 0, np.float32(-np.inf), np.float32(0)
    new = lattice.core
    while new.shape[0]:
        for i in range(new.shape[0]):
            order[count + i] = new[i]
            place[new[i]] = count + i
        some = scores[count : count + new.shape[0]]
        _score(new, lattice, image, volume, weighted, strength, some)
        count += new.shape[0]
        flat = scores[:count].reshape(-1)
        best = best_of(flat)
        if not np.isfinite(best):
            return np.empty(0, np.int64), count
        cut, _ = cut_of(flat, best, fraction)
        new = _border(order[:count], scores, best, cut, lattice.neighbours, place)
    return _kept(place, scores, best, cut), count


@compiled(fastmath=False)
@no_type_check
def _score(new, lattice, image, volume, weighted, strength, scores):
    """Fill scores[orientation, shift] of some points of the lattice."""
    rotations = np.empty((new.shape[0], 3, 3), np.float32)
    turned(lattice.points, new, image.centres, rotations)
    power = np.empty(new.shape[0], np.float32)
    compare(
        volume,
        rotations,
        lattice.x,
        lattice.y,
        weighted,
        strength,
        lattice.phases,
        scores,
        power,
    )
    for i in range(new.shape[0]):
        of_row = lattice.point_prior[new[i]] - _half * power[i]
        for t in range(scores.shape[1]):
            scores[i, t] += of_row + image.coarse_prior[t]


@compiled(fastmath=False)
@no_type_check
def _is_kept(score, best, cut):
    """Whether a score lies within the first bins below the best one."""
    return (best - score) * _bins_per_unit < cut


@compiled(fastmath=False)
@no_type_check
def _border(order, scores, best, cut, neighbours, place):
    """Orientations next to significant ones of `order` that have not been scored; place marks them from now on."""
    found, count = np.empty(neighbours.shape[0], np.int64), 0
    for i in range(order.shape[0]):
        if not _is_kept(best_of(scores[i]), best, cut):
            continue
        for row in neighbours[order[i]]:
            if row >= 0 and place[row] < 0:
                place[row] = scores.shape[0]
                found[count] = row
                count += 1
    return found[:count]


@compiled(fastmath=False)
@no_type_check
def _kept(place, scores, best, cut):
    """The significant poses of all orientations with a place among the scores, ascending."""
    shifts, count = scores.shape[1], 0
    found = np.empty(scores.size, np.int64)
    for row in range(place.shape[0]):
        if place[row] < 0:
            continue
        for t in range(shifts):
            if _is_kept(scores[place[row], t], best, cut):
                found[count] = row * shifts + t
                count += 1
    return found[:count]
