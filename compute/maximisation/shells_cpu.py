"""What is counted, divided and gathered of a padded half grid, compiled for the CPU.

Half shells are those of `shells.half_shells`; voxels at or beyond the radius are left out, which is the rest of a row.
"""

from typing import no_type_check

import numpy as np

from compute.compiled import compiled


@compiled(fastmath=False)
@no_type_check
def add_half_shells(weights, origin, padding, total, count):
    """Add up weights[z, y, x] of float32 and the number of voxels in each half shell, in float64."""
    for z in range(weights.shape[0]):
        for y in range(weights.shape[1]):
            rest = (z - origin) ** 2 + (y - origin) ** 2
            for x in range(weights.shape[2]):
                half = int(2.0 * np.sqrt(rest + x * x) / padding)
                if half >= total.shape[0]:
                    break
                total[half] += weights[z, y, x]
                count[half] += 1.0


@compiled(fastmath=False)
@no_type_check
def count_covered(weights, origin, padding, needed, covered, count):
    """Count the voxels in each half shell, and those whose weight reaches what is needed there."""
    for z in range(weights.shape[0]):
        for y in range(weights.shape[1]):
            rest = (z - origin) ** 2 + (y - origin) ** 2
            for x in range(weights.shape[2]):
                half = int(2.0 * np.sqrt(rest + x * x) / padding)
                if half >= covered.shape[0]:
                    break
                count[half] += 1.0
                if weights[z, y, x] >= needed[half]:
                    covered[half] += 1.0


@compiled(fastmath=False)
@no_type_check
def divide(sums, origin, padding, first_row, added, floor, out):
    """Numerator over regularised denominator of sums[z, y, x, 3] into out[z, row, x, 2], ready to be transformed.

    out is full of zeros, as long as the padded box along z, with its zero frequency in front; its rows are those of
    `sums` from first_row on. added, floor: what is added to a weight and the least that it counts for, per half shell.
    """
    one, zero = np.float32(1), np.float32(0)
    padded, length = out.shape[0], out.shape[2]
    for z in range(sums.shape[0]):
        for row in range(out.shape[1]):
            y = first_row + row
            rest = (z - origin) ** 2 + (y - origin) ** 2
            for x in range(length):
                half = int(2.0 * np.sqrt(rest + x * x) / padding)
                if half >= added.shape[0]:
                    break
                weight = max(sums[z, y, x, 2] + added[half], floor[half])
                inverse = one / weight if weight > zero else zero
                at = (z - origin) % padded
                out[at, row, x, 0] = sums[z, y, x, 0] * inverse
                out[at, row, x, 1] = sums[z, y, x, 1] * inverse


@compiled(fastmath=False)
@no_type_check
def gather(sums, places, places_x, total):
    """Add sums[z, y, x, 3] to total at the places of their planes and rows, and of their x; the plane x = 0 by half."""
    half = np.float32(0.5)
    for z in range(sums.shape[0]):
        for y in range(sums.shape[1]):
            row, target = sums[z, y], total[places[z], places[y]]
            for k in range(3):
                target[places_x[0], k] += half * row[0, k]
            for x in range(1, sums.shape[2]):
                for k in range(3):
                    target[places_x[x], k] += row[x, k]
