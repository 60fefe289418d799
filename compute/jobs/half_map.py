"""Maps from sums: a half's without any filter, its next reference, and at the end the map of all images."""

import numpy as np
import torch
from torch import Tensor

from compute.maximisation import prior, reconstruct
from compute.maximisation.falloff import mate_falloff
from compute.maximisation.solvent import molecular_envelope
from compute.params.refine import RefineParams
from compute.projection.slices import Accumulator
from compute.sampling.symmetry import parse_symmetry
from compute.signal import masks
from compute.signal.fourier import lowpass

# A map coarser than this is no judge of its own shape.
ENVELOPE_RESOLUTION_A = 30.0


def unfiltered_map(accumulator: Accumulator, params: RefineParams, box: int) -> np.ndarray:
    """The reconstruction of a half without regularisation and mask."""
    mates = mate_falloff(parse_symmetry(params.symmetry).operators)
    return reconstruct.reconstruct(accumulator, box, mates=mates).cpu().numpy()


def new_map(
    accumulator: Accumulator,
    params: RefineParams,
    box: int,
    pixel_size_A: float,
    mask: Tensor | None,
    ssnr: np.ndarray,
    resolution_A: float,
    limit_A: float,
) -> dict[str, np.ndarray]:
    """The reconstruction of a half, solvent flattened, with its noise, signal power and Fourier coverage per shell.

    `mask` is the user's. With a `limit_A` above 0 the halves do not agree beyond that resolution, and the map holds
    nothing finer: a mask would carry what they share at low resolution further, where noise then aligns to it in both
    halves; nor is there a shape that an envelope could follow.
    """
    made = regularised_map(accumulator, params, box, ssnr)
    volume = made.pop("map")
    if params.flatten_solvent:
        has_shape = limit_A <= 0 and resolution_A <= ENVELOPE_RESOLUTION_A
        if mask is None and params.adaptive_solvent and has_shape:
            edge_px, diameter_A = params.mask_edge_px, params.particle_diameter_A
            mask = molecular_envelope(volume, pixel_size_A, resolution_A, diameter_A, edge_px)
        if mask is None:
            radius_px = params.particle_diameter_A / (2 * pixel_size_A)
            mask = masks.sphere(box, radius_px, params.mask_edge_px, volume.device)
        volume = reconstruct.flatten(volume, mask.to(volume.device))
    if limit_A > 0:
        volume = lowpass(volume, pixel_size_A, limit_A)
    return _arrays(made | {"map": volume})


def joined_map(
    accumulator: Accumulator, params: RefineParams, box: int, ssnr: np.ndarray
) -> dict[str, np.ndarray]:
    """The map of all images, with its noise, signal power and Fourier coverage per shell."""
    return _arrays(regularised_map(accumulator, params, box, ssnr))


def regularised_map(
    accumulator: Accumulator, params: RefineParams, box: int, ssnr: np.ndarray
) -> dict[str, Tensor]:
    """The reconstruction by the SSNR per shell, with its noise, signal power and Fourier coverage per shell.

    The sums have the symmetry.
    """
    noise = prior.reconstruction_noise(accumulator, len(ssnr))
    signal = prior.signal_power(torch.from_numpy(ssnr).to(noise.device), noise)
    minimum = params.minimum_resolution_shells
    mates = mate_falloff(parse_symmetry(params.symmetry).operators)
    return {
        "map": reconstruct.reconstruct(accumulator, box, signal, minimum, mates),
        "noise": noise,
        "signal": signal,
        "coverage": prior.fourier_coverage(accumulator, signal),
    }


def _arrays(made: dict[str, Tensor]) -> dict[str, np.ndarray]:
    """The same in the host's memory."""
    return {name: one.cpu().numpy() for name, one in made.items()}
