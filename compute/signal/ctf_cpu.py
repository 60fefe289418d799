"""The CTF compiled for the CPU: what `ctf.ctf` defines, without an array for every step of it."""

import math
from typing import no_type_check

import numpy as np

from compute.compiled import compiled

_PI, _PER_PI = math.pi, 1.0 / math.pi
# The sine within a quarter turn of zero by its series: what follows is less than 7e-10.
_S3, _S5, _S7 = -1 / 6, 1 / 120, -1 / 5040
_S9, _S11, _S13 = 1 / 362880, -1 / 39916800, 1 / 6227020800


@compiled(fastmath=False)
@no_type_check
def fill_ctf(
    forms, common, defocus, phase, b_factor, scale, smallest, keeps_peak, is_only_sign, out
):
    """Fill out [image, pixel] with the CTF from gamma = common [pixel] + defocus [image, 3] · forms [3, pixel] - phase.

    Lengths Å, angles radians; the first form is the squared frequency. smallest: the size that smaller values get, and
    all of them where is_only_sign. keeps_peak: whether the first peak is left at one.
    """
    for i in range(out.shape[0]):
        mean, along, across = defocus[i, 0], defocus[i, 1], defocus[i, 2]
        for p in range(out.shape[1]):
            gamma = common[p] + mean * forms[0, p] + along * forms[1, p] + across * forms[2, p]
            gamma -= phase[i]
            turns = np.floor(gamma * _PER_PI + 0.5)
            x = gamma - turns * _PI
            square = x * x
            series = _S9 + square * (_S11 + square * _S13)
            series = square * (_S3 + square * (_S5 + square * (_S7 + square * series)))
            sign = 4.0 * (0.5 * turns - np.floor(0.5 * turns)) - 1.0
            contrast = sign * (x + x * series)
            if keeps_peak and abs(gamma) < 0.5 * _PI:
                contrast = 1.0
            out[i, p] = scale[i] * contrast
        if b_factor[i] != 0.0:
            for p in range(out.shape[1]):
                out[i, p] *= math.exp(-0.25 * b_factor[i] * forms[0, p])
        for p in range(out.shape[1]):
            is_small = is_only_sign or abs(out[i, p]) < smallest
            flat = smallest if out[i, p] >= 0 else -smallest
            out[i, p] = flat if is_small else out[i, p]
