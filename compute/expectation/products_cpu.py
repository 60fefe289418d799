"""Products of an image's slices with the phases of shifts, compiled for the CPU.

Searches look at few orientations and shifts of an image. Their products are made two orientations by four shifts at a
time, so that every number loaded is used several times; and for some pixels of all of them after the other, so that
what is loaded stays in the cache.
"""

from typing import no_type_check

import numpy as np

from compute.compiled import compiled

_zero = np.float32(0)
# So many orientations by so many shifts at a time.
TALL, WIDE = 2, 4
# Pixels of an image that are compared at a time.
TILE = 1024


@compiled(fastmath=True)
@no_type_check
def _product(rows, i, phases, j, start):
    """The product of a row and the phases of a shift, whose pixel `start` is the row's first."""
    real, imaginary, end = rows[i, 0], rows[i, 1], start + rows.shape[2]
    c, d = phases[j, 0, start:end], phases[j, 1, start:end]
    total = _zero
    for p in range(real.shape[0]):
        total += real[p] * c[p] + imaginary[p] * d[p]
    return total


@compiled(fastmath=True)
@no_type_check
def _products(rows, i, phases, j, start):
    """Those of TALL rows from i on and the phases of WIDE shifts from j on."""
    end = start + rows.shape[2]
    a0, a1, a2, a3, b0, b1, b2, b3 = _zero, _zero, _zero, _zero, _zero, _zero, _zero, _zero
    for part in range(2):
        a, b = rows[i, part], rows[i + 1, part]
        c, d = phases[j, part, start:end], phases[j + 1, part, start:end]
        e, f = phases[j + 2, part, start:end], phases[j + 3, part, start:end]
        for p in range(a.shape[0]):
            x, y = a[p], b[p]
            a0 += x * c[p]
            a1 += x * d[p]
            a2 += x * e[p]
            a3 += x * f[p]
            b0 += y * c[p]
            b1 += y * d[p]
            b2 += y * e[p]
            b3 += y * f[p]
    return (a0, a1, a2, a3), (b0, b1, b2, b3)


@compiled(fastmath=False)
@no_type_check
def add_all_products(rows, phases, start, out):
    """Add the products of all rows [orientation, 2, pixel] and all phases [shift, 2, pixel] to out.

    A row's first pixel is the phases' pixel `start`.
    """
    count, shifts = rows.shape[0], phases.shape[0]
    tall, wide = count - count % TALL, shifts - shifts % WIDE
    for i in range(0, tall, TALL):
        for j in range(0, wide, WIDE):
            first, second = _products(rows, i, phases, j, start)
            for k in range(WIDE):
                out[i, j + k] += first[k]
                out[i + 1, j + k] += second[k]
    for i in range(count):
        for j in range(wide if i < tall else 0, shifts):
            out[i, j] += _product(rows, i, phases, j, start)


@compiled(fastmath=False)
@no_type_check
def _is_wanted(log_prior, i, j):
    """Whether any pair of a group has a prior."""
    for row in range(i, i + TALL):
        for column in range(j, j + WIDE):
            if log_prior[row, column] != -np.inf:
                return True
    return False


@compiled(fastmath=False)
@no_type_check
def add_pair_products(rows, phases, start, columns, log_prior, is_in_groups, out):
    """Add the products of the pairs that have a prior to out[orientation, column].

    is_in_groups tells that orientations come by twos and columns by fours in a row.
    """
    if is_in_groups:
        for i in range(0, rows.shape[0], TALL):
            for j in range(0, columns.shape[0], WIDE):
                if _is_wanted(log_prior, i, j):
                    first, second = _products(rows, i, phases, columns[j], start)
                    for k in range(WIDE):
                        out[i, j + k] += first[k]
                        out[i + 1, j + k] += second[k]
        return
    for i in range(rows.shape[0]):
        for j in range(columns.shape[0]):
            if log_prior[i, j] != -np.inf:
                out[i, j] += _product(rows, i, phases, columns[j], start)
