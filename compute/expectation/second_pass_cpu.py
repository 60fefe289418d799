"""The second pass compiled for the CPU: the posterior over each image's pairs, and its sums.

It is defined in `batch`; loops are spelt out because Numba takes many seconds to compile array expressions.
"""

from typing import Any, NamedTuple, no_type_check

import numpy as np

from compute.compiled import compiled
from compute.expectation import posterior
from compute.expectation.image_cpu import best_of, cut_of, one_of, weighted_image
from compute.expectation.kernels_cpu import (
    children,
    image_rows,
    mean_pose,
    residuals,
    turned,
)
from compute.expectation.product_vectors_cpu import TALL, WIDE
from compute.expectation.products_cpu import TILE, add_pair_products, clear_rest
from compute.expectation.sums_cpu import TILE as SUMS_TILE
from compute.expectation.sums_cpu import orientation_sums
from compute.projection.kernels_cpu import (
    aligned,
    copy,
    copy_rotation,
    slice_rows,
    whole_lines,
)

_zero, _half, _no_power = np.float32(0), np.float32(0.5), np.float32(1e-20)


class Outcome(NamedTuple):
    """Room for what the second pass finds: of each image, and of each orientation that is left.

    figures: largest weight, log evidence, total weight, fit, power of the model, mean square offset, orientations
    looked at; power: of the residual per shell. image: whose orientation it is; values: what is to be put back.
    """

    figures: Any
    power: Any
    rotation: Any
    offset_A: Any
    image: Any
    rows: Any
    rotations: Any
    values: Any
    share: Any


class Left(NamedTuple):
    """The orientations of one image that have weight."""

    rotations: Any
    share: Any


@compiled(fastmath=False)
@no_type_check
def second_passes(kept, starts, first, images, tables, out, target):
    """The second pass over some images of a block, from `first` on.

    Returns how many orientations are left, and the seconds that it took to put images back, if it was done at once.
    Their significant coarse poses are kept[starts[i] : starts[i + 1]]. An image without any is passed over.
    """
    count = np.int64(0)  # for a literal 0 all that it is given to would be compiled once more
    spent = 0.0
    for k in range(out.figures.shape[0]):
        i = first + k
        if starts[i + 1] > starts[i]:
            own = kept[starts[i] : starts[i + 1]]
            left, took = second_pass(own, one_of(images, i), tables, out, k, count, target)
            out.image[count : count + left] = k
            count += left
            spent += took
    return count, spent


@compiled(fastmath=False)
@no_type_check
def best_children(kept, starts, images, tables, found, scores):
    """The best of the children of some coarse poses of every image of a block, and that of its present orientation.

    Fills found[image] with row and fine shift, and scores[image] with the score there and the best one at the rotation
    that the image is searched around, without a prior of the orientation; images without poses are passed over.
    Returns the rotations.
    """
    rotations = np.empty((images.masked.shape[0], 3, 3), np.float32)
    for i in range(images.masked.shape[0]):
        if starts[i + 1] == starts[i]:
            continue
        image = one_of(images, i)
        rows, turns, columns, _, all_scores = _scored_children(
            kept[starts[i] : starts[i + 1]], image, tables
        )
        row, column = _top(all_scores)
        found[i, 0], found[i, 1] = rows[row], columns[column]
        scores[i, 0] = all_scores[row, column]
        scores[i, 1] = _best_at(image, tables)
        copy_rotation(turns[row], rotations[i])
    return rotations


@compiled(fastmath=False)
@no_type_check
def _scored_children(kept, image, tables):
    """The children of some coarse poses: rows, rotations, columns, slices and scores."""
    rows, columns, log_prior = children(
        kept,
        tables.coarse_shifts,
        tables.row_children,
        tables.column_children,
        tables.point_prior,
        image.shift_prior,
    )
    rotations = np.empty((rows.shape[0], 3, 3), np.float32)
    if tables.is_local:
        turned(tables.points, rows, image.centres, rotations)
    else:
        for i in range(rows.shape[0]):
            copy_rotation(tables.points[rows[i]], rotations[i])
    length = whole_lines(tables.x.shape[0])
    sliced = aligned(rows.shape[0] * 2 * length).reshape(rows.shape[0], 2, length)
    _score(sliced, rotations, image, tables, columns, log_prior)
    return rows, rotations, columns, sliced, log_prior


@compiled(fastmath=False)
@no_type_check
def _score(sliced, rotations, image, tables, columns, scores):
    """Make the slices, and turn the log prior of all pairs into their scores; pairs without a prior stay at -inf.

    Some pixels of all orientations at a time: what is sliced stays in the cache while it is compared.
    """
    n, count = tables.x.shape[0], rotations.shape[0]
    weighted, strength = weighted_image(image, tables.inverse_noise, n)
    power, cross = np.zeros(count, np.float32), np.zeros(scores.shape, np.float32)
    rows = aligned(TALL * 2 * TILE).reshape(TALL, 2, TILE)
    is_in_groups = (
        tables.row_children % TALL == 0 and tables.column_children % WIDE == 0 and count % TALL == 0
    )
    for start in range(0, n, TILE):
        stop = min(start + TILE, n)
        clear_rest(rows, stop - start)
        slice_rows(tables.volume, rotations, tables.x, tables.y, start, stop, sliced)
        for i in range(0, count, TALL):
            end = min(i + TALL, count)
            own, some = power[i:end], cross[i:end]
            image_rows(sliced[i:end], start, weighted, strength, start, stop, rows, own)
            add_pair_products(
                rows, stop - start, tables.phases, start, columns, scores[i:end], is_in_groups, some
            )
    for i in range(count):
        for j in range(columns.shape[0]):
            if scores[i, j] == -np.inf:
                continue
            if tables.is_correlation:
                scores[i, j] = cross[i, j] / np.sqrt(power[i] + _no_power)
            else:
                scores[i, j] += cross[i, j] - _half * power[i]


@compiled(fastmath=False)
@no_type_check
def _best_at(image, tables):
    """The best score of an image over all fine shifts at the first of its centres."""
    length = whole_lines(tables.x.shape[0])
    sliced = aligned(2 * length).reshape(1, 2, length)
    columns = np.arange(tables.shifts_A.shape[0])
    scores = np.empty((1, columns.shape[0]), np.float32)
    copy(image.shift_prior, scores[0])
    _score(sliced, image.centres[:1], image, tables, columns, scores)
    return best_of(scores[0])


@compiled(fastmath=False)
@no_type_check
def second_pass(kept, image, tables, out, k, first, target):
    """One image's second pass: its part of `out`, its orientations from `first` on.

    Returns how many there are, and how long it took to put the image back.
    """
    rows, rotations, columns, sliced, scores = _scored_children(kept, image, tables)
    weights, best, log_total = _weigh(scores, tables.is_correlation, tables.fraction)
    row, column = _top(scores)
    place, count, total = _left(weights, rows, rotations, out, first)
    last, n = first + count, tables.x.shape[0]
    left = Left(out.rotations[first:last], out.share[first:last])
    values = out.values[first:last]
    if target.is_given:
        values = aligned(count * 2 * SUMS_TILE).reshape(count, 2, SUMS_TILE)
    fit, model = aligned(n), aligned(n)
    fit[:], model[:] = _zero, _zero
    took = orientation_sums(
        weights, columns, sliced, place, image, tables, left, values, target, fit, model
    )
    cross, strength = residuals(image, tables, fit, model, total, out.power[k])
    offsets_A, square, largest = _offsets(columns, weights, tables.shifts_A, image.base_A)
    copy_rotation(rotations[row], out.rotation[k])
    copy(offsets_A[column], out.offset_A[k])
    if tables.is_local and place[row] >= 0:
        mean_pose(
            rotations,
            offsets_A,
            weights,
            row,
            column,
            tables.reach_rad,
            out.rotation[k],
            out.offset_A[k],
        )
    figures = out.figures[k]
    figures[0], figures[1], figures[2] = largest, best + log_total, total
    figures[3], figures[4], figures[5], figures[6] = cross, strength, square, rows.shape[0]
    return count, took


@compiled(fastmath=False)
@no_type_check
def _weigh(scores, is_correlation, fraction):
    """As `posterior.weigh` and `posterior.winner`: weights, best score, log of the sum."""
    flat = scores.reshape(-1)
    weights = np.zeros_like(scores)
    if is_correlation:
        top = np.argmax(flat)
        weights.reshape(-1)[top] = np.float32(1)
        return weights, np.float64(flat[top]), 0.0
    best = best_of(flat)
    cut, total = cut_of(flat, best, fraction)
    posterior.fill_weights(flat, best, cut, total, weights.reshape(-1))
    return weights, np.float64(best), np.log(total)


@compiled(fastmath=False)
@no_type_check
def _top(scores):
    """Row and column of the best score, the first of equal ones."""
    row, column = 0, 0
    for i in range(scores.shape[0]):
        for j in range(scores.shape[1]):
            if scores[i, j] > scores[row, column]:
                row, column = i, j
    return row, column


@compiled(fastmath=False)
@no_type_check
def _left(weights, rows, rotations, out, first):
    """Enter the orientations that have weight from `first` on: their places after that, how many, and their weight."""
    place, count, total = np.full(rows.shape[0], -1, np.int64), 0, 0.0
    for i in range(rows.shape[0]):
        share = np.float32(0)
        for j in range(weights.shape[1]):
            share += weights[i, j]
        if share > 0:
            to = first + count
            out.rows[to], out.share[to] = rows[i], share
            copy_rotation(rotations[i], out.rotations[to])
            place[i] = count
            total += np.float64(share)
            count += 1
    return place, count, total


@compiled(fastmath=False)
@no_type_check
def _offsets(columns, weights, shifts_A, base_A):
    """Whole offsets of the columns, their mean square by weight, and the largest weight."""
    offsets_A, square, largest = np.empty((columns.shape[0], 2)), 0.0, 0.0
    for j in range(columns.shape[0]):
        x, y = shifts_A[columns[j], 0] + base_A[0], shifts_A[columns[j], 1] + base_A[1]
        offsets_A[j, 0], offsets_A[j, 1] = x, y
        share = 0.0
        for k in range(weights.shape[0]):
            share += np.float64(weights[k, j])
            largest = max(largest, np.float64(weights[k, j]))
        square += share * (x * x + y * y)
    return offsets_A, square, largest
