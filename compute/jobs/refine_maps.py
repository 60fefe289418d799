"""The map of all images, which the leader of a refinement makes from the sums of both halves."""

import numpy as np
import torch

from compute.maximisation import prior
from compute.maximisation.falloff import mate_falloff
from compute.maximisation.reconstruct import reconstruct
from compute.parallel import Team
from compute.projection.slices import Accumulator, empty_accumulator
from compute.sampling.symmetry import parse_symmetry

# Planes of the halves' sums that travel at once.
SLAB_PLANES = 32


def joined_sums(team: Team, padding: int, box: int) -> Accumulator:
    """The sums of both halves together, to Nyquist."""
    joined = empty_accumulator(padding, box // 2)
    for start in range(0, len(joined.sums), SLAB_PLANES):
        for part in team.call_heads("planes", start=start, stop=start + SLAB_PLANES):
            joined.sums[start : start + SLAB_PLANES] += torch.from_numpy(part)
    return joined


def joined_map(
    joined: Accumulator, box: int, ssnr: np.ndarray, minimum_shell: int, symmetry: str
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The map of all images, regularised by the joined SSNR per shell, and its spectra; the sums have the symmetry."""
    noise = prior.reconstruction_noise(joined, len(ssnr))
    signal = prior.signal_power(torch.from_numpy(ssnr), noise)
    mates = mate_falloff(parse_symmetry(symmetry).operators)
    volume = reconstruct(joined, box, signal, minimum_shell, mates).numpy()
    coverage = prior.fourier_coverage(joined, signal).numpy()
    return volume, {"noise": noise.numpy(), "signal": signal.numpy(), "coverage": coverage}
