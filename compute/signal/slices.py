"""Slices of maps as grey values, and slices of filtered maps straight from their transform."""

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Complex, Float, Float32, Int32, UInt8
from torch import Tensor

Axis = Literal["x", "y", "z"]


def slice_of(volume: Float[Tensor, "z y x"], axis: Axis, index: int) -> Float[Tensor, "row column"]:
    """The slice at one x (rows z, columns y), one y (rows z, columns x) or one z (rows y, columns x)."""
    return volume.select({"z": 0, "y": 1, "x": 2}[axis], index)


def grey(
    values: Float[Tensor, "row column"], low: float, high: float
) -> UInt8[Tensor, "row column"]:
    """Grey values: 0 at `low` and below, 255 at `high` and above, linear between."""
    scale = 255.0 / (high - low) if high > low else 0.0
    return ((values - low) * scale).round().clamp(0.0, 255.0).to(torch.uint8)


def squared_radius(box: int) -> Int32[Tensor, "z y xhalf"]:
    """|k|^2, a whole number, of each value of a half transform."""
    whole = torch.arange(box, dtype=torch.int32)
    whole = torch.where(whole > box // 2, whole - box, whole).square()
    half = torch.arange(box // 2 + 1, dtype=torch.int32).square()
    return whole[:, None, None] + whole[:, None] + half


def filtered_slices(
    transform: Complex[Tensor, "z y xhalf"],
    weight: Float32[Tensor, "z y xhalf"],
    places: Sequence[tuple[Axis, int]],
) -> list[Float32[Tensor, "row column"]]:
    """Slices of the map whose transform (zero frequency its sum) is `transform` times `weight`.

    One axis is summed with the phases of the place, so that only two dimensions are transformed back.
    """
    box = transform.shape[0]
    weighted = transform * weight
    found = []
    for axis, index in places:
        length = weighted.shape[{"z": 0, "y": 1, "x": 2}[axis]]
        turns = torch.arange(length, dtype=torch.float64) * index / box
        phases = torch.polar(torch.ones_like(turns), 2 * torch.pi * turns).to(weighted.dtype) / box
        if axis == "z":
            plane = (phases @ weighted.reshape(box, -1)).reshape(box, -1)
            found.append(torch.fft.irfft2(plane, s=(box, box)))
        elif axis == "y":
            found.append(torch.fft.irfft2(torch.matmul(phases, weighted), s=(box, box)))
        else:
            phases[1 : (box + 1) // 2] *= 2  # the other half of x, by its symmetry
            found.append(torch.fft.ifft2(weighted @ phases).real)
    return found
