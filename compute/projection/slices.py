"""Slices out of a projector, and images back into sums: one function each, whatever the device."""

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from compute.projection import kernels_cpu, kernels_torch, large_pages
from compute.projection.availability import runs_triton
from compute.projection.reference import (
    ON_DEVICE,
    AnyProjector,
    Projector,
    build_projector,
    grid_shape,
    packed,
    paired,
)


def build_for_slicing(volume: Float[Tensor, "z y x"], padding: int, size: int) -> AnyProjector:
    """The projector as the map's device slices it: see `PackedProjector`, `PairedProjector` and `build_projector`."""
    made = build_projector(volume, padding, size)
    if made.device.type == "cpu":
        return packed(made)
    return paired(made) if runs_triton(made.device) else made


@dataclass(frozen=True, slots=True)
class Accumulator:
    """Sums of back-projected images on the padded half grid; filled in place.

    sums: numerator (real, imaginary) and denominator; zero frequency at (origin, origin, 0).
    padding: how much finer the grid is than the map's Fourier lattice; radius: largest frequency held.
    """

    sums: Float[Tensor, "z y x 3"]
    padding: int
    radius: int

    @property
    def origin(self) -> int:
        """Index of the zero frequency along z and y."""
        return (self.sums.shape[0] - 1) // 2


def empty_accumulator(padding: int, radius: int, device: torch.device | str = "cpu") -> Accumulator:
    """An accumulator of zeros that holds frequencies up to `radius` of the map's Fourier index."""
    shape = (*grid_shape(padding, radius), 3)
    if torch.device(device).type == "cpu":
        return Accumulator(torch.from_numpy(large_pages.zeros(shape, np.float32)), padding, radius)
    sums = torch.zeros(*shape[:3], ON_DEVICE, device=device)[..., :3]
    return Accumulator(sums, padding, radius)


def device_kernels(device: torch.device) -> ModuleType:
    """The kernels of a device that is not the CPU."""
    if runs_triton(device):
        from compute.projection import kernels_triton

        return kernels_triton
    return kernels_torch


def sampled(projector: AnyProjector) -> kernels_cpu.PackedVolume:
    """A projector as the compiled kernels of the CPU take it."""
    kept = packed(projector)
    bits = kept.bricks.view(torch.uint16).numpy()
    return kernels_cpu.PackedVolume(bits, np.float32(kept.factor), kept.padding)


def slices(
    projector: AnyProjector,
    rotations: Float[Tensor, "orientation 3 3"],
    model_x: Float[Tensor, " pixel"],
    model_y: Float[Tensor, " pixel"],
) -> Float[Tensor, "orientation 2 pixel"]:
    """Central slices at image frequencies (model_x, model_y): the transform sampled at Aᵀ(kx, ky, 0).

    Frequencies must lie inside the projector's radius; linear interpolation between eight neighbours. On the CPU the
    neighbours are half floats: see `reference.PackedProjector`.
    """
    if runs_triton(rotations.device):
        from compute.projection import kernels_triton

        return kernels_triton.slices(paired(projector), rotations, model_x, model_y)
    if isinstance(projector, Projector) and rotations.device.type != "cpu":
        return kernels_torch.slices(
            projector.values, rotations, model_x, model_y, projector.padding
        )
    out = torch.empty(rotations.shape[0], 2, model_x.shape[0])
    kernels_cpu.slices(
        sampled(projector), rotations.numpy(), model_x.numpy(), model_y.numpy(), out.numpy()
    )
    return out


def insert(
    accumulator: Accumulator,
    rotations: Float[Tensor, "orientation 3 3"],
    model_x: Float[Tensor, " pixel"],
    model_y: Float[Tensor, " pixel"],
    values: Float[Tensor, "orientation 2 pixel"],
    weights: Float[Tensor, "orientation pixel"],
) -> None:
    """Add slices and their weights to the accumulator: the adjoint of `slices`, in place."""
    if rotations.device.type != "cpu":
        device_kernels(rotations.device).insert(
            accumulator.sums, rotations, model_x, model_y, accumulator.padding, values, weights
        )
        return
    count = len(rotations)
    shares, every = torch.ones(count), torch.arange(count)
    given = (rotations, model_x, model_y, values, shares, every, weights)
    _insert_on_host(kernels_cpu.insert, accumulator, *given)


def insert_images(
    accumulator: Accumulator,
    rotations: Float[Tensor, "orientation 3 3"],
    model_x: Float[Tensor, " pixel"],
    model_y: Float[Tensor, " pixel"],
    values: Float[Tensor, "orientation 2 pixel"],
    shares: Float[Tensor, " orientation"],
    image: Int[Tensor, " orientation"],
    weights: Float[Tensor, "image pixel"],
) -> None:
    """`insert` with the weight of each slice as that of its image times its share; on the CPU."""
    given = (rotations, model_x, model_y, values, shares, image, weights)
    _insert_on_host(kernels_cpu.insert_images, accumulator, *given)


def _insert_on_host(
    kernel: Callable[..., None],
    accumulator: Accumulator,
    rotations: Tensor,
    model_x: Tensor,
    model_y: Tensor,
    *weighted: Tensor,
) -> None:
    """Call a compiled kernel with arrays: weighted are values, shares, whose they are, and weights."""
    where = (rotations.numpy(), model_x.numpy(), model_y.numpy(), accumulator.padding)
    kernel(accumulator.sums.numpy(), *where, *(one.numpy() for one in weighted))
