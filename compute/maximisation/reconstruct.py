"""Maps and unpadded transforms from the sums of back-projected images."""

import math

import numpy as np
import torch
from jaxtyping import Complex64, Float32, Float64
from torch import Tensor

from compute.maximisation.falloff import NO_MATES, MateFalloff, damping
from compute.maximisation.shells import (
    at_half_shells,
    half_shell_sums,
    half_shells,
    slabs,
    sums_over_shells,
)
from compute.maximisation.shells_cpu import divide, gather
from compute.projection.slices import Accumulator

_WEIGHT_FLOOR = 1 / 1000
"""A voxel counts at least this fraction of the mean weight of its shell: poorly sampled voxels are amplified at most
a thousandfold."""

_STRONGEST_PRIOR = 1000.0
"""Prior weight, relative to the mean weight of the shell, where the signal power is zero; the same as SSNR = 0.001."""

_EDGE = 3.0
"""Width in pixels of the soft edge that removes the corners of the box."""


def reconstruct(
    accumulator: Accumulator,
    box: int,
    prior_power: Float64[Tensor, " shell"] | None = None,
    minimum_shell: int = 5,
    mates: MateFalloff = NO_MATES,
) -> Float32[Tensor, "z y x"]:
    """The map of the given box from the sums: numerator over regularised denominator, back in real space.

    W' = W + 1/(padding³ τ²(i)) from shell `minimum_shell` on (Wiener filter, Scheres, J. Struct. Biol. 180, 519, 2012,
    with the accumulated inverse variance padding³·W per unpadded voxel); W' is at least a thousandth of its mean over
    the shell floor(|q|/padding). Only |q| < padding·radius is used. Corners are replaced by the background mean and
    the falloff of linear interpolation, sinc²(r / (box·padding)), is divided out.

    prior_power: signal power τ² per shell, its last entry serving all further shells; None leaves W unregularised, as
    for half-maps that are judged without any filter.
    mates: the further falloff of a point group that was applied to the sums, divided out as well.
    The accumulator is not changed. Beyond it and the result, peak memory is that of the transform after its first
    axis, box · (2·padding·radius)² / 2 complex numbers, and a few slabs.
    Raises ValueError when the box is odd or too small for the accumulator's radius.
    """
    if box % 2 or box < 2 * accumulator.radius:
        raise ValueError(
            f"a map of box {box} cannot be reconstructed from frequencies up to {accumulator.radius}: "
            f"the box must be even and at least {2 * accumulator.radius}"
        )
    added, floor = _regularisation(accumulator, prior_power, minimum_shell)
    volume = _central_part(accumulator, box, added, floor)
    _finish_real_space(volume, accumulator.padding, mates)
    return volume


def downsample(accumulator: Accumulator) -> Complex64[Tensor, "z y x"]:
    """Unpadded half transform up to the accumulator's radius r: numerator over denominator, both summed first.

    Every padded voxel q goes to round(q/padding), halves away from zero, which is symmetric under q → −q. The result is
    a compact half cube of side 2r + 1 and x length r + 1, its zero frequency at (r, r, 0); 0 where there are no data.
    On the plane x = 0 every voxel is joined by its Friedel mate, half of which is not stored when padding > 2.
    """
    padding, radius, origin = accumulator.padding, accumulator.radius, accumulator.origin
    sums = accumulator.sums
    bins = _nearest(torch.arange(-origin, origin + 1, device=sums.device), padding) + radius + 1
    bins_x = _nearest(torch.arange(sums.shape[2], device=sums.device), padding)
    shape = (2 * radius + 3, 2 * radius + 3, radius + 2)
    total = torch.zeros(*shape, 3, device=sums.device)
    if sums.device.type == "cpu":
        gather(*(one.numpy() for one in (sums, bins, bins_x, total)))
    else:
        gather_torch(sums, bins, bins_x, total)
    mate = total[:, :, 0].flip(0, 1)
    mate[..., 1].neg_()
    total[:, :, 0] += mate
    numerator = torch.view_as_complex(total[1:-1, 1:-1, :-1, :2].contiguous())
    denominator = total[1:-1, 1:-1, :-1, 2]
    return torch.where(denominator > 0, numerator / denominator, 0.0)


def gather_torch(sums: Tensor, bins: Tensor, bins_x: Tensor, total: Tensor) -> None:
    """Add sums to total, as `shells_cpu.gather` does, on any device: the definition."""
    for iz, target in enumerate(bins.tolist()):
        along_y = torch.zeros(total.shape[1], sums.shape[2], 3, device=sums.device)
        along_y.index_add_(0, bins, sums[iz])
        along_y[:, 0] *= 0.5
        total[target].index_add_(1, bins_x, along_y)


def fsc_of_halves(
    first: Complex64[Tensor, "z y x"], second: Complex64[Tensor, "z y x"], shells: int
) -> Float64[Tensor, " shell"]:
    """Fourier shell correlation of two half transforms as `downsample` returns them.

    Σ Re(a b*) / √(Σ|a|² Σ|b|²) over the stored half, i = round(|k|), |k| ≤ radius; sums in float64. The first entry is
    1, shells beyond the radius and shells without power are 0.
    """
    side, _, length = first.shape
    radius = length - 1
    axis = torch.arange(-radius, radius + 1, device=first.device).double() ** 2
    in_plane = axis[:, None] + axis[None, radius:]
    sums = torch.zeros(3, max(shells, radius + 1), dtype=torch.float64, device=first.device)
    for planes in slabs(side, side * length):
        distance = (in_plane + axis[planes, None, None]).sqrt_()
        is_inside = distance <= radius
        shell = (distance[is_inside] + 0.5).long()
        a, b = (torch.view_as_real(one[planes][is_inside]).double() for one in (first, second))
        for row, (one, other) in enumerate(((a, b), (a, a), (b, b))):
            product = one[:, 0] * other[:, 0] + one[:, 1] * other[:, 1]
            sums[row] += torch.bincount(shell, product, minlength=sums.shape[1])
    norm = (sums[1] * sums[2]).sqrt()
    curve = torch.where(norm > 0, sums[0] / norm.clamp(min=torch.finfo(torch.float64).tiny), 0.0)
    curve[0] = 1.0
    return curve[:shells]


def flatten(
    volume: Float32[Tensor, "z y x"], mask: Float32[Tensor, "mask_z mask_y mask_x"]
) -> Float32[Tensor, "z y x"]:
    """The map times a soft solvent mask. Raises ValueError for another shape or values outside [0, 1]."""
    if mask.shape != volume.shape:
        raise ValueError(
            f"the solvent mask has shape {tuple(mask.shape)} but the map has {tuple(volume.shape)}: they must agree"
        )
    low, high = float(mask.min()), float(mask.max())
    if low < 0 or high > 1:
        raise ValueError(
            f"the solvent mask has values from {low:g} to {high:g}: they must lie in [0, 1]"
        )
    return volume * mask


def _regularisation(
    accumulator: Accumulator, prior_power: Float64[Tensor, " shell"] | None, minimum_shell: int
) -> tuple[Float32[Tensor, " half"], Float32[Tensor, " half"]]:
    """Weight added by the prior and least weight allowed, per half shell (the last: outside, both 0)."""
    weight, count = half_shell_sums(accumulator)
    added = torch.zeros_like(weight)
    if prior_power is not None:
        shells = accumulator.radius + 1
        mean = sums_over_shells(weight, shells) / sums_over_shells(count, shells).clamp(min=1)
        power = at_half_shells(prior_power.to(weight.device), weight.shape[0])
        strongest = _STRONGEST_PRIOR * at_half_shells(mean, weight.shape[0])
        added = torch.where(power > 0, 1 / (accumulator.padding**3 * power), strongest)
        added[: max(0, 2 * minimum_shell - 1)] = 0.0
    regularised = (weight + count * added).view(-1, 2).sum(1) / count.view(-1, 2).sum(1).clamp(
        min=1
    )
    floor = (regularised * _WEIGHT_FLOOR).repeat_interleave(2)
    outside = torch.zeros(1, dtype=torch.float64, device=weight.device)
    return torch.cat([added, outside]).float(), torch.cat([floor, outside]).float()


def _central_part(
    accumulator: Accumulator,
    box: int,
    added: Float32[Tensor, " half"],
    floor: Float32[Tensor, " half"],
) -> Float32[Tensor, "z y x"]:
    """Inverse transform on the padded grid, of which only the central box is ever kept.

    Each axis is padded when its turn comes: z for slabs of rows, then y and x together for slabs of planes. With the
    transform normalised like an image's (1/box²), the map is box²/(padding·box)³ times the plain Fourier sum.
    """
    reach, padded = accumulator.padding * accumulator.radius, accumulator.padding * box
    device = accumulator.sums.device
    side = 2 * reach - 1
    along_z = torch.empty(box, side, reach, dtype=torch.complex64, device=device)
    first = accumulator.origin - reach + 1
    for part in slabs(side, padded * reach):
        rows = slice(part.start + first, part.stop + first)
        quotient = _quotient(accumulator, rows, padded, added, floor)
        _keep_centre(torch.fft.ifft(quotient, dim=0, norm="forward"), along_z[:, part], 0)
    volume = torch.empty(box, box, box, device=device)
    for planes in slabs(box, padded * padded):
        along_y = torch.fft.ifft(_padded(along_z[planes], padded), dim=1, norm="forward")
        both = along_y.new_empty(len(along_y), box, reach)
        _keep_centre(along_y, both, 1)
        real = torch.fft.irfft(both, n=padded, dim=2, norm="forward")
        _keep_centre(real, volume[planes], 2)
    return volume.mul_(1 / (accumulator.padding**3 * box))


def _quotient(
    accumulator: Accumulator,
    rows: slice,
    padded: int,
    added: Float32[Tensor, " half"],
    floor: Float32[Tensor, " half"],
) -> Complex64[Tensor, "padded y x"]:
    """Numerator over regularised denominator for some rows along y, padded along z with its zero frequency in front.

    0 outside the radius and where nothing is known; frequencies x below padding · radius.
    """
    if accumulator.sums.device.type != "cpu":
        return quotient_torch(accumulator, rows, padded, added, floor)
    spread = np.zeros(
        (padded, rows.stop - rows.start, accumulator.padding * accumulator.radius, 2), np.float32
    )
    place = (accumulator.origin, accumulator.padding, rows.start)
    divide(accumulator.sums.numpy(), *place, added[:-1].numpy(), floor[:-1].numpy(), spread)
    return torch.view_as_complex(torch.from_numpy(spread))


def quotient_torch(
    accumulator: Accumulator,
    rows: slice,
    padded: int,
    added: Float32[Tensor, " half"],
    floor: Float32[Tensor, " half"],
) -> Complex64[Tensor, "padded y x"]:
    """The same on any device: the definition. The last entries of the tables are those of all that is outside."""
    sums, reach = accumulator.sums[:, rows], accumulator.padding * accumulator.radius
    half = half_shells(accumulator, slice(None), rows)
    weight = torch.maximum(sums[..., 2] + added[half], floor[half])
    is_known = (half < 2 * accumulator.radius) & (weight > 0)
    inverse = torch.where(is_known, weight.reciprocal_(), 0.0)
    known = torch.view_as_complex(sums[..., :2] * inverse[..., None])
    inner = slice(accumulator.origin - reach + 1, accumulator.origin + reach)
    return _padded(known[inner, :, :reach].transpose(0, 1), padded).transpose(0, 1)


def _padded(values: Complex64[Tensor, "z y x"], padded: int) -> Complex64[Tensor, "z padded x"]:
    """Centred frequencies along y with zeros between them, the zero frequency in front."""
    planes, count, length = values.shape
    zero_at = count // 2
    spread = values.new_zeros(planes, padded, length)
    spread[:, : count - zero_at] = values[:, zero_at:]
    spread[:, padded - zero_at :] = values[:, :zero_at]
    return spread


def _keep_centre(values: Tensor, out: Tensor, axis: int) -> None:
    """Copy the centre of the padded box along one axis, whose origin is in front, to where it is in the middle."""
    before = out.shape[axis] // 2
    after = out.shape[axis] - before
    out.narrow(axis, 0, before).copy_(values.narrow(axis, values.shape[axis] - before, before))
    out.narrow(axis, before, after).copy_(values.narrow(axis, 0, after))


def _finish_real_space(volume: Float32[Tensor, "z y x"], padding: int, mates: MateFalloff) -> None:
    """Replace the corners by the background mean, then divide by the falloff of linear interpolation; in place.

    The corners begin at radius box/2 with a raised-cosine edge. Beyond that edge only the constant is left, so the
    falloff is not followed further: at padding 1 it would amplify the background there fortyfold. Both are looked up
    by the squared radius, which is a whole number.
    """
    box, device = volume.shape[0], volume.device
    axis = (torch.arange(box, device=device) - box // 2).square_()
    squared = torch.arange(3 * (box // 2) ** 2 + 1, device=device).float()
    corners = _corner_weight(squared.sqrt(), box)
    falloffs = damping(squared.clamp(max=(box / 2 + _EDGE) ** 2), box * padding)
    total = torch.zeros(2, dtype=torch.float64, device=device)
    for planes in slabs(box, box * box):
        corner = corners.take(axis[planes, None, None] + axis[:, None] + axis)
        total[0] += (corner * volume[planes]).sum(dtype=torch.float64)
        total[1] += corner.sum(dtype=torch.float64)
    background = float(total[0] / total[1])
    for planes in slabs(box, box * box):
        square = axis[planes, None, None] + axis[:, None] + axis
        corner, falloff = corners.take(square), falloffs.take(square)
        if not mates.is_none:
            along = axis[None, None], axis[None, :, None], axis[planes, None, None]
            of_mates = mates.at(tuple(one.float() for one in along), box * padding)
            falloff *= torch.lerp(of_mates, torch.ones_like(corner), corner)
        constant = torch.full_like(corner, background)
        volume[planes] = torch.lerp(volume[planes], constant, corner).div_(falloff)


def _corner_weight(radius: Float32[Tensor, "..."], box: int) -> Float32[Tensor, "..."]:
    """0 inside the sphere of radius box/2, 1 more than an edge outside of it, a raised cosine between."""
    return 0.5 - 0.5 * torch.cos(math.pi * ((radius - box / 2) / _EDGE).clamp_(0, 1))


def _nearest(index: Tensor, padding: int) -> Tensor:
    """round(index / padding) with halves away from zero."""
    return index.sign() * ((2 * index.abs() + padding) // (2 * padding))
