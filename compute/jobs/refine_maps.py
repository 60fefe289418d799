"""Maps and curves that the leader of a refinement makes from what both halves send it."""

import numpy as np
import torch

from compute.convergence.state import State
from compute.jobs.refine_inputs import Inputs
from compute.maximisation import prior
from compute.maximisation.reconstruct import reconstruct
from compute.maximisation.solvent import molecular_envelope
from compute.parallel import Team
from compute.params.refine import RefineParams
from compute.projection.slices import Accumulator, empty_accumulator
from compute.signal.fsc import corrected_fsc, fsc

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
    joined: Accumulator, box: int, ssnr: np.ndarray, minimum_shell: int
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The map of all images, regularised by the joined SSNR per shell, and its spectra."""
    noise = prior.reconstruction_noise(joined, len(ssnr))
    signal = prior.signal_power(torch.from_numpy(ssnr), noise)
    volume = reconstruct(joined, box, signal, minimum_shell).numpy()
    coverage = prior.fourier_coverage(joined, signal).numpy()
    return volume, {"noise": noise.numpy(), "signal": signal.numpy(), "coverage": coverage}


def common_envelope(
    maps: list[np.ndarray], inputs: Inputs, params: RefineParams, state: State
) -> np.ndarray | None:
    """The molecule's envelope in the mean of both halves' unregularised maps; None where nothing stands out."""
    mean = torch.from_numpy(maps[0] + maps[1]) / 2
    diameter_A, edge_px = params.particle_diameter_A, params.mask_edge_px
    found = molecular_envelope(mean, inputs.pixel_size_A, state.resolution_A, diameter_A, edge_px)
    return None if found is None else found.numpy()


def unmasked_curve(maps: list[np.ndarray]) -> np.ndarray:
    """FSC per shell of the half-maps as they are."""
    first, second = (torch.fft.rfftn(torch.from_numpy(one)) for one in maps)
    return fsc(first, second, len(maps[0]) // 2 + 1).numpy()


def masked_curves(
    maps: list[np.ndarray], mask: np.ndarray, inputs: Inputs, shells: int
) -> dict[str, np.ndarray]:
    """FSC of the unregularised half-maps within the mask: masked, phase-randomised, and corrected by it.

    The corrected curve is 0 from shell `shells` on, where no image was put back.
    """
    first, second = (torch.from_numpy(one) for one in maps)
    found = corrected_fsc(first, second, torch.from_numpy(mask), inputs.pixel_size_A, inputs.seed)
    corrected = found.corrected.numpy().copy()
    corrected[shells:] = 0.0
    return {
        "masked": found.masked.numpy(),
        "randomised": found.randomised.numpy(),
        "corrected": corrected,
    }
