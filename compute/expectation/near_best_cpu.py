"""Scores of images at a shared grid, made some orientations at a time and compiled for the CPU: those near the best.

Nearly all poses of a grid are far from likely. They are looked at while their products are still in the cache, and only
the rows of orientations that may matter are kept.
"""

from typing import Any, NamedTuple, no_type_check

import numpy as np

from compute.compiled import compiled
from compute.expectation import posterior
from compute.expectation.image_cpu import cut_of, one_of, weighted_image

_zero, _half, _one, _no_power = np.float32(0), np.float32(0.5), np.float32(1), np.float32(1e-20)
LANES = 32
"""So many numbers are compared at a time: two vectors of the widest kind."""


class NearBest(NamedTuple):
    """Orientations with a score near the best one of an image, ascending, one image after another.

    starts: where those of each image begin, and the end; scores [row, translation]; best: of each image, not finite
    where it has none or one is not a number: it has no rows then.
    """

    starts: Any
    orientations: Any
    scores: Any
    best: Any


@compiled(fastmath=True)
@no_type_check
def move_images(images, inverse_noise, phases, pixels, moved):
    """Fill moved [image · translation, 2 · pixel] with images over the noise, times their CTF, at all coarse shifts.

    phases [translation, 2, pixel]: conjugated. Real parts come first: see `coarse.moved_rows`.
    """
    for i in range(images.forward.shape[0]):
        weighted, _ = weighted_image(one_of(images, i), inverse_noise, pixels)
        for t in range(phases.shape[0]):
            row = moved[i * phases.shape[0] + t]
            real, imaginary = row[:pixels], row[pixels:]
            for p in range(pixels):
                x, y = weighted[0, p], weighted[1, p]
                real[p] = x * phases[t, 0, p] + y * phases[t, 1, p]
                imaginary[p] = y * phases[t, 0, p] - x * phases[t, 1, p]


@compiled(fastmath=False)
@no_type_check
def near_rows(cross, prior, power, log_prior, is_correlation, reach, best):
    """Rows of some orientations whose highest score lies within `reach` below the best one so far, which is kept.

    cross [image · translation, orientation] plus prior [image, translation] is divided by the root of power [image,
    orientation] if is_correlation, else half of that is taken from it and log_prior [orientation] added. best: of each
    image, raised here, and no number from the first score on that is none. Returns image, orientation, highest score
    and scores [row, translation] of the rows, one image after another.
    """
    images, shifts = prior.shape
    orientations = cross.shape[1]
    highest, count = np.empty((images, orientations), np.float32), 0
    factor, offset = np.empty_like(highest), np.empty_like(highest)
    for i in range(images):
        _factor_and_offset(power[i], log_prior, is_correlation, factor[i], offset[i])
        is_wrong = _highest_of(cross[i * shifts : (i + 1) * shifts], prior[i], highest[i])
        is_wrong |= _finish(highest[i], factor[i], offset[i])
        best[i] = np.nan if is_wrong else _largest(highest[i], best[i])
        count += _near(highest[i], best[i], reach)
    image, orientation = np.empty(count, np.int64), np.empty(count, np.int64)
    top, scores, row = np.empty(count, np.float32), np.empty((count, shifts), np.float32), 0
    for i in range(images):
        for o in range(orientations):
            if best[i] - highest[i, o] <= reach:
                image[row], orientation[row], top[row] = i, o, highest[i, o]
                for t in range(shifts):
                    score = cross[i * shifts + t, o] + prior[i, t]
                    scores[row, t] = score * factor[i, o] + offset[i, o]
                row += 1
    return image, orientation, top, scores


@compiled(fastmath=False)
@no_type_check
def _factor_and_offset(power, log_prior, is_correlation, factor, offset):
    """Fill in what the products of an image are multiplied with, and what is added to them then."""
    for o in range(power.shape[0]):
        if is_correlation:
            factor[o], offset[o] = _one / np.sqrt(power[o] + _no_power), _zero
        else:
            factor[o], offset[o] = _one, log_prior[o] - _half * power[o]


@compiled(fastmath=False)
@no_type_check
def _near(highest, best, reach):
    """How many scores lie within `reach` below the best one."""
    count = np.int32(0)
    for o in range(highest.shape[0]):
        count += np.int32(best - highest[o] <= reach)
    return count


@compiled(fastmath=False)
@no_type_check
def _highest_of(cross, prior, highest):
    """Fill in the highest cross [translation, orientation] + prior of every orientation; whether one is no number."""
    is_wrong = np.int32(0)
    highest[:] = -np.inf
    for t in range(cross.shape[0]):
        for o in range(cross.shape[1]):
            score = cross[t, o] + prior[t]
            highest[o] = score if score > highest[o] else highest[o]
            is_wrong |= np.int32(score != score)
    return is_wrong


@compiled(fastmath=False)
@no_type_check
def _finish(highest, factor, offset):
    """Turn the highest products into scores; whether one is no number."""
    is_wrong = np.int32(0)
    for o in range(highest.shape[0]):
        score = highest[o] * factor[o] + offset[o]
        highest[o] = score
        is_wrong |= np.int32(score != score)
    return is_wrong


@compiled(fastmath=False)
@no_type_check
def _largest(scores, least):
    """The largest of some numbers and `least`, which may not be a number: then that. Of `LANES` at a time."""
    largest = np.full(LANES, least, np.float32)
    whole = scores.shape[0] // LANES * LANES
    for start in range(0, whole, LANES):
        for lane in range(LANES):
            score = scores[start + lane]
            largest[lane] = score if score > largest[lane] else largest[lane]
    found = np.float32(least)
    for lane in range(LANES):
        found = largest[lane] if largest[lane] > found else found
    for o in range(whole, scores.shape[0]):
        found = scores[o] if scores[o] > found else found
    return found


@compiled(fastmath=False)
@no_type_check
def significant_poses(near, fraction, is_single):
    """The fewest best poses of each image that hold more than `fraction` of its weight: see `posterior.significant`.

    Only the first of the best ones where is_single. Returns them ascending, one image after another, and where those of
    each begin.
    """
    images, shifts = near.best.shape[0], near.scores.shape[1]
    found, starts = np.empty(near.scores.size, np.int64), np.zeros(images + 1, np.int64)
    for i in range(images):
        count, first = starts[i], near.starts[i]
        scores, best = near.scores[first : near.starts[i + 1]].reshape(-1), near.best[i]
        cut = np.float32(0)
        if scores.size and not is_single:
            cut, _ = cut_of(scores, best, fraction)
        for pose in range(scores.size):
            is_best = is_single and scores[pose] == best and count == starts[i]
            if is_best or (best - scores[pose]) * np.float32(posterior.BINS_PER_UNIT) < cut:
                found[count] = near.orientations[first + pose // shifts] * shifts + pose % shifts
                count += 1
        starts[i + 1] = count
    return found[: starts[images]], starts
