"""The FSC of two half-maps by direction: curves of cones in Fourier space, and what they say of anisotropy.

A cone holds the frequencies within an angle of a direction or of its opposite, so half the sphere of
directions says all. Conical FSC: Tan et al. 2017, Nature Methods 14, 793. The measure of anisotropy is
the ratio of the smallest to the largest area under the curves of all directions; the area of a curve is
its sum over shells from 1 to the last one before it first falls below 0.143, after it was made
non-increasing by weighted least squares: a cone's first shells hold few values, whose noise must not end it.
"""

import math
from collections.abc import Iterator

import torch
from jaxtyping import Bool, Complex, Float, Float64
from torch import Tensor

from compute.signal.fourier import radial_frequency
from compute.signal.local_resolution import non_increasing

FEWEST_VALUES = 10
"""A shell of a cone with fewer values than this takes the correlation of the whole shell."""
THRESHOLD = 0.143
ROUNDING = 1e-6
EMPTY = 1e-8
"""Power below this part of its shell's mean is what float32 has left of zero; noise falls below it once in 10^8."""
ANISOTROPIC_BELOW = 0.5


def directional_fsc(
    first: Complex[Tensor, "z y xhalf"],
    second: Complex[Tensor, "z y xhalf"],
    directions: Float[Tensor, "direction 3"],
    half_angle_deg: float,
    whole: Float64[Tensor, "shell"],
    is_empty: Bool[Tensor, "z y xhalf"] | None = None,
) -> Iterator[Float64[Tensor, "shell"]]:
    """The curve of each direction, a unit vector (x, y, z), one after the other.

    `whole` is the FSC of whole shells, which stands where a cone holds next to nothing. `is_empty` are frequencies
    at which nothing was measured: they agree about nothing, whatever a mask has spread into them.
    """
    box, shells = first.shape[0], len(whole)
    radius = radial_frequency(box, 3, first.device)
    shell = (radius + 0.5).long()
    places = torch.nonzero(((shell > 0) & (shell < shells)).flatten())[:, 0]
    flat = [one.flatten()[places] for one in (first, second)]
    product = (flat[0] * flat[1].conj()).real
    powers = [one.abs().square() for one in flat]
    shell, radius = shell.flatten()[places], radius.flatten()[places]
    empty = None if is_empty is None else is_empty.flatten()[places].double()
    x = (places % (box // 2 + 1)).float()
    rest = torch.div(places, box // 2 + 1, rounding_mode="floor")
    y, z = rest % box, torch.div(rest, box, rounding_mode="floor")
    y, z = (torch.where(one > box // 2, one - box, one).float() for one in (y, z))
    limit = (math.cos(math.radians(half_angle_deg)) - ROUNDING) * radius
    for direction in directions.float():
        along = (x * direction[0] + y * direction[1] + z * direction[2]).abs()
        inside = torch.nonzero(along >= limit)[:, 0]
        where = shell[inside]
        sums = [
            torch.bincount(where, one[inside].double(), minlength=shells)
            for one in (product, *powers)
        ]
        counts = torch.bincount(where, minlength=shells)
        power = (sums[1] * sums[2]).sqrt()
        curve = torch.where(power > 0, sums[0] / power.where(power > 0, 1.0), 0.0)
        if empty is not None:
            missing = torch.bincount(where, empty[inside], minlength=shells)
            curve = curve * (1.0 - missing / counts.clamp(min=1))
        yield torch.where(counts >= FEWEST_VALUES, curve, whole)


def unmeasured(
    first: Complex[Tensor, "z y xhalf"], second: Complex[Tensor, "z y xhalf"]
) -> Bool[Tensor, "z y xhalf"] | None:
    """Where the transforms of both unmasked maps hold nothing but rounding, beside others of their shell that do.

    None where there are no such frequencies.
    """
    power = first.abs().square() + second.abs().square()
    shell = (radial_frequency(len(power), 3, power.device) + 0.5).long().flatten()
    sums = torch.bincount(shell, power.flatten().double())
    mean = sums / torch.bincount(shell).clamp(min=1)
    is_empty = power < EMPTY * mean.float()[shell].view(power.shape)
    return is_empty if bool(is_empty.any()) else None


def smoothed(curves: Float64[Tensor, "direction shell"]) -> Float64[Tensor, "direction shell"]:
    """The curves made non-increasing from shell 1 on; shells count by their number of values, as the square."""
    counts = torch.arange(1, curves.shape[1], dtype=torch.float32).square()
    fitted = non_increasing(curves[:, 1:].float(), counts).double()
    return torch.cat([curves[:, :1], fitted], 1)


def areas(curves: Float64[Tensor, "direction shell"]) -> Float64[Tensor, "direction"]:
    """The sum of each smoothed curve from shell 1 to the last one before it falls below 0.143, at least shell 1."""
    is_below = curves[:, 1:] < THRESHOLD
    is_before = is_below.int().cumsum(1) == 0
    is_before[:, 0] = True
    return (curves[:, 1:].clamp(min=0.0) * is_before).sum(1)


def area_ratio(curves: Float64[Tensor, "direction shell"]) -> float:
    """The smallest over the largest area under smoothed curves: 1 is isotropic, below 0.5 is anisotropic."""
    found = areas(curves)
    return float(found.min() / found.max().clamp(min=1e-12))
