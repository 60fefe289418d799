"""A transformed slab put into its projector, compiled for the CPU. What it computes is `reference.place_torch`."""

from typing import no_type_check

import numpy as np

from compute.compiled import compiled


@compiled(fastmath=False)
@no_type_check
def place(transform, phase, factor, first_x, values):
    """Frequencies of transform[z, y, x, 2] times phase[z, 2] and a factor into values[z, y, x, 2], inside its sphere.

    The zero frequency of the transform is in front along z and in the middle along y; x begins with the frequency
    first_x. Values outside the sphere are left as they are.
    """
    padded = transform.shape[0]
    extent = transform.shape[1] // 2
    for z in range(-extent, extent + 1):
        real, imaginary = factor * phase[z % padded, 0], factor * phase[z % padded, 1]
        for y in range(-extent, extent + 1):
            rest = extent * extent - z * z - y * y
            if rest < first_x * first_x:
                continue
            last = min(int(np.sqrt(rest) + 1e-9) + 1 - first_x, transform.shape[2])
            row = transform[z % padded, y + extent]
            out = values[z + extent + 1, y + extent + 1, first_x:]
            for x in range(last):
                out[x, 0] = row[x, 0] * real - row[x, 1] * imaginary
                out[x, 1] = row[x, 0] * imaginary + row[x, 1] * real
