"""New model parameters besides the map: norm and scale corrections, noise, offsets, directions.

All of them are pure functions of sums over the posterior, on float64 tensors. Weights are posterior weights: each
particle contributes at most 1, and 0 when it found no pose.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float64
from torch import Tensor

_NORM_RANGE = 4.0
"""Norm corrections stay within this factor of the median: a few bad images must not wreck the map (reports of norm
corrections of several hundred are common)."""

_SCALE_RANGE = 5.0
"""Group scales stay within this factor of their median."""

_PRIOR_PIXELS = 300.0
"""Weight of the prior on a group's scale, in Fourier pixels of average signal: a few hundred. A group of one particle
has about as many pixels in shells with signal, a group of ten is hardly affected."""

_NOISE_FLOOR = 1e-6
"""Least noise power relative to the median over shells: absolute thresholds fail because images come in all units."""

_LEAST_OFFSET_SIGMA_A = math.sqrt(2.0)
"""Least standard deviation of the offsets in Å, from a floor of 2 Å² on the variance."""


@dataclass(frozen=True, slots=True)
class NormUpdate:
    """Norm corrections after an iteration.

    norm: one per image; mean_norm: their weighted mean, which the next iteration divides out; is_clipped: images whose
    correction lay outside the plausible range.
    """

    norm: Float64[Tensor, " image"]
    mean_norm: float
    is_clipped: Bool[Tensor, " image"]


def update_norm(
    norm: Float64[Tensor, " image"],
    mean_norm: float,
    residual_power: Float64[Tensor, " image"],
    weight: Float64[Tensor, " image"],
) -> NormUpdate:
    """Norm corrections ν ← (ν/ν̄)·√(2·residual power), clipped to [¼, 4] times their median, and their mean.

    residual_power: posterior-weighted Σ_k |scale·CTF·PV − X|² of each image over the half-plane disc, including |X|² of
    the pixels beyond the working size; divided here by the image's posterior weight. mean_norm is the mean that
    the images were multiplied with. White noise of unit variance gives about 0.89, and less under a mask. Images of
    weight 0 keep their correction and take no part in median and mean.
    """
    is_used = weight > 0
    if not bool(is_used.any()):
        return NormUpdate(norm.clone(), mean_norm, torch.zeros_like(is_used))
    residual = (2 * residual_power / weight.clamp(min=1e-12)).sqrt()
    raw = norm / mean_norm * residual
    median = float(raw[is_used].median())
    clipped = raw.clamp(median / _NORM_RANGE, median * _NORM_RANGE)
    updated = torch.where(is_used, clipped, norm)
    mean = float((updated * weight).sum() / weight.sum())
    return NormUpdate(updated, mean, is_used & (clipped != raw))


def update_scales(
    signal_product: Float64[Tensor, " group"],
    signal_square: Float64[Tensor, " group"],
    fourier_pixels: Float64[Tensor, " group"],
    weight: Float64[Tensor, " group"],
) -> Float64[Tensor, " group"]:
    """Grey scale of each group relative to the map, with weighted mean 1.

    scale_g = (XA_g + κρ) / (AA_g + κ), the least-squares fit ΣXA/ΣAA drawn towards the common scale ρ = ΣXA / ΣAA of
    all groups. It is the mean of a Gaussian posterior whose prior has the weight κ of 300 Fourier pixels of average
    signal, κ = 300·ΣAA / Σ pixels. After the division by the mean, ρ becomes 1. Groups are clamped to [⅕, 5] times
    the median of the groups that have particles; groups without particles get 1.

    signal_product, signal_square: XA = Σ Re(Y* X) and AA = Σ |Y|² over pixels with signal-to-noise ratio above 3, with
    the current scale divided out of Y. fourier_pixels: number of those pixels, summed over particles.
    weight: posterior weight of the group's particles.
    """
    ones = torch.ones_like(weight)
    is_used = weight > 0
    square, pixels = float(signal_square.sum()), float(fourier_pixels.sum())
    if int(is_used.sum()) < 2 or square <= 0 or pixels <= 0:
        return ones
    common = float(signal_product.sum()) / square
    if common <= 0:
        return ones
    prior = _PRIOR_PIXELS * square / pixels
    scale = (signal_product + prior * common) / (signal_square + prior)
    median = float(scale[is_used].median())
    if median <= 0:
        return ones
    scale = scale.clamp(median / _SCALE_RANGE, median * _SCALE_RANGE)
    mean = (scale * weight).sum() / weight.sum()
    return torch.where(is_used, scale / mean, ones)


def update_noise(
    residual_power: Float64[Tensor, "group shell"],
    weight: Float64[Tensor, " group"],
    pixels_per_shell: Float64[Tensor, "group shell"],
    previous: Float64[Tensor, "group shell"],
) -> Float64[Tensor, "group shell"]:
    """Noise power per real component, σ²(i) = Σ residual power / (2·Σ weight·pixels), for each optics group.

    residual_power: Σ over particles of the posterior-weighted |scale·CTF·PV − X|², beyond the working size of |X|².
    pixels_per_shell: half-plane pixels of each shell that lie inside the disc |k| ≤ N/2, as the residuals do; with all
    pixels of the square the last shell would come out too small.
    Shells without pixels or power take the value of the previous shell, or of the next at the start. No value falls
    below 1e-6 of the median. The zero frequency of masked images is close to 0 and takes no part in the
    likelihood; it gets at least the value of the first shell, so that its weight stays finite. Groups of weight 0 keep
    their previous spectrum.
    """
    expected = 2 * weight[:, None] * pixels_per_shell
    power = torch.where(expected > 0, residual_power / expected.clamp(min=1e-12), 0.0)
    rows = [
        _without_gaps(new) if float(total) > 0 else old
        for new, total, old in zip(power, weight, previous, strict=True)
    ]
    return torch.stack(rows)


def update_offset_sigma(squared_offsets_A2: float, weight: float) -> float:
    """Standard deviation in Å of the offsets per axis: √(Σ w|o − prior|² / (2 Σ w)), at least √2 Å.

    squared_offsets_A2: posterior-weighted sum of squared distances in Å² of the offsets from the centre of their prior.
    Raises ValueError when no particle has any weight.
    """
    if not weight > 0:
        raise ValueError(
            f"the total posterior weight is {weight:g}: no particle of this half-set found a pose"
        )
    return max(math.sqrt(squared_offsets_A2 / (2 * weight)), _LEAST_OFFSET_SIGMA_A)


def update_direction_distribution(
    weight: Float64[Tensor, " direction"], uniform: float = 1.0
) -> Float64[Tensor, " direction"]:
    """Prior probability of each direction, (n_d + α) / (Σ n_d + α·directions); sums to 1, never 0.

    weight: posterior weight n_d that fell on the direction. uniform: the pseudo-count α (Laplace's rule), so that no
    direction is excluded for good by having been empty once.
    """
    return (weight + uniform) / (weight.sum() + uniform * weight.shape[0])


def _without_gaps(power: Float64[Tensor, " shell"]) -> Float64[Tensor, " shell"]:
    """A noise spectrum with gaps filled from neighbouring shells, a relative floor and a safe zero frequency."""
    is_given = power > 0
    if not bool(is_given[1:].any()):
        raise ValueError(
            "the noise spectrum is empty: the images of this optics group hold no power at all"
        )
    median = float(power[1:][is_given[1:]].median())
    order = torch.arange(power.shape[0], device=power.device)
    first = int(order[1:][is_given[1:]].min())
    source = torch.where(is_given, order, torch.zeros_like(order)).cummax(0).values
    filled = power[torch.where(order < first, first, source)]
    filled = filled.clamp(min=_NOISE_FLOOR * median)
    filled[0] = torch.maximum(power[0], filled[1])
    return filled
