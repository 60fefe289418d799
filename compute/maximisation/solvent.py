"""A molecular envelope found in a map itself, so that its solvent can be flattened without a mask from the user."""

import math

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32
from scipy import ndimage
from torch import Tensor

from compute.signal.distance import (
    FARTHEST_IN_16_BITS,
    SLAB_PLANES,
    bounds,
    distance_by_shifts,
    distance_in_planes,
)
from compute.signal.fourier import lowpass
from compute.signal.masks import sphere
from compute.signal.threshold import solvent_level

# The envelope is looked for at this resolution: coarse enough for noise to average out, fine enough for a surface.
SEARCH_RESOLUTION_A = 15.0
# Density counts as molecule this many standard deviations of the solvent's noise above the solvent, both found in the
# sphere: beyond it, where no image was put, maps have less noise.
THRESHOLD_SIGMAS = 3.0
# Pieces smaller than this part of the largest are noise; a real domain that is loosely attached is larger.
SMALLEST_PIECE = 0.05
# Distance from the surface within which everything stays untouched.
MARGIN_A = 10.0
# What stands out is a molecule from this share of the sphere on: noise alone passes three deviations in 0.1 % of the
# voxels, and even a long molecule in a wide sphere fills several per cent.
SMALLEST_SHARE = 0.01


def molecular_envelope(
    volume: Float[Tensor, "z y x"],
    pixel_size_A: float,
    resolution_A: float,
    particle_diameter_A: float,
    edge_px: float,
) -> Float[Tensor, "z y x"] | None:
    """A soft mask, 1 on the molecule and within 10 Å of it, 0 in the solvent, times the sphere of the particle.

    The map is low-passed to 15 Å (or its own resolution, if coarser); what stands out of the solvent by three standard
    deviations of its noise, in pieces of a relevant size, is the molecule. Where next to nothing stands out there is no
    mask. The map must not have been flattened before: density that an earlier envelope missed can come back.
    """
    box = volume.shape[0]
    ball = sphere(box, particle_diameter_A / (2 * pixel_size_A), edge_px, volume.device)
    low = lowpass(volume, pixel_size_A, max(SEARCH_RESOLUTION_A, resolution_A))
    is_inside = ball > 0.5
    inside = low[is_inside]
    if not len(inside) or inside.min() == inside.max():
        return None
    level, noise = solvent_level(inside.float().cpu().numpy())
    is_molecule = _relevant_pieces(((low > level + THRESHOLD_SIGMAS * noise) & is_inside).cpu())
    if is_molecule is None or is_molecule.sum() < SMALLEST_SHARE * len(inside):
        return None
    return ball.mul_(_around(is_molecule, MARGIN_A / pixel_size_A, max(edge_px, 1e-6), ball.device))


def _around(
    is_molecule: Bool[np.ndarray, "z y x"], margin_px: float, edge_px: float, device: torch.device
) -> Float32[Tensor, "z y x"]:
    """1 in the molecule and up to the margin from it, 0 an edge farther on; the molecule is not empty."""
    reach = math.ceil(margin_px + edge_px) + 1
    near = bounds(is_molecule, reach)
    envelope = torch.zeros(is_molecule.shape, device=device)
    if near is None:
        return envelope
    molecule, target = is_molecule[near], envelope[near]
    is_quick = device.type != "cpu" and reach <= FARTHEST_IN_16_BITS
    step = len(molecule) if is_quick else SLAB_PLANES
    for start in range(0, len(molecule), step):
        planes = slice(start, min(start + step, len(molecule)))
        if is_quick:
            distance = distance_by_shifts(torch.from_numpy(molecule).to(device), reach)
        else:
            distance = torch.from_numpy(distance_in_planes(molecule, planes, reach)).to(device)
        beyond = ((distance - margin_px) / edge_px).clamp_(0.0, 1.0)
        target[planes] = 0.5 + 0.5 * torch.cos(torch.pi * beyond)
    return envelope


def _relevant_pieces(is_dense: Bool[Tensor, "z y x"]) -> Bool[np.ndarray, "z y x"] | None:
    """The connected pieces that are not much smaller than the largest one; None where there is none."""
    found = is_dense.numpy()
    around = bounds(found, 0)
    if around is None:
        return None
    labels, _ = ndimage.label(found[around])
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    is_relevant = np.zeros_like(found)
    is_relevant[around] = (sizes >= SMALLEST_PIECE * sizes.max())[labels] & found[around]
    return is_relevant
