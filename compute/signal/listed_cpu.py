"""The listed pixels of transforms, compiled for the CPU."""

from typing import no_type_check

import numpy as np

from compute.compiled import compiled


@compiled(fastmath=True)
@no_type_check
def fill_listed(transforms, index, factor, out):
    """Fill out [image, pixel] with the values of transforms [image, place] at places `index`, times factor [pixel]."""
    for i in range(out.shape[0]):
        for p in range(out.shape[1]):
            value = transforms[i, index[p]]
            out[i, p] = np.complex64(complex(value.real * factor[p], value.imag * factor[p]))
