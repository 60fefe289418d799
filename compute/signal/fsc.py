"""Fourier shell correlation of two maps, its correction for masking, and its crossings.

Shells are round(|k|); sums run over the stored half transform (x >= 0) without weights, so the
plane x = 0 counts twice, as the field's programs do. The correction for the correlation that a mask
creates is that of Chen et al. 2013, "High-resolution noise substitution to measure overfitting and
validate resolution".
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from jaxtyping import Complex, Float, Float64
from torch import Tensor

from compute.signal.random_phases import MOST_DRAWS, randomised_maps
from compute.signal.shell_sums import shell_products

RANDOMISE_BELOW = 0.8  # phases are randomised from the first shell with a lower unmasked FSC
BOX_SHARE = 0.476  # close to pi/6, the share of the box that its inscribed sphere takes
DENSITY_DA_PER_A3 = 0.81  # protein, 1.35 g/ml
SHELLS_KEPT = 2  # shells beyond that one where the masked curve still stands
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class CorrectedFsc:
    """The four curves of a mask-corrected FSC and the first shell whose phases were randomised.

    `randomised_from_shell` is None where no shell could be randomised; `reason` then says why, and
    the corrected curve is the unmasked one.
    """

    unmasked: Float64[Tensor, "shell"]
    masked: Float64[Tensor, "shell"]
    randomised: Float64[Tensor, "shell"]
    corrected: Float64[Tensor, "shell"]
    randomised_from_shell: int | None
    reason: str | None = None


def fsc(
    first: Complex[Tensor, "z y xhalf"], second: Complex[Tensor, "z y xhalf"], shells: int
) -> Float64[Tensor, "shell"]:
    """The correlation sum Re(F1 F2*) / sqrt(sum |F1|^2 sum |F2|^2) of each shell 0 … shells-1.

    The transforms are in rfft layout and share one normalisation. Shell 0 is 1; a shell in which
    one map is empty is 0.
    """
    sums = shell_products(first, second, shells)
    product, power = sums[0], sums[1].sqrt() * sums[2].sqrt()
    curve = torch.where(power > 0, product / power.where(power > 0, 1.0), 0.0)
    curve[0] = 1.0
    return curve


def corrected_fsc(
    half1: Float[Tensor, "z y x"],
    half2: Float[Tensor, "z2 y2 x2"],
    mask: Float[Tensor, "z3 y3 x3"],
    pixel_size_A: float,
    seed: int,
    randomise_from_A: float | None = None,
    randomise_below: float = RANDOMISE_BELOW,
    most_draws: int = MOST_DRAWS,
    threads: int = 1,
) -> CorrectedFsc:
    """The FSC inside a mask without the part that the mask itself correlates.

    Phases of both maps are randomised (moduli kept) from the first shell with an unmasked FSC below
    `randomise_below`, or from `randomise_from_A` (Å) if given; the FSC of the masked randomised maps
    is what the mask alone does, a mean of several draws in small boxes, `most_draws` at most. With
    two threads both maps are transformed at once. Raises ValueError for maps and masks of different
    boxes and for an empty mask.
    """
    _check(half1, half2, mask)
    box = half1.shape[0]
    shells = box // 2 + 1
    with _threads(threads) as pool:
        transforms = _each(pool, torch.fft.rfftn, (half1, half2))
        unmasked = fsc(transforms[0], transforms[1], shells)
        masked = mean_fsc_inside([half1], [half2], mask, pool)
        first_shell = (
            _first_below(unmasked, randomise_below)
            if randomise_from_A is None
            else min(shells, max(1, int(box * pixel_size_A / randomise_from_A)))
        )
        if first_shell >= shells:
            reason = (
                f"the FSC without mask never drops below {randomise_below:g}, so no phases were "
                "randomised: the half-maps are identical or limited by their box"
            )
            return CorrectedFsc(unmasked, masked, torch.zeros_like(masked), unmasked, None, reason)

        def randomise(transform: Tensor, half: int) -> tuple[Tensor, ...]:
            return randomised_maps(transform, box, first_shell, seed, half, most_draws)

        noise = _each(pool, randomise, transforms, (1, 2))
        randomised = mean_fsc_inside(noise[0], noise[1], mask, pool)
    corrected = corrected_curve(masked, randomised, first_shell)
    return CorrectedFsc(unmasked, masked, randomised, corrected, first_shell)


def mean_fsc_inside(
    first: Sequence[Float[Tensor, "z y x"]],
    second: Sequence[Float[Tensor, "z y x"]],
    mask: Float[Tensor, "z3 y3 x3"],
    pool: Executor | None = None,
) -> Float64[Tensor, "shell"]:
    """The mean FSC of pairs of maps inside a mask; threads of the pool transform them."""

    def inside(volume: Tensor) -> Tensor:
        return torch.fft.rfftn(volume * mask)

    curves = []
    for pair in zip(first, second, strict=True):
        one, other = _each(pool, inside, pair)
        curves.append(fsc(one, other, len(mask) // 2 + 1))
    return torch.stack(curves).mean(0)


def _threads(count: int) -> AbstractContextManager[Executor | None]:
    """Several threads, in each of which torch uses as many as here: a transform rounds differently with more."""
    if count == 1:
        return nullcontext()
    here = torch.get_num_threads()
    return ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(here,))


def _each(
    pool: Executor | None, function: Callable[..., Result], *arguments: Iterable[Any]
) -> list[Result]:
    """What a function makes of each, in order; by the threads of a pool, if there is one."""
    return list((map if pool is None else pool.map)(function, *arguments))


def corrected_curve(
    masked: Float64[Tensor, "shell"],
    randomised: Float64[Tensor, "shell"],
    randomised_from_shell: int,
) -> Float64[Tensor, "shell"]:
    """(masked - randomised) / (1 - randomised), not below -1; 0 where randomised maps correlate fully.

    The masked curve itself stands below two shells beyond the first randomised one, where
    neighbouring shells that still carry signal leak in through the mask.
    """
    left = 1.0 - randomised
    has_some = left > 1e-6
    corrected = torch.where(has_some, (masked - randomised) / left.where(has_some, 1.0), 0.0)
    corrected = corrected.clamp(min=-1.0)
    first = randomised_from_shell + SHELLS_KEPT
    return torch.cat([masked[:first], corrected[first:]])


def crossing(curve: Float64[Tensor, "shell"], threshold: float) -> int:
    """The last shell, at least 1, before the curve first falls below a threshold (if it does)."""
    return max(1, _first_below(curve, threshold) - 1)


def resolution_A(curve: Float64[Tensor, "shell"], threshold: float, extent_A: float) -> float:
    """The resolution (Å) at which the curve first crosses a threshold.

    Interpolated between shells in 1/Å; `extent_A` is box times pixel size. The last shell's
    resolution if the curve never falls below, and the first shell's if it does so at once.
    """
    below = _first_below(curve, threshold)
    if below >= len(curve):
        return extent_A / max(1, len(curve) - 1)
    before, after = float(curve[below - 1]), float(curve[below])
    shell = float(below - 1)
    if before > threshold and after < threshold:
        shell += (before - threshold) / (before - after)
    return extent_A / max(1.0, shell)


def recrossings(curve: Float64[Tensor, "shell"], threshold: float) -> int | None:
    """The last shell at or above a threshold after the first crossing; None if there is none."""
    below = _first_below(curve, threshold)
    later = torch.nonzero(curve[below:] >= threshold)
    return below + int(later[-1]) if len(later) else None


def fsc_weight(curve: Float64[Tensor, "shell"]) -> Float64[Tensor, "shell"]:
    """sqrt(2 FSC / (1 + FSC)): the expected correlation of the averaged map with the truth.

    Negative correlations count as 0. Rosenthal & Henderson 2003, J. Mol. Biol. 333, 721.
    """
    positive = curve.clamp(min=0.0)
    return (2.0 * positive / (1.0 + positive)).sqrt()


def mask_factor(mask: Float[Tensor, "z y x"]) -> float:
    """0.476 over the share of the box in which the mask exceeds one half: the f of `partial_volume_fsc`.

    Raises ValueError where it does so nowhere.
    """
    share = int(torch.count_nonzero(mask > 0.5)) / mask.numel()
    if share == 0:
        raise ValueError("the mask exceeds 0.5 nowhere, so it encloses no volume")
    return BOX_SHARE / share


def molecular_weight_factor(box: int, pixel_size_A: float, weight_kDa: float) -> float:
    """The f of `partial_volume_fsc` for a protein of this mass, at 0.81 Da per cubic Å."""
    return BOX_SHARE * (box * pixel_size_A) ** 3 * DENSITY_DA_PER_A3 / (1000.0 * weight_kDa)


def partial_volume_fsc(
    unmasked: Float64[Tensor, "shell"], factor: float
) -> Float64[Tensor, "shell"]:
    """The FSC without mask as if the box held nothing but the particle: f FSC / (1 + (f - 1) FSC).

    f FSC = f S / (S + N) with the noise N of the whole box reduced to the particle's share of it.
    """
    return factor * unmasked / (1.0 + (factor - 1.0) * unmasked)


def _first_below(curve: Float64[Tensor, "shell"], threshold: float) -> int:
    """The first shell from 1 on that is below a threshold; the number of shells if none is."""
    below = torch.nonzero(~(curve[1:] >= threshold))
    return 1 + int(below[0]) if len(below) else len(curve)


def _check(
    half1: Float[Tensor, "z y x"], half2: Float[Tensor, "z2 y2 x2"], mask: Float[Tensor, "z3 y3 x3"]
) -> None:
    """Raises ValueError unless maps and mask are cubes of one size and the mask is not empty."""
    shapes = {tuple(volume.shape) for volume in (half1, half2, mask)}
    if len(shapes) != 1 or len(set(half1.shape)) != 1:
        raise ValueError(
            "half-maps and mask must be cubes of one size, not "
            + ", ".join(str(tuple(volume.shape)) for volume in (half1, half2, mask))
        )
    if not bool((mask > 0).any()):
        raise ValueError("the mask is zero everywhere, so no FSC can be measured inside it")
