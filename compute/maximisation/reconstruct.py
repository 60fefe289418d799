"""Maps and unpadded transforms from the sums of back-projected images."""

import math

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
    for iz, target in enumerate(bins.tolist()):
        along_y = torch.zeros(shape[1], sums.shape[2], 3, device=sums.device)
        along_y.index_add_(0, bins, sums[iz])
        along_y[:, 0] *= 0.5
        total[target].index_add_(1, bins_x, along_y)
    mate = total[:, :, 0].flip(0, 1)
    mate[..., 1].neg_()
    total[:, :, 0] += mate
    numerator = torch.view_as_complex(total[1:-1, 1:-1, :-1, :2].contiguous())
    denominator = total[1:-1, 1:-1, :-1, 2]
    return torch.where(denominator > 0, numerator / denominator, 0.0)


def fsc_of_halves(
    first: Complex64[Tensor, "z y x"], second: Complex64[Tensor, "z y x"], shells: int
) -> Float64[Tensor, " shell"]:
    """Fourier shell correlation of two half transforms as `downsample` returns them.

    Σ Re(a b*) / √(Σ|a|² Σ|b|²) over the stored half, i = round(|k|), |k| ≤ radius; sums in float64. The first entry is
    1, shells beyond the radius and shells without power are 0.
    """
    radius = first.shape[2] - 1
    axis = torch.arange(-radius, radius + 1, device=first.device).double() ** 2
    in_plane = axis[:, None] + axis[None, radius:]
    sums = torch.zeros(3, max(shells, radius + 1), dtype=torch.float64, device=first.device)
    for iz in range(2 * radius + 1):
        length = (in_plane + axis[iz]).sqrt()
        is_inside = length <= radius
        shell = (length[is_inside] + 0.5).long()
        a = first[iz][is_inside].to(torch.complex128)
        b = second[iz][is_inside].to(torch.complex128)
        for row, term in enumerate(((a * b.conj()).real, a.abs() ** 2, b.abs() ** 2)):
            sums[row] += torch.bincount(shell, term, minlength=sums.shape[1])
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


def _quotient(
    accumulator: Accumulator,
    rows: slice,
    added: Float32[Tensor, " half"],
    floor: Float32[Tensor, " half"],
) -> Complex64[Tensor, "z y x"]:
    """Numerator over regularised denominator for some rows along y; 0 outside the radius and where nothing is known."""
    half = half_shells(accumulator, slice(None), rows)
    sums = accumulator.sums[:, rows]
    weight = torch.maximum(sums[..., 2] + added[half], floor[half])
    is_known = (half < 2 * accumulator.radius) & (weight > 0)
    inverse = torch.where(is_known, weight.reciprocal_(), 0.0)
    return torch.view_as_complex(sums[..., :2] * inverse[..., None])


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
    reach, origin = accumulator.padding * accumulator.radius, accumulator.origin
    padded = accumulator.padding * box
    device = accumulator.sums.device
    central = torch.arange(-box // 2, box // 2, device=device) % padded
    side = 2 * reach - 1
    along_z = torch.empty(box, side, reach, dtype=torch.complex64, device=device)
    first = origin - reach + 1
    for part in slabs(side, padded * reach):
        rows = slice(part.start + first, part.stop + first)
        quotient = _quotient(accumulator, rows, added, floor)[first : first + side, :, :reach]
        along_z[:, part] = _unpacked(quotient, padded, 0)[central]
    volume = torch.empty(box, box, box, device=device)
    for planes in slabs(box, padded * padded):
        both = _unpacked(along_z[planes], padded, 1)[:, central]
        real = torch.fft.irfft(both, n=padded, dim=2, norm="forward")
        volume[planes] = real[:, :, central] * (1 / (accumulator.padding**3 * box))
    return volume


def _unpacked(
    values: Complex64[Tensor, "z y x"], padded: int, axis: int
) -> Complex64[Tensor, "out_z out_y out_x"]:
    """Unnormalised inverse transform along one axis of centred frequencies, padded with zeros to the given length."""
    zero_at = values.shape[axis] // 2
    shape = list(values.shape)
    shape[axis] = padded
    spread = torch.zeros(shape, dtype=values.dtype, device=values.device)
    ahead = values.shape[axis] - zero_at
    spread.narrow(axis, 0, ahead).copy_(values.narrow(axis, zero_at, ahead))
    spread.narrow(axis, padded - zero_at, zero_at).copy_(values.narrow(axis, 0, zero_at))
    return torch.fft.ifft(spread, dim=axis, norm="forward")


def _finish_real_space(volume: Float32[Tensor, "z y x"], padding: int, mates: MateFalloff) -> None:
    """Replace the corners by the background mean, then divide by the falloff of linear interpolation; in place.

    The corners begin at radius box/2 with a raised-cosine edge. Beyond that edge only the constant is left, so the
    falloff is not followed further: at padding 1 it would amplify the background there fortyfold.
    """
    box = volume.shape[0]
    total = torch.zeros(2, dtype=torch.float64, device=volume.device)
    for planes in slabs(box, box * box):
        x, y, z = _squares(box, planes, volume.device)
        corner = _corner_weight((x + y + z).sqrt_(), box)
        total[0] += (corner * volume[planes]).sum(dtype=torch.float64)
        total[1] += corner.sum(dtype=torch.float64)
    background = float(total[0] / total[1])
    for planes in slabs(box, box * box):
        x, y, z = _squares(box, planes, volume.device)
        square = x + y + z
        corner = _corner_weight(square.sqrt(), box)
        falloff = damping(square.clamp_(max=(box / 2 + _EDGE) ** 2), box * padding)
        if not mates.is_none:
            of_mates = mates.at((x, y, z), box * padding)
            falloff *= torch.lerp(of_mates, torch.ones_like(corner), corner)
        volume[planes] = torch.lerp(
            volume[planes], torch.full_like(corner, background), corner
        ).div_(falloff)


def _squares(
    box: int, planes: slice, device: torch.device
) -> tuple[Float32[Tensor, "1 1 x"], Float32[Tensor, "1 y 1"], Float32[Tensor, "z 1 1"]]:
    """Squared distances in pixels along x, y, z from the centre of the box, for some of its planes."""
    axis = (torch.arange(box, device=device) - box // 2).float().square_()
    return axis[None, None], axis[None, :, None], axis[planes, None, None]


def _corner_weight(radius: Float32[Tensor, "z y x"], box: int) -> Float32[Tensor, "z y x"]:
    """0 inside the sphere of radius box/2, 1 more than an edge outside of it, a raised cosine between."""
    return 0.5 - 0.5 * torch.cos(math.pi * ((radius - box / 2) / _EDGE).clamp_(0, 1))


def _nearest(index: Tensor, padding: int) -> Tensor:
    """round(index / padding) with halves away from zero."""
    return index.sign() * ((2 * index.abs() + padding) // (2 * padding))
