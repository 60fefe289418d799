"""Scores of one image at few orientations and shifts, compiled for the CPU: those of single pairs, no more.

The children of a significant pose are eight orientations at four shifts. Their products are made two orientations by
four shifts at a time, so that every number loaded is used several times.
"""

from typing import no_type_check

import numba as nb
import numpy as np

from compute.expectation.image_cpu import product, weighted_image
from compute.expectation.kernels_cpu import image_rows

_half = np.float32(0.5)
_zero = np.float32(0)
# So many orientations by so many shifts at a time.
TALL, WIDE = 2, 4


@nb.njit(nogil=True, fastmath=True, cache=True)
@no_type_check
def _products(rows, i, phases, first, n, out, j):
    """Fill out[i : i + TALL, j : j + WIDE] with products of rows and the phases of the WIDE shifts from `first` on."""
    a0, a1, a2, a3, b0, b1, b2, b3 = _zero, _zero, _zero, _zero, _zero, _zero, _zero, _zero
    for part in range(2):
        a, b = rows[i, part], rows[i + 1, part]
        c, d, e, f = (
            phases[first, part],
            phases[first + 1, part],
            phases[first + 2, part],
            phases[first + 3, part],
        )
        for p in range(n):
            x, y = a[p], b[p]
            a0 += x * c[p]
            a1 += x * d[p]
            a2 += x * e[p]
            a3 += x * f[p]
            b0 += y * c[p]
            b1 += y * d[p]
            b2 += y * e[p]
            b3 += y * f[p]
    out[i, j], out[i, j + 1], out[i, j + 2], out[i, j + 3] = a0, a1, a2, a3
    out[i + 1, j], out[i + 1, j + 1], out[i + 1, j + 2], out[i + 1, j + 3] = b0, b1, b2, b3


@nb.njit(nogil=True, fastmath=False, cache=True)
@no_type_check
def _is_scored(log_prior, i, j):
    """Whether any pair of a group has a prior."""
    for row in range(i, i + TALL):
        for column in range(j, j + WIDE):
            if log_prior[row, column] != -np.inf:
                return True
    return False


@nb.njit(nogil=True, fastmath=False, cache=True)
@no_type_check
def pair_scores(sliced, places, image, tables, columns, log_prior):
    """Scores of all pairs that have a prior; the log prior, -inf, of all others."""
    n = tables.x.shape[0]
    rows, power = (
        np.empty((places.shape[0], 2, n), np.float32),
        np.empty(places.shape[0], np.float32),
    )
    weighted, strength = weighted_image(image, n)
    image_rows(sliced, places, weighted, strength, rows, power)
    cross = np.zeros(log_prior.shape, np.float32)
    if tables.row_children % TALL == 0 and tables.column_children % WIDE == 0:
        for i in range(0, places.shape[0], TALL):
            for j in range(0, columns.shape[0], WIDE):
                if _is_scored(log_prior, i, j):
                    _products(rows, i, tables.phases, columns[j], n, cross, j)
    else:
        for i in range(places.shape[0]):
            for j in range(columns.shape[0]):
                if log_prior[i, j] != -np.inf:
                    cross[i, j] = product(rows[i], tables.phases[columns[j]])
    scores = log_prior.copy()
    for i in range(places.shape[0]):
        for j in range(columns.shape[0]):
            if log_prior[i, j] == -np.inf:
                continue
            if tables.is_correlation:
                scores[i, j] = cross[i, j] / np.sqrt(power[i] + np.float32(1e-20))
            else:
                scores[i, j] += cross[i, j] - _half * power[i]
    return scores
