"""A molecular envelope found in a map itself, so that its solvent can be flattened without a mask from the user."""

import math

import numpy as np
import torch
from jaxtyping import Float
from scipy import ndimage
from torch import Tensor

from compute.signal.distance import SLAB_PLANES, distance_in_planes
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
    ball = sphere(box, particle_diameter_A / (2 * pixel_size_A), edge_px).to(volume.device)
    low = lowpass(volume, pixel_size_A, max(SEARCH_RESOLUTION_A, resolution_A))
    inside = low[ball > 0.5]
    if not len(inside) or inside.min() == inside.max():
        return None
    level, noise = solvent_level(inside.float().cpu().numpy())
    is_dense = ((low > level + THRESHOLD_SIGMAS * noise) & (ball > 0.5)).cpu().numpy()
    is_molecule = _relevant_pieces(is_dense)
    if is_molecule.sum() < SMALLEST_SHARE * len(inside):
        return None
    margin_px, edge_px = MARGIN_A / pixel_size_A, max(edge_px, 1e-6)
    for start in range(0, box, SLAB_PLANES):
        planes = slice(start, min(start + SLAB_PLANES, box))
        distance = distance_in_planes(is_molecule, planes, math.ceil(margin_px + edge_px) + 1)
        beyond = (torch.from_numpy(distance) - margin_px) / edge_px
        envelope = 0.5 + 0.5 * torch.cos(torch.pi * beyond.clamp(0.0, 1.0))
        ball[planes] = envelope.to(ball.device) * ball[planes]
    return ball


def _relevant_pieces(is_dense: np.ndarray) -> np.ndarray:
    """The connected pieces that are not much smaller than the largest one."""
    labels, pieces = ndimage.label(is_dense)
    if pieces == 0:
        return is_dense
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    relevant: np.ndarray = (sizes >= SMALLEST_PIECE * sizes.max())[labels]
    return relevant & is_dense
