"""The map of all images, which the first worker of half 1 makes from the sums of both halves."""

from typing import Any

import numpy as np

from compute.parallel import PerHalf, Team

# Planes of the sums that travel at once.
SLAB_PLANES = 32


def joined_map(team: Team, planes: int, ssnr: np.ndarray) -> dict[str, Any]:
    """The map of all images with its spectra, as `Half.joined_map` returns them.

    planes: how many the sums of each half have; those of half 2 are added to half 1's, which are needed no more.
    ssnr: joined signal-to-noise ratio per shell.
    """
    for start in range(0, planes, SLAB_PLANES):
        stop = min(start + SLAB_PLANES, planes)
        nothing, part = team.call_heads("planes", start=start, stop=PerHalf(start, stop))
        team.call_heads("add_planes", start=start, planes=PerHalf(part, nothing))
    joined: dict[str, Any] = team.call_heads("joined_map", ssnr=PerHalf(ssnr, None))[0]
    return joined
