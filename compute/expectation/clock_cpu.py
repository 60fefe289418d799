"""The time, as compiled functions tell it: they measure parts of what they do that others ask about."""

import time
from typing import no_type_check

import numpy as np
from numba import types

from compute.compiled import compiled

_clock_gettime = types.ExternalFunction("clock_gettime", types.intc(types.intc, types.voidptr))
_STEADY = time.CLOCK_MONOTONIC


@compiled(fastmath=False)
@no_type_check
def seconds():
    """Seconds since some moment: those of `time.monotonic`."""
    now = np.empty(2, np.int64)
    _clock_gettime(_STEADY, now.ctypes)
    return np.float64(now[0]) + 1e-9 * np.float64(now[1])
