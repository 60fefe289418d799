"""Point groups that take rows of a volume along x onto rows, as C2 and D2 do, compiled for the CPU.

Their mates lie in the same places of their rows, so that all channels of a row are summed at once, and in place.
"""

import math
from typing import no_type_check

import numpy as np

from compute.compiled import compiled

_zero = np.float32(0)
CHANNELS = 3
"""Numbers of a voxel: real part, imaginary part, which changes sign under complex conjugation, and weight."""


def turns_of(operators: np.ndarray) -> np.ndarray:
    """What operators [operator, 3, 3] that map x onto ±x do to rows: matrices (int64) [operator, 2, 2] of z and y.

    Where x becomes −x, the row of the Friedel mates is meant.
    """
    sides = np.rint(operators[:, 0, 0]).astype(np.int64)
    turned: np.ndarray = np.rint(operators[:, :0:-1, :0:-1]).astype(np.int64)
    return turned * sides[:, None, None]


def keep_rows(operators: np.ndarray) -> bool:
    """Whether all operators [operator, 3, 3] take rows of a grid along x onto such rows."""
    is_on_grid = np.abs(operators - np.rint(operators)).max() < 1e-9
    return bool(is_on_grid and (np.abs(operators[:, 0, 0]) > 0.5).all())


@compiled(fastmath=False)
@no_type_check
def add_mate_rows(sums, turns, is_mirrored, reach, first_z, last_z):
    """Make every row of sums [z, y, x, channel] the sum of its mates, in place, within `reach` voxels of the centre.

    turns: see `turns_of`, of a whole group; is_mirrored: of which the Friedel mates are meant. Only sets of mates are
    dealt with whose first row lies in the planes from first_z to last_z.
    """
    side, middle = sums.shape[1], (sums.shape[0] - 1) // 2
    places = np.empty((turns.shape[0], 2), np.int64)
    total = np.empty((sums.shape[2], CHANNELS), np.float32)
    for iz in range(first_z, last_z):
        for iy in range(side):
            z, y = iz - middle, iy - middle
            rest = reach * reach - z * z - y * y
            if rest < 0:
                continue
            is_first = True
            for o in range(turns.shape[0]):
                places[o, 0] = middle + turns[o, 0, 0] * z + turns[o, 0, 1] * y
                places[o, 1] = middle + turns[o, 1, 0] * z + turns[o, 1, 1] * y
                is_first &= places[o, 0] * side + places[o, 1] >= iz * side + iy
            if not is_first:
                continue
            own = total[: int(math.sqrt(rest) + 1e-9) + 1]
            own[:] = _zero
            for o in range(turns.shape[0]):
                _add(sums[places[o, 0], places[o, 1]], is_mirrored[o], own)
            for o in range(turns.shape[0]):
                _copy(own, is_mirrored[o], sums[places[o, 0], places[o, 1]])


@compiled(fastmath=True)
@no_type_check
def _add(row, is_mirrored, total):
    """Add the beginning of a row [x, channel], conjugated if mirrored."""
    sign = np.float32(-1) if is_mirrored else np.float32(1)
    for x in range(total.shape[0]):
        total[x, 0] += row[x, 0]
        total[x, 1] += sign * row[x, 1]
        total[x, 2] += row[x, 2]


@compiled(fastmath=True)
@no_type_check
def _copy(total, is_mirrored, row):
    """Fill the beginning of a row, conjugated if mirrored."""
    sign = np.float32(-1) if is_mirrored else np.float32(1)
    for x in range(total.shape[0]):
        row[x, 0] = total[x, 0]
        row[x, 1] = sign * total[x, 1]
        row[x, 2] = total[x, 2]
