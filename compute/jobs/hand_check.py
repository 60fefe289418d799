"""Whether a start map tells the hand of the molecule at the resolution at which a search begins with it."""

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from compute.signal.fsc import fsc
from compute.signal.resize import without_high_frequencies

# A map that agrees so well with its mirror image, in every shell, does not tell one hand from the other.
SAME_FSC = 0.98
LEAST_SHELLS = 2


def hand_remark(volume: Float[Tensor, "z y x"], pixel_size_A: float, lowpass_A: float) -> list[str]:
    """A warning where the shells of a map up to a resolution hold no hand, else nothing.

    Images do not tell an object from its mirror image either, so that the refined map may then be of either hand. The
    transform of the mirror image about the centre is the conjugate one. lowpass_A: 0 for the whole map.
    """
    box = volume.shape[0]
    shells = box // 2 + 1
    if lowpass_A > 0:
        shells = min(shells, int(box * pixel_size_A / lowpass_A) + 1)
    if shells <= LEAST_SHELLS or mirror_fsc(volume, shells).min() < SAME_FSC:
        return []
    at = f"at {lowpass_A:g} Å, where the search begins" if lowpass_A > 0 else "at any resolution"
    return [
        f"The reference cannot be told from its mirror image {at}: the map may come out as either hand. "
        "A finer initial low-pass keeps the reference's hand, where it has one; 'halfmap rescale --invert_hand' "
        "turns a finished map over."
    ]


def mirror_fsc(volume: Float[Tensor, "z y x"], shells: int) -> Float64[Tensor, "shell"]:
    """The Fourier shell correlation of a map with its mirror image about the centre voxel, shells 0 … shells-1."""
    if 2 * (shells + 1) < volume.shape[0]:
        volume = without_high_frequencies(volume, 2 * (shells + 1))
    transform = torch.fft.rfftn(torch.fft.ifftshift(volume))
    return fsc(transform, transform.conj().resolve_conj(), shells)
