"""Many images at once against orientations of their own: which kernels of a device do it, and what they share."""

from dataclasses import dataclass
from types import ModuleType

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from compute.expectation import pairs_torch
from compute.expectation.search import SharedTables
from compute.projection.availability import runs_triton
from compute.projection.slices import Accumulator


@dataclass(frozen=True, slots=True)
class Pairs:
    """Images with the orientations that they are compared at, in the order of the images.

    rows: of the fine or coarse grid that is searched, or of the lattice around each of an image's centres.
    """

    image: Int[Tensor, " pair"]
    rows: Int[Tensor, " pair"]
    rotations: Float[Tensor, "pair 3 3"]


def kernels_of(device: torch.device) -> ModuleType:
    """The kernels of a device."""
    if runs_triton(device):
        from compute.expectation import pairs_triton

        return pairs_triton
    return pairs_torch


def as_planes(values: Complex[Tensor, "image pixel"]) -> Float[Tensor, "image 2 pixel"]:
    """Real and imaginary parts of images, one after the other."""
    return torch.stack([values.real, values.imag], dim=1)


def scores(
    pairs: Pairs,
    weighted: Complex[Tensor, "image pixel"],
    strength: Float[Tensor, "image pixel"],
    phases: Float[Tensor, "translation 2 more_pixel"],
    tables: SharedTables,
    is_exact: bool,
) -> tuple[Float[Tensor, "pair translation"], Float[Tensor, " pair"]]:
    """Products of the shifted images with their slices, and the power of these: see `pairs_torch.scores`."""
    n = weighted.shape[1]
    found: tuple[Tensor, Tensor] = kernels_of(weighted.device).scores(
        tables.projector,
        pairs.rotations.contiguous(),
        pairs.image,
        (tables.pixels.model_x[:n], tables.pixels.model_y[:n]),
        as_planes(weighted),
        strength.contiguous(),
        phases,
        is_exact,
    )
    return found


def model_sums(
    pairs: Pairs,
    masked: Complex[Tensor, "image pixel"],
    shares: Float[Tensor, " pair"],
    means: Float[Tensor, "pair 2 more_pixel"],
    tables: SharedTables,
    fit: Float[Tensor, "image pixel"],
    model: Float[Tensor, "image pixel"],
) -> None:
    """Add posterior sums over the pairs of each image to fit and model: see `pairs_torch.model_sums`."""
    n = masked.shape[1]
    kernels_of(masked.device).model_sums(
        tables.projector,
        pairs.rotations.contiguous(),
        pairs.image,
        (tables.pixels.model_x[:n], tables.pixels.model_y[:n]),
        as_planes(masked),
        shares.contiguous(),
        means,
        fit,
        model,
    )


def put_back(
    pairs: Pairs,
    images: Complex[Tensor, "image pixel"],
    shares: Float[Tensor, " pair"],
    means: Float[Tensor, "pair 2 pixel"],
    weights: Float[Tensor, "image pixel"],
    tables: SharedTables,
    accumulator: Accumulator,
) -> None:
    """Add shifted images and their weights to an accumulator: see `pairs_torch.put_back`."""
    m = images.shape[1]
    kernels_of(images.device).put_back(
        accumulator.sums,
        accumulator.padding,
        pairs.rotations.contiguous(),
        pairs.image,
        (tables.pixels.model_x[:m], tables.pixels.model_y[:m]),
        as_planes(images),
        shares.contiguous(),
        means,
        weights.contiguous(),
    )
