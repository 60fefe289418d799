"""Sums of products of two transforms over shells, compiled: what an FSC of a large box spends its time on."""

from functools import lru_cache
from typing import no_type_check

import numpy as np
import torch
from jaxtyping import Complex, Float64, Int64
from torch import Tensor

from compute.compiled import compiled
from compute.signal.fourier import radial_frequency

COMPILED_FROM_BOX = 160
"""Smaller transforms are summed before the compiled sums are loaded."""
KEPT_BOX = 160
"""The largest box whose shells are kept for the next map, in at most 17 MB: a third of the time of a small curve."""
SLAB_VALUES = 1 << 16
"""So many values are summed at a time on the CPU, in half the time: what lies between stays in the cache."""


def products_torch(
    first: Complex[Tensor, "z y xhalf"], second: Complex[Tensor, "z y xhalf"], shells: int
) -> Float64[Tensor, "3 shell"]:
    """Sums over shells round(|k|) of Re(F1 F2*), |F1|^2 and |F2|^2, on any device: the definition."""
    box, is_on_host = first.shape[0], first.device.type == "cpu"
    find = _kept_shells if box <= KEPT_BOX else _shells
    shell = find(box, shells, first.device)
    step = max(1, SLAB_VALUES // shell[0].numel()) if is_on_host else box
    sums = torch.zeros(3, shells + 1, dtype=torch.float64, device=first.device)
    for start in range(0, box, step):
        index, one, other = (
            part[start : start + step].flatten() for part in (shell, first, second)
        )
        values = (
            one.real * other.real + one.imag * other.imag,
            one.real.square() + one.imag.square(),
            other.real.square() + other.imag.square(),
        )
        for total, value in zip(sums, values, strict=True):
            total += torch.bincount(index, value.double(), minlength=shells + 1)
    return sums[:, :shells]


def mean_power(transform: Complex[Tensor, "z y xhalf"], shells: int) -> Float64[Tensor, "shell"]:
    """The mean of |F|² over the stored values of each shell round(|k|); 0 where there are none."""
    sums, ones = shell_products(transform, transform, shells)[1], torch.ones_like(transform)
    return sums / shell_products(ones, ones, shells)[1].clamp(min=1)


def shell_products(
    first: Complex[Tensor, "z y xhalf"], second: Complex[Tensor, "z y xhalf"], shells: int
) -> Float64[Tensor, "3 shell"]:
    """Sums over shells round(|k|) of Re(F1 F2*), |F1|^2 and |F2|^2, by what is quickest for the box and its device."""
    is_large = first.device.type == "cpu" and first.shape[0] > COMPILED_FROM_BOX
    return (products_compiled if is_large else products_torch)(first, second, shells)


def _shells(box: int, shells: int, device: torch.device) -> Int64[Tensor, "z y xhalf"]:
    """The shell of every value of a transform, `shells` beyond them."""
    radius = radial_frequency(box, 3, device)
    return (radius + 0.5).long().clamp_(max=shells)


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
