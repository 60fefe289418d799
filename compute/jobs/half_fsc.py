"""All FSC curves of two half-maps, which of them counts, and what the mask is worth."""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float64
from torch import Tensor

from compute.jobs.half_pair import HalfPair
from compute.signal.fsc import (
    RANDOMISE_BELOW,
    corrected_fsc,
    crossing,
    fsc,
    mask_factor,
    partial_volume_fsc,
    recrossings,
    resolution_A,
)

THRESHOLD = 0.143
GOOD_RANDOM_FSC, FAIR_RANDOM_FSC = 0.05, 0.1
"""Largest FSC of masked random phases at the resolution for which a mask is good, or fair."""
SAME_MAP_FSC = 0.9999
USELESS = (
    "The FSC without mask reaches further than the corrected one inside it, so the mask was not used: it is "
    "too tight, too sharp or cuts the particle."
)
Grade = Literal["good", "fair", "too tight", "of no use", "none"]


@dataclass(frozen=True, slots=True)
class MaskGrade:
    """How far a mask can be trusted: a word and the sentence that explains it."""

    grade: Grade
    sentence: str


@dataclass(frozen=True, slots=True)
class HalfFsc:
    """The FSC curves of two half-maps; without a mask only `unmasked` and `final` exist.

    `final` is the curve that counts: the corrected one, or the unmasked one where there is no mask
    or the mask was given up. Shells are those of the box of `extent_A`.
    """

    extent_A: float
    unmasked: Float64[Tensor, "shell"]
    masked: Float64[Tensor, "shell"] | None
    randomised: Float64[Tensor, "shell"] | None
    partial_volume: Float64[Tensor, "shell"] | None
    final: Float64[Tensor, "shell"]
    mask_factor: float | None
    randomised_from_shell: int | None
    grade: MaskGrade
    remarks: tuple[str, ...]

    @property
    def shell(self) -> int:
        """The last shell before the final curve first falls below 0.143."""
        return crossing(self.final, THRESHOLD)

    @property
    def is_inside_mask(self) -> bool:
        """Whether the final curve is one inside the mask: there is one, and it was not given up."""
        return self.masked is not None and self.grade.grade != "of no use"

    @property
    def is_at_nyquist(self) -> bool:
        """Whether the pixel size limits the resolution."""
        return self.shell == len(self.final) - 1

    def resolution_A(self, threshold: float = THRESHOLD) -> float:
        """Where the final curve first crosses a threshold, between shells."""
        return resolution_A(self.final, threshold, self.extent_A)


def measure(
    pair: HalfPair,
    seed: int = 0,
    randomise_below: float = RANDOMISE_BELOW,
    randomise_from_A: float | None = None,
    force_mask: bool = False,
) -> HalfFsc:
    """The curves of two half-maps inside their mask, if there is one. ValueError where both hold the same map."""
    if pair.mask is None:
        transforms = [torch.fft.rfftn(half) for half in (pair.first, pair.second)]
        unmasked = fsc(transforms[0], transforms[1], pair.box // 2 + 1)
        _check_apart(unmasked)
        grade = MaskGrade("none", "No mask was used; the solvent's noise lowers this FSC.")
        remarks = _remarks(unmasked, pair.extent_A)
        return HalfFsc(
            pair.extent_A, unmasked, None, None, None, unmasked, None, None, grade, remarks
        )
    found = corrected_fsc(
        pair.first,
        pair.second,
        pair.mask,
        pair.pixel_size_A,
        seed,
        randomise_from_A,
        randomise_below,
    )
    _check_apart(found.unmasked)
    final, notes = found.corrected, list[str]()
    if found.reason is not None:
        final = found.masked
        notes.append(
            f"the FSC without mask never drops below {randomise_below:g}: the pixel size limits these "
            "maps (or the halves are not independent), so the mask's own correlation could not be "
            "measured"
        )
    if crossing(found.unmasked, THRESHOLD) > crossing(final, THRESHOLD) and not force_mask:
        final = found.unmasked
        grade = MaskGrade("of no use", USELESS)
    else:
        grade = graded(found.randomised, crossing(final, THRESHOLD), pair.mask)
    factor = mask_factor(pair.mask)
    return HalfFsc(
        extent_A=pair.extent_A,
        unmasked=found.unmasked,
        masked=found.masked,
        randomised=found.randomised,
        partial_volume=partial_volume_fsc(found.unmasked, factor),
        final=final,
        mask_factor=factor,
        randomised_from_shell=found.randomised_from_shell,
        grade=grade,
        remarks=(*notes, *_remarks(final, pair.extent_A)),
    )


def graded(
    randomised: Float64[Tensor, "shell"], shell: int, mask: Tensor | None = None
) -> MaskGrade:
    """The grade of a mask by the FSC of random phases inside it at the shell of the resolution."""
    value = float(randomised[shell])
    said = f"random phases inside the mask correlate to {value:.2f} at the resolution"
    if value > FAIR_RANDOM_FSC:
        return MaskGrade(
            "too tight",
            f"The mask is too tight or too sharp: {said} (0.1 is the limit). Widen it or give it a "
            "softer edge.",
        )
    if mask is not None and not bool(((mask > 0) & (mask < 1)).any()) and not bool(mask.all()):
        return MaskGrade("fair", f"The mask has no soft edge; {said}. Give it one of some pixels.")
    if value > GOOD_RANDOM_FSC:
        return MaskGrade("fair", f"The mask is rather tight: {said} (0.1 is the limit).")
    return MaskGrade("good", f"The mask is good: {said}.")


def _check_apart(unmasked: Float64[Tensor, "shell"]) -> None:
    """Raises ValueError where the halves agree at all shells as only copies do."""
    if float(unmasked[1:].min()) > SAME_MAP_FSC:
        raise ValueError(
            f"the FSC of the half-maps never drops below {SAME_MAP_FSC}: they hold the same map, or "
            "one was made from the other. Half-maps come from separate halves of the particles"
        )


def _remarks(final: Float64[Tensor, "shell"], extent_A: float) -> tuple[str, ...]:
    """What a reader of the curve should know: the limit of the pixel size, and a later rise."""
    shell = crossing(final, THRESHOLD)
    if shell == len(final) - 1:
        return (
            f"the FSC is still {float(final[-1]):.2f} at Nyquist ({extent_A / shell:.2f} Å): the pixel "
            "size limits the resolution",
        )
    later = recrossings(final, THRESHOLD)
    if later is None:
        return ()
    return (
        f"the FSC rises above {THRESHOLD} again after its first crossing, up to "
        f"{extent_A / later:.2f} Å",
    )
