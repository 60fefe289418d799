"""Products of an image's slices with the phases of shifts, compiled for the CPU.

Searches look at few orientations and shifts of an image. Their products are made some orientations by some shifts at a
time, so that every number loaded is used several times; and for some pixels of all of them after the other, so that
what is loaded stays in the cache.
"""

from typing import no_type_check

import numpy as np

from compute.compiled import compiled
from compute.expectation.product_vectors_cpu import (
    TALL,
    WIDE,
    add_block,
    add_column,
    add_one,
    add_row,
    add_three_rows,
    add_two_rows,
)
from compute.projection.kernels_cpu import whole_lines

_zero = np.float32(0)
# Pixels of an image that are compared at a time.
TILE = 1024


@compiled(fastmath=False)
@no_type_check
def clear_rest(rows, pixels):
    """Put zeros where the last vector of pixels reaches beyond `pixels`."""
    for p in range(pixels, whole_lines(pixels)):
        for row in rows:
            row[0, p], row[1, p] = _zero, _zero


@compiled(fastmath=False)
@no_type_check
def add_all_products(rows, pixels, phases, start, out):
    """Add the products of rows [orientation, 2, pixel], as many as out has, and all phases [shift, 2, pixel] to out.

    A row's first pixel is the phases' pixel `start`; after the last of its `pixels` it is clear: see `clear_rest`. Rows
    of phases are whole lines of the cache.
    """
    count, shifts, length = out.shape[0], phases.shape[0], whole_lines(pixels)
    tall, wide = count - count % TALL, shifts - shifts % WIDE
    for i in range(0, tall, TALL):
        for j in range(0, wide, WIDE):
            add_block(rows, i, length, phases, j, start, out, i, j)
        for j in range(wide, shifts):
            add_column(rows, i, length, phases, j, start, out, i, j)
    for j in range(0, wide, WIDE):
        if count - tall == 3:
            add_three_rows(rows, tall, length, phases, j, start, out, tall, j)
        elif count - tall == 2:
            add_two_rows(rows, tall, length, phases, j, start, out, tall, j)
        elif count - tall == 1:
            add_row(rows, tall, length, phases, j, start, out, tall, j)
    for i in range(tall, count):
        for j in range(wide, shifts):
            add_one(rows, i, length, phases, j, start, out, i, j)


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
def add_pair_products(rows, pixels, phases, start, columns, log_prior, is_in_groups, out):
    """Add the products of the pairs that have a prior to out[orientation, column]: as `add_all_products`.

    is_in_groups tells that orientations come by `TALL` and columns by `WIDE` in a row.
    """
    length = whole_lines(pixels)
    if is_in_groups:
        for i in range(0, out.shape[0], TALL):
            for j in range(0, columns.shape[0], WIDE):
                if _is_wanted(log_prior, i, j):
                    add_block(rows, i, length, phases, columns[j], start, out, i, j)
        return
    for i in range(out.shape[0]):
        for j in range(columns.shape[0]):
            if log_prior[i, j] != -np.inf:
                add_one(rows, i, length, phases, columns[j], start, out, i, j)
