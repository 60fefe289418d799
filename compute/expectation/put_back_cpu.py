"""Images put back into the sums by compiled functions as the second pass makes them."""

from typing import Any, NamedTuple, no_type_check

import numpy as np

from compute.compiled import compiled
from compute.projection.kernels_cpu import insert_some


class Target(NamedTuple):
    """Where the second pass puts images back, if it does so at once.

    sums [z, y, x, 3] of a volume, with its padding; x, y: of the pixels that are put back.
    """

    is_given: Any
    sums: Any
    x: Any
    y: Any
    padding: Any


def nowhere() -> Target:
    """What is to be put back is kept."""
    sums, x, y = (np.empty((0,) * dimensions, np.float32) for dimensions in (4, 1, 1))
    return Target(False, sums, x, y, 2)


@compiled(fastmath=True)
@no_type_check
def put_back_at_once(target, left, values, weight, first, last):
    """Put pixels `first` to `last` of one image back: values [orientation, 2, pixel] begin with the first of them.

    left: an image's orientations, see `second_pass_cpu.Left`; weight [1, pixel]: of its insertion.
    """
    insert_some(
        target.sums,
        left.rotations,
        target.x,
        target.y,
        target.padding,
        values,
        first,
        left.share,
        np.zeros(left.share.shape[0], np.int64),
        weight,
        first,
        last,
    )
