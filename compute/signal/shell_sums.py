"""Sums of products of two transforms over shells, compiled: what an FSC of a large box spends its time on."""

from functools import lru_cache
from typing import no_type_check

import numpy as np
import torch
from jaxtyping import Complex, Float64, Int64
from torch import Tensor

from compute.compiled import compiled
from compute.signal.fourier import radial_frequency

KEPT_BOX = 160
"""The largest box whose shells are kept for the next map, in at most 17 MB: a third of the time of a small curve."""


def products_torch(
    first: Complex[Tensor, "z y xhalf"], second: Complex[Tensor, "z y xhalf"], shells: int
) -> Float64[Tensor, "3 shell"]:
    """Sums over shells round(|k|) of Re(F1 F2*), |F1|^2 and |F2|^2, on any device: the definition."""
    find = _kept_shells if first.shape[0] <= KEPT_BOX else _shells
    shell = find(first.shape[0], shells, first.device)
    values = (
        first.real * second.real + first.imag * second.imag,
        first.real.square() + first.imag.square(),
        second.real.square() + second.imag.square(),
    )
    return torch.stack(
        [
            torch.bincount(shell, one.double().flatten(), minlength=shells + 1)[:shells]
            for one in values
        ]
    )


def _shells(box: int, shells: int, device: torch.device) -> Int64[Tensor, " value"]:
    """The shell of every value of a transform, `shells` beyond them."""
    radius = radial_frequency(box, 3, device)
    return (radius + 0.5).long().clamp_(max=shells).flatten()


_kept_shells = lru_cache(maxsize=1)(_shells)


def products_compiled(
    first: Complex[Tensor, "z y xhalf"], second: Complex[Tensor, "z y xhalf"], shells: int
) -> Float64[Tensor, "3 shell"]:
    """The same on the CPU in one pass, without arrays of the transforms' size."""
    sums = np.zeros((3, shells))
    parts = (torch.view_as_real(one.resolve_conj()).numpy() for one in (first, second))
    _products(*parts, shells, sums)
    return torch.from_numpy(sums)


@compiled(fastmath=False)
@no_type_check
def _products(first, second, shells, sums):
    """Add up sums[3, shell] from transforms [z, y, x, 2]."""
    box = first.shape[0]
    for z in range(box):
        kz = z if z <= box // 2 else z - box
        for y in range(box):
            ky = y if y <= box // 2 else y - box
            rest = kz * kz + ky * ky
            for x in range(first.shape[2]):
                shell = int(np.sqrt(rest + x * x) + 0.5)
                if shell >= shells:
                    break
                a, b = np.float64(first[z, y, x, 0]), np.float64(first[z, y, x, 1])
                c, d = np.float64(second[z, y, x, 0]), np.float64(second[z, y, x, 1])
                sums[0, shell] += a * c + b * d
                sums[1, shell] += a * a + b * b
                sums[2, shell] += c * c + d * d
