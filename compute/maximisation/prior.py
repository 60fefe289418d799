"""Noise and signal power of a map per shell, and the low-resolution join of two half-sets."""

import numpy as np
import torch
from jaxtyping import Float32, Float64
from torch import Tensor

from compute.maximisation.shells import (
    at_half_shells,
    half_shell_sums,
    half_shells,
    on_host,
    slabs,
    sums_over_shells,
)
from compute.maximisation.shells_cpu import count_covered
from compute.projection.availability import runs_triton
from compute.projection.slices import Accumulator

_FSC_RANGE = (0.001, 0.999)
"""FSC values are kept in this range before they are turned into a signal-to-noise ratio (Scheres, J. Struct. Biol.
180, 519, 2012): a shell is never multiplied by less than about 0.001 nor trusted completely."""


def shell_weights(accumulator: Accumulator, shells: int) -> Float64[Tensor, " shell"]:
    """Mean denominator per shell round(|q|/padding) over |q| < padding·radius; 0 beyond the radius."""
    weight, count = half_shell_sums(accumulator)
    return sums_over_shells(weight, shells) / sums_over_shells(count, shells).clamp(min=1)


def reconstruction_noise(accumulator: Accumulator, shells: int) -> Float64[Tensor, " shell"]:
    """Noise power σ_V² of the map per shell: 1 / (padding³ · mean denominator).

    padding³ times the denominator is the accumulated inverse variance per voxel of the unpadded transform. Shells
    without any data get 0, so that the signal power derived from them is 0 as well.
    """
    inverse_variance = accumulator.padding**3 * shell_weights(accumulator, shells)
    return torch.where(inverse_variance > 0, 1 / inverse_variance, 0.0)


def signal_to_noise(
    fsc: Float64[Tensor, " shell"], is_joined: bool = False, tau2_fudge: float = 1.0
) -> Float64[Tensor, " shell"]:
    """Spectral signal-to-noise ratio T·f/(1−f) of a half map, f being the FSC between the halves.

    For the joined map f is first replaced by √(2f/(1+f)), the expected FSC between the joined map and the truth
    (Rosenthal & Henderson, J. Mol. Biol. 333, 721, 2003). T (`tau2_fudge`) enters here and nowhere else.
    """
    low, high = _FSC_RANGE
    correlation = fsc.clamp(low, high)
    if is_joined:
        correlation = (2 * correlation / (1 + correlation)).sqrt().clamp(max=high)
    return tau2_fudge * correlation / (1 - correlation)


def signal_power(
    ssnr: Float64[Tensor, " shell"], noise: Float64[Tensor, " shell"]
) -> Float64[Tensor, " shell"]:
    """Signal power τ² per shell: signal-to-noise ratio times the noise power of the map."""
    return ssnr * noise


def fourier_coverage(
    accumulator: Accumulator, prior_power: Float64[Tensor, " shell"]
) -> Float64[Tensor, " shell"]:
    """Fraction of the voxels of each shell whose data outweigh the prior: padding³ · denominator · τ² ≥ 1."""
    halves, shells = 2 * accumulator.radius, prior_power.shape[0]
    needed = 1 / (accumulator.padding**3 * at_half_shells(prior_power, halves).clamp(min=0))
    if needed.device.type == "cpu":
        covered, count = (torch.from_numpy(one) for one in np.zeros((2, halves)))
        count_covered(*on_host(accumulator), needed.numpy(), covered.numpy(), count.numpy())
    elif runs_triton(needed.device):
        from compute.maximisation import shells_triton

        given = accumulator.sums[..., 2], accumulator.padding, needed
        _, covered, count = shells_triton.add_half_shells(*given)
    else:
        covered, count = covered_torch(accumulator, needed)
    return sums_over_shells(covered, shells) / sums_over_shells(count, shells).clamp(min=1)


def covered_torch(
    accumulator: Accumulator, needed: Float64[Tensor, " half"]
) -> tuple[Float64[Tensor, " half"], Float64[Tensor, " half"]]:
    """Voxels whose denominator reaches what is needed in their half shell, and all voxels of it: the definition."""
    bins = len(needed) + 1
    side, rows, length = accumulator.sums.shape[:3]
    covered = torch.zeros(bins, dtype=torch.float64, device=needed.device)
    count, needed = torch.zeros_like(covered), torch.cat([needed, needed[-1:]])
    for planes in slabs(side, rows * length):
        index = half_shells(accumulator, planes, slice(None))
        is_covered = accumulator.sums[planes, :, :, 2] >= needed[index]
        covered += torch.bincount(index[is_covered], minlength=bins)
        count += torch.bincount(index.reshape(-1), minlength=bins)
    return covered[:-1], count[:-1]


def low_resolution_part(accumulator: Accumulator, shell: int) -> Float32[Tensor, "z y x 3"]:
    """Copy of the sums with |q| ≤ padding·shell as a compact half cube, its zero frequency at (c, c, 0).

    The side is 2c + 1 with c = padding·shell; corners outside the sphere are 0, so that the cubes of two half-sets can
    be averaged as they are. A shell beyond the accumulator's radius counts as the radius.
    """
    reach = accumulator.padding * min(shell, accumulator.radius)
    part = _inner(accumulator, reach).clone()
    part[~_sphere(reach, part.device)] = 0.0
    return part


def join_low_resolution(accumulator: Accumulator, average: Float32[Tensor, "z y x 3"]) -> None:
    """Replace the sums at low frequencies by `average`, a cube as `low_resolution_part` returns it; in place.

    Given the mean of the two half-sets' cubes, both keep one common frame and hand (Scheres & Chen, Nat. Methods 9,
    853, 2012, keep the halves together in the same way by starting from one low-pass filtered map).
    """
    reach = average.shape[2] - 1
    if reach > accumulator.padding * accumulator.radius:
        raise ValueError(
            f"the averaged cube reaches {reach} padded voxels but the accumulator holds "
            f"{accumulator.padding * accumulator.radius}: take the part from accumulators of this size"
        )
    is_inside = _sphere(reach, average.device)
    _inner(accumulator, reach)[is_inside] = average[is_inside]


def add_accumulators(target: Accumulator, *others: Accumulator) -> None:
    """Add the sums of the others to the target, in place.

    The addition runs in float64 and in the order given, and is rounded to float32 once, so that the sum of many
    workers' contributions loses no more precision than each of them had.
    """
    for other in others:
        if other.sums.shape != target.sums.shape or other.padding != target.padding:
            raise ValueError(
                f"sums of shape {tuple(other.sums.shape)}, padding {other.padding}, cannot be added to "
                f"{tuple(target.sums.shape)}, padding {target.padding}: sizes must be equal"
            )
    side, rows, length = target.sums.shape[:3]
    for planes in slabs(side, rows * length * 3):
        total = target.sums[planes].double()
        for other in others:
            total += other.sums[planes].to(total.device)
        target.sums[planes] = total.float()


def _inner(accumulator: Accumulator, reach: int) -> Float32[Tensor, "z y x 3"]:
    """View of the sums with |q_z|, |q_y|, q_x ≤ reach."""
    window = slice(accumulator.origin - reach, accumulator.origin + reach + 1)
    return accumulator.sums[window, window, : reach + 1]


def _sphere(reach: int, device: torch.device) -> Tensor:
    """Whether |q| ≤ reach, for a half cube of that extent."""
    axis = torch.arange(-reach, reach + 1, device=device) ** 2
    return axis[:, None, None] + axis[None, :, None] + axis[None, None, reach:] <= reach**2
