"""Images put back into the sums by compiled functions: at once, as the second pass makes them, or later."""

from typing import Any, NamedTuple, no_type_check

import numpy as np

from compute.compiled import compiled
from compute.projection.kernels_cpu import insert_some


class Target(NamedTuple):
    """Where the second pass puts images back, if it does so at once.

    sums [z, y, x, 3] of a volume, with its padding; x, y: of the pixels. values [orientation, 2, pixel], weights
    [orientation, pixel]: sums of the orientations of a shared fine grid, where there are some, instead of the volume's;
    is_used [orientation]: which of them have anything.
    """

    is_given: Any
    sums: Any
    x: Any
    y: Any
    padding: Any
    values: Any
    weights: Any
    is_used: Any


def nowhere() -> Target:
    """What is to be put back is kept."""
    none = [np.empty((0,) * dimensions, np.float32) for dimensions in (4, 1, 1, 3, 2)]
    sums, x, y, values, weights = none
    return Target(False, sums, x, y, 2, values, weights, np.empty(0, np.bool_))


@compiled(fastmath=True)
@no_type_check
def _add_row(total, weight, values, share, of_image, first, last, before):
    """Add to the sums of an orientation at the pixels from `first` to `last`."""
    real, imaginary, new_real, new_imaginary = total[0], total[1], values[0], values[1]
    for p in range(first, last):
        real[p] += new_real[p - before]
        imaginary[p] += new_imaginary[p - before]
        weight[p] += share * of_image[p]


@compiled(fastmath=True)
@no_type_check
def add_rows(sums, weights, rows, values, shares, image, insertion_weight):
    """Add values[orientation, 2, pixel] to sums[rows], and insertion_weight[image] by share to weights[rows]."""
    last = weights.shape[1]
    for o in range(rows.shape[0]):
        own, row = insertion_weight[image[o]], rows[o]
        _add_row(sums[row], weights[row], values[o], shares[o], own, 0, last, 0)


@compiled(fastmath=True)
@no_type_check
def put_back_at_once(target, left, values, weight, first, last):
    """Put pixels `first` to `last` of one image back: values [orientation, 2, pixel] begin with the first of them.

    left: an image's orientations, see `second_pass_cpu.Left`; weight [1, pixel]: of its insertion.
    """
    count = left.rows.shape[0]
    if target.values.shape[0]:
        for o in range(count):
            row = left.rows[o]
            target.is_used[row] = True
            sums, weights = target.values[row], target.weights[row]
            _add_row(sums, weights, values[o], left.share[o], weight[0], first, last, first)
        return
    insert_some(
        target.sums,
        left.rotations,
        target.x,
        target.y,
        target.padding,
        values,
        first,
        left.share,
        np.zeros(count, np.int64),
        weight,
        first,
        last,
    )
