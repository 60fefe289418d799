"""The second pass over one image compiled for the CPU: the posterior over an image's pairs, and its sums.

It is defined in `batch`; loops are spelt out because Numba takes many seconds to compile array expressions.
"""

from typing import no_type_check

import numba as nb
import numpy as np

from compute.expectation import posterior
from compute.expectation.image_cpu import best_of, cut_of
from compute.expectation.kernels_cpu import (
    children,
    fill,
    mean_pose,
    model_sums,
    put_back,
    residuals,
    turned,
)
from compute.expectation.pair_scores_cpu import pair_scores


@nb.njit(nogil=True, fastmath=True, cache=True)
@no_type_check
def mean_phases(weights, columns, phases, out):
    """Fill out[orientation, 2, pixel] with the sum of the phases of its shifts by weight."""
    for k in range(weights.shape[0]):
        one = out[k]
        one[:] = np.float32(0)
        for j in range(columns.shape[0]):
            weight = weights[k, j]
            if weight > 0:
                phase = phases[columns[j]]
                for part in range(2):
                    to, of = one[part], phase[part]
                    for p in range(to.shape[0]):
                        to[p] += weight * of[p]


@nb.njit(nogil=True, fastmath=False, cache=True)
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
    bins, total = posterior.histogram(flat, best)
    cut = np.float32(cut_of(bins, total, fraction))
    posterior.fill_weights(flat, best, cut, total, weights.reshape(-1))
    return weights, np.float64(best), np.log(total)


@nb.njit(nogil=True, fastmath=False, cache=True)
@no_type_check
def _scored_children(kept, image, tables):
    """The children of some coarse poses: rows, rotations, columns, slices with the place of each row's, and scores."""
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
            rotations[i] = tables.points[rows[i]]
    places, sliced = rows, tables.table
    if tables.table.shape[0]:
        turns, is_sliced = tables.points, tables.is_sliced
    else:
        places = np.arange(rows.shape[0])
        sliced = np.empty((rows.shape[0], 2, tables.x.shape[0]), np.float32)
        turns, is_sliced = rotations, np.zeros(rows.shape[0], np.bool_)
    fill(tables.volume, turns, tables.x, tables.y, places, is_sliced, sliced)
    scores = pair_scores(sliced, places, image, tables, columns, log_prior)
    return rows, rotations, columns, sliced, places, scores


@nb.njit(nogil=True, fastmath=False, cache=True)
@no_type_check
def best_child(kept, image, tables):
    """The best of the children of some coarse poses: its score, row, rotation and fine shift."""
    rows, rotations, columns, _, _, scores = _scored_children(kept, image, tables)
    place, column = _top(scores)
    return scores[place, column], rows[place], rotations[place], columns[column]


@nb.njit(nogil=True, fastmath=False, cache=True)
@no_type_check
def second_pass(kept, image, tables):
    """The posterior over the children of the significant poses and what follows from it: see `batch.search_block`.

    Returns rows, rotations, values and weights to put back; residual power per shell; the recorded rotation and
    offset; and as one array: largest weight, log evidence, total weight, fit, power of the model, mean square offset,
    number of orientations.
    """
    rows, rotations, columns, sliced, places, scores = _scored_children(kept, image, tables)
    n = tables.x.shape[0]
    weights, best, log_total = _weigh(scores, tables.is_correlation, tables.fraction)
    row, column = _top(scores)
    found = _weighed(weights, rows, places, rotations)
    own_rows, own_places, own_rotations, own_weights, per_row, place = found
    total = 0.0
    for share in per_row:
        total += np.float64(share)
    values = np.empty((per_row.shape[0], 2, tables.phases.shape[2]), np.float32)
    mean_phases(own_weights, columns, tables.phases, values)
    fit, model = np.zeros(n, np.float32), np.zeros(n, np.float32)
    model_sums(sliced, own_places, per_row, values, image.masked[:n], fit, model)
    power = np.zeros(tables.shells)
    cross, strength = residuals(
        image.masked, image.forward, tables.determined, fit, model, total, tables.shell, power
    )
    put_back(values, image.unmasked, image.factor)
    offsets_A, square, largest = _offsets(columns, own_weights, tables.shifts_A, image.base_A)
    rotation, offset_A = rotations[row].copy(), offsets_A[column].copy()
    if tables.is_local and place[row] >= 0:
        mean_pose(
            own_rotations,
            offsets_A,
            own_weights,
            place[row],
            column,
            tables.reach_rad,
            rotation,
            offset_A,
        )
    figures = np.empty(7)
    figures[0], figures[1], figures[2] = largest, best + log_total, total
    figures[3], figures[4], figures[5], figures[6] = cross, strength, square, rows.shape[0]
    return own_rows, own_rotations, values, per_row, power, rotation, offset_A, figures


@nb.njit(nogil=True, fastmath=False, cache=True)
@no_type_check
def _top(scores):
    """Row and column of the best score, the first of equal ones."""
    row, column = 0, 0
    for i in range(scores.shape[0]):
        for j in range(scores.shape[1]):
            if scores[i, j] > scores[row, column]:
                row, column = i, j
    return row, column


@nb.njit(nogil=True, fastmath=False, cache=True)
@no_type_check
def _weighed(weights, rows, places, rotations):
    """Of the orientations that have weight: rows, places, rotations, weights, their sums; and where each one went."""
    place, count = np.full(rows.shape[0], -1, np.int64), 0
    sums = np.zeros(rows.shape[0], np.float32)
    for i in range(rows.shape[0]):
        for j in range(weights.shape[1]):
            sums[i] += weights[i, j]
        if sums[i] > 0:
            place[i] = count
            count += 1
    own_rows, own_places = np.empty(count, np.int64), np.empty(count, np.int64)
    own_rotations = np.empty((count, 3, 3), np.float32)
    own_weights = np.empty((count, weights.shape[1]), np.float32)
    per_row = np.empty(count, np.float32)
    for i in range(rows.shape[0]):
        k = place[i]
        if k >= 0:
            own_rows[k], own_places[k], per_row[k] = rows[i], places[i], sums[i]
            for a in range(3):
                for b in range(3):
                    own_rotations[k, a, b] = rotations[i, a, b]
            for j in range(weights.shape[1]):
                own_weights[k, j] = weights[i, j]
    return own_rows, own_places, own_rotations, own_weights, per_row, place


@nb.njit(nogil=True, fastmath=False, cache=True)
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
