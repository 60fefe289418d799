"""The search of one image compiled for the CPU as a whole, where it is small enough to need no matrix products.

What it computes is defined in `coarse` and `fine`; for images with many significant poses `host` takes the same steps
with matrix products.
"""

from typing import Any, NamedTuple, no_type_check

import numba as nb
import numpy as np

from compute.expectation import posterior
from compute.expectation.kernels_cpu import (
    border,
    children,
    fill,
    image_row,
    image_rows,
    mean_pose,
    model_sums,
    put_back,
    residuals,
    turned,
)
from compute.projection.kernels_cpu import PARTS, POINTS, slice_one

_half = np.float32(0.5)


class Tables(NamedTuple):
    """What all images of a block share, as arrays; see `search.SharedTables`.

    x, y: of the pixels that are compared. table: slices of the shared fine grid, empty where there are none.
    is_local, is_correlation, fraction: rules of the search; reach_rad: see `mean_pose`.
    """

    volume: Any
    padding: Any
    x: Any
    y: Any
    phases: Any
    shifts_A: Any
    points: Any
    point_prior: Any
    table: Any
    is_sliced: Any
    shell: Any
    shells: Any
    determined: Any
    row_children: Any
    column_children: Any
    coarse_shifts: Any
    is_local: Any
    is_correlation: Any
    fraction: Any
    reach_rad: Any


class Image(NamedTuple):
    """One image: transforms, the CTF with which a slice is compared, its product with 1/σ², the factor of insertion.

    centres: rotations that it is searched around; shift_prior: of every fine shift; base_A: what is applied already.
    """

    masked: Any
    unmasked: Any
    forward: Any
    weight: Any
    factor: Any
    centres: Any
    shift_prior: Any
    base_A: Any


class Lattice(NamedTuple):
    """The coarse lattice of a local search; phases: of the coarse shifts; x, y: of the pixels of the first pass."""

    points: Any
    point_prior: Any
    neighbours: Any
    phases: Any
    x: Any
    y: Any


@nb.njit(nogil=True, fastmath=True, cache=True)
@no_type_check
def _product(row, phase):
    """Σ of a row [2, pixel] times the same pixels of conjugated phases."""
    real, imaginary, c, d = row[0], row[1], phase[0], phase[1]
    total = np.float32(0)
    for p in range(real.shape[0]):
        total += real[p] * c[p] + imaginary[p] * d[p]
    return total


@nb.njit(nogil=True, fastmath=False, cache=True)
@no_type_check
def _best(scores):
    """The largest score; not finite where there is none, or one is not a number."""
    best = np.float32(-np.inf)
    for score in scores:
        if score != score:
            return np.float32(np.nan)
        best = max(best, score)
    return best


@nb.njit(nogil=True, fastmath=False, cache=True)
@no_type_check
def _cut(bins, total, fraction):
    """As `posterior._cut`."""
    reached = 0.0
    for count in range(bins.shape[0]):
        reached += bins[count]
        if reached >= fraction * total:
            return count + 1
    return bins.shape[0]


@nb.njit(nogil=True, fastmath=False, cache=True)
@no_type_check
def significant(scores, fraction):
    """As `posterior.significant` without a largest number."""
    best = _best(scores)
    if not np.isfinite(best):
        return np.empty(0, np.int64)
    bins, total = posterior.histogram(scores, best)
    return posterior.within(scores, best, np.float32(_cut(bins, total, fraction)))


@nb.njit(nogil=True, fastmath=False, cache=True)
@no_type_check
def grow(core, cross, power, lattice, image, volume, padding, shift_prior, fraction):
    """Significant coarse poses of a local search that began with the orientations `core` and their products.

    cross[core orientation, translation] and power are those of `image_rows`; what is next to significant poses is
    scored until nothing is left. Returns them, and how many orientations were scored.
    """
    shifts, n = lattice.phases.shape[0], lattice.x.shape[0]
    scores = np.full((lattice.points.shape[0], shifts), -np.inf, np.float32)
    is_scored = np.zeros(lattice.points.shape[0], np.bool_)
    for i in range(core.shape[0]):
        is_scored[core[i]] = True
        of_row = lattice.point_prior[core[i]] - _half * power[i]
        for t in range(shifts):
            scores[core[i], t] = cross[i, t] + of_row + shift_prior[t]
    flat = scores.reshape(-1)
    kept = significant(flat, fraction)
    rows = border(kept, shifts, lattice.neighbours, is_scored)
    scored = core.shape[0] + rows.shape[0]
    if not rows.shape[0]:
        return kept, scored
    cells, parts = np.empty(POINTS, np.uint32), np.empty((PARTS, POINTS), np.float32)
    real, imaginary, row = (
        np.empty(n, np.float32),
        np.empty(n, np.float32),
        np.empty((2, n), np.float32),
    )
    weighted, strength = image.masked[:n] * image.weight[:n], image.forward[:n] * image.weight[:n]
    while rows.shape[0]:
        rotations = np.empty((rows.shape[0], 3, 3), np.float32)
        turned(lattice.points, rows, image.centres, rotations)
        for i in range(rows.shape[0]):
            slice_one(
                volume, rotations[i], lattice.x, lattice.y, padding, cells, parts, real, imaginary
            )
            own = image_row(real, imaginary, weighted, strength, row[0], row[1])
            of_row = lattice.point_prior[rows[i]] - _half * own
            for t in range(shifts):
                scores[rows[i], t] = _product(row, lattice.phases[t]) + of_row + shift_prior[t]
        kept = significant(flat, fraction)
        rows = border(kept, shifts, lattice.neighbours, is_scored)
        scored += rows.shape[0]
    return kept, scored


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
def _pair_scores(sliced, places, image, tables, columns, log_prior):
    """Scores of all pairs that have a prior; the log prior, -inf, of all others."""
    n = tables.x.shape[0]
    rows, power = (
        np.empty((places.shape[0], 2, n), np.float32),
        np.empty(places.shape[0], np.float32),
    )
    weighted, strength = image.masked[:n] * image.weight[:n], image.forward[:n] * image.weight[:n]
    image_rows(sliced, places, weighted, strength, rows, power)
    scores = log_prior.copy()
    for i in range(places.shape[0]):
        for j in range(columns.shape[0]):
            if log_prior[i, j] != -np.inf:
                cross = _product(rows[i], tables.phases[columns[j]])
                if tables.is_correlation:
                    scores[i, j] = cross / np.sqrt(power[i] + np.float32(1e-20))
                else:
                    scores[i, j] += cross - _half * power[i]
    return scores


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
    best = _best(flat)
    bins, total = posterior.histogram(flat, best)
    cut = np.float32(_cut(bins, total, fraction))
    posterior.fill_weights(flat, best, cut, total, weights.reshape(-1))
    return weights, np.float64(best), np.log(total)


@nb.njit(nogil=True, fastmath=False, cache=True)
@no_type_check
def second_pass(kept, image, tables):
    """The posterior over the children of the significant poses and what follows from it: see `fine.fine_pass`.

    Returns rows, rotations, values and weights to put back; residual power per shell; the recorded rotation and
    offset; and as one array: largest weight, log evidence, total weight, fit, power of the model, mean square offset,
    number of orientations.
    """
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
    n = tables.x.shape[0]
    places, sliced = rows, tables.table
    if tables.table.shape[0]:
        turns, is_sliced = tables.points, tables.is_sliced
    else:
        places = np.arange(rows.shape[0])
        sliced = np.empty((rows.shape[0], 2, n), np.float32)
        turns, is_sliced = rotations, np.zeros(rows.shape[0], np.bool_)
    fill(tables.volume, turns, tables.x, tables.y, tables.padding, places, is_sliced, sliced)
    scores = _pair_scores(sliced, places, image, tables, columns, log_prior)
    weights, best, log_total = _weigh(scores, tables.is_correlation, tables.fraction)
    row, column = divmod(np.argmax(scores.reshape(-1)), columns.shape[0])
    per_row = np.zeros(rows.shape[0], np.float32)
    for i in range(rows.shape[0]):
        for j in range(columns.shape[0]):
            per_row[i] += weights[i, j]
    used = np.flatnonzero(per_row > 0)
    weights, per_row = weights[used], per_row[used]
    total = per_row.astype(np.float64).sum()
    values = np.empty((used.shape[0], 2, tables.phases.shape[2]), np.float32)
    mean_phases(weights, columns, tables.phases, values)
    fit, model = np.zeros(n, np.float32), np.zeros(n, np.float32)
    model_sums(sliced, places[used], per_row, values, image.masked[:n], fit, model)
    power = np.zeros(tables.shells)
    cross, strength = residuals(
        image.masked, image.forward, tables.determined, fit, model, total, tables.shell, power
    )
    put_back(values, image.unmasked, image.factor)
    offsets_A = tables.shifts_A[columns] + image.base_A
    square = 0.0
    for j in range(columns.shape[0]):
        share = weights[:, j].astype(np.float64).sum()
        square += share * (offsets_A[j, 0] ** 2 + offsets_A[j, 1] ** 2)
    rotation, offset_A = rotations[row].copy(), offsets_A[column].copy()
    if tables.is_local and per_row.shape[0]:
        place = np.searchsorted(used, row)
        if place < used.shape[0] and used[place] == row:
            rotation, offset_A = mean_pose(
                rotations[used], offsets_A, weights, place, column, tables.reach_rad
            )
    figures = np.array(
        [weights.max(), best + log_total, total, cross, strength, square, rows.shape[0]]
    )
    return rows[used], rotations[used], values, per_row, power, rotation, offset_A, figures
