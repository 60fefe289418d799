"""Products of an image's slices with the phases of shifts, compiled for the CPU.

Searches look at few orientations and shifts of an image. Their products are made two orientations by four shifts at a
time, so that every number loaded is used several times.
"""

from typing import no_type_check

import numba as nb
import numpy as np

_zero = np.float32(0)
# So many orientations by so many shifts at a time.
TALL, WIDE = 2, 4


@nb.njit(nogil=True, fastmath=True, cache=True)
@no_type_check
def product(row, phase):
    """Σ of a row [2, pixel] times the same pixels of conjugated phases."""
    real, imaginary, c, d = row[0], row[1], phase[0], phase[1]
    total = np.float32(0)
    for p in range(real.shape[0]):
        total += real[p] * c[p] + imaginary[p] * d[p]
    return total


@nb.njit(nogil=True, fastmath=True, cache=True)
@no_type_check
def some_products(rows, i, phases, first, out, j):
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
    out[i, j], out[i, j + 1], out[i, j + 2], out[i, j + 3] = a0, a1, a2, a3
    out[i + 1, j], out[i + 1, j + 1], out[i + 1, j + 2], out[i + 1, j + 3] = b0, b1, b2, b3


@nb.njit(nogil=True, fastmath=False, cache=True)
@no_type_check
def all_products(rows, phases, out):
    """Fill out[orientation, shift] with the products of all rows and all phases; the last groups overlap others."""
    count, shifts = rows.shape[0], phases.shape[0]
    if count < TALL or shifts < WIDE:
        for i in range(count):
            for j in range(shifts):
                out[i, j] = product(rows[i], phases[j])
        return
    for start in range(0, count, TALL):
        i = min(start, count - TALL)
        for first in range(0, shifts, WIDE):
            j = min(first, shifts - WIDE)
            some_products(rows, i, phases, j, out, j)


@nb.njit(nogil=True, fastmath=False, cache=True)
@no_type_check
def _is_wanted(log_prior, i, j):
    """Whether any pair of a group has a prior."""
    for row in range(i, i + TALL):
        for column in range(j, j + WIDE):
            if log_prior[row, column] != -np.inf:
                return True
    return False


@nb.njit(nogil=True, fastmath=False, cache=True)
@no_type_check
def pair_products(rows, phases, columns, log_prior, is_in_groups, out):
    """Fill out[orientation, column] with the products of the pairs that have a prior.

    is_in_groups tells that orientations come by twos and columns by fours in a row.
    """
    if is_in_groups:
        for i in range(0, rows.shape[0], TALL):
            for j in range(0, columns.shape[0], WIDE):
                if _is_wanted(log_prior, i, j):
                    some_products(rows, i, phases, columns[j], out, j)
        return
    for i in range(rows.shape[0]):
        for j in range(columns.shape[0]):
            if log_prior[i, j] != -np.inf:
                out[i, j] = product(rows[i], phases[columns[j]])
