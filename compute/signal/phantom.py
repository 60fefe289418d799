"""The built-in phantom: Gaussian blobs arranged like a protein, with analytic map and projections."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float64
from scipy.spatial import cKDTree
from torch import Tensor

from compute.signal.random import generator

_BLOBS = 40_000
"""Most blobs of a phantom; a larger one gets wider spaces between them."""

_CANDIDATES_PER_BLOB = 6
"""Candidates drawn for every blob that random sequential packing (0.38 of the volume) can hold."""

_WINDOW_SIGMAS = 5.0
"""A blob is cut where it has fallen to 4e-6 of its centre."""

_TAPS_AT_ONCE = 1 << 23


@dataclass(frozen=True, slots=True)
class Phantom:
    """Gaussian blobs: centres (x, y, z) and widths in Å; weight is a blob's integral."""

    positions_A: Float64[Tensor, "blob 3"]
    sigma_A: Float64[Tensor, "blob"]
    weights: Float64[Tensor, "blob"]

    @property
    def radius_A(self) -> float:
        """Largest distance of a blob's centre from the origin, in Å."""
        return float(self.positions_A.norm(dim=1).max())


def make_phantom(
    operators: Float64[np.ndarray, "operator 3 3"],
    radius_A: float,
    detail_A: float,
    seed: int = 0,
) -> Phantom:
    """A chiral phantom that is invariant under `operators` and fits a sphere of `radius_A`.

    The envelope is an ellipsoid with half axes 1 : 0.8 : 0.65, averaged over the group, filled
    by soft lobes that break every symmetry but the group's at low resolution. Blobs have widths of
    0.35 to 0.5 times `detail_A`, so that at the resolution `detail_A` 9 % of the sharpest ones'
    amplitude is left, and keep a distance from each other as residues do, which makes the density
    even at low resolution.
    Raises ValueError when the sphere is too small to hold detail of that size.
    """
    if not radius_A > 3.0 * detail_A > 0.0:
        raise ValueError(
            f"a phantom of radius {radius_A:g} Å cannot carry detail of {detail_A:g} Å: "
            "the radius must be more than three times the detail"
        )
    random = generator(seed, "phantom")
    margin = radius_A - 1.5 * detail_A
    spacing = max(0.75 * detail_A, margin * (0.38 * 8.0 / (2.0 * _BLOBS)) ** (1 / 3))
    capacity = 0.38 * (2.0 * margin / spacing) ** 3 / len(operators)
    draws = max(12, math.ceil(_CANDIDATES_PER_BLOB * capacity))
    candidates = random.uniform(-margin, margin, (draws, 3))
    candidates = candidates[_inside(candidates, operators, margin, random)]
    orbits = np.einsum("gij,nj->ngi", operators, candidates)
    kept = orbits[_spaced(orbits, spacing)]
    kept *= margin / np.linalg.norm(kept, axis=-1).max()
    count, copies = kept.shape[:2]
    sigma = np.repeat(random.uniform(0.35, 0.5, count) * detail_A, copies)
    weights = np.repeat(random.uniform(0.7, 1.3, count), copies)
    return Phantom(
        torch.from_numpy(np.ascontiguousarray(kept.reshape(-1, 3))),
        torch.from_numpy(sigma),
        torch.from_numpy(weights),
    )


def phantom_map(phantom: Phantom, box: int, pixel_size_A: float) -> Float[Tensor, "z y x"]:
    """Values of the phantom at the voxels' centres, times the voxel volume; they add up to the mass.

    Raises ValueError for an odd box.
    """
    check_even(box)
    grid = torch.zeros(box**3, dtype=torch.float64, device=phantom.positions_A.device)
    for blobs in _chunks(phantom, _window(phantom, pixel_size_A) ** 3):
        x, y, z = _taps(phantom, phantom.positions_A[blobs], blobs, box, pixel_size_A)
        index = (z[0][:, :, None, None] * box + y[0][:, None, :, None]) * box + x[0][:, None, None]
        value = z[1][:, :, None, None] * y[1][:, None, :, None] * x[1][:, None, None]
        value = value * phantom.weights[blobs, None, None, None]
        grid.index_add_(0, index.reshape(-1), value.reshape(-1))
    return grid.reshape(box, box, box).float()


def phantom_projections(
    phantom: Phantom,
    rotations: Float[Tensor, "image 3 3"],
    shifts_A: Float[Tensor, "image 2"],
    box: int,
    pixel_size_A: float,
) -> Float[Tensor, "image y x"]:
    """Exact line integrals along image z of the phantom turned by `rotations` (r_image = A r_map).

    The particle's centre lies at pixel box//2 + shift; pixels are point values times the pixel area,
    in the scale of `phantom_map`, whose voxel sums along z they are. Raises ValueError for an odd box.
    """
    check_even(box)
    out = torch.zeros(len(rotations), box, box, dtype=torch.float32, device=rotations.device)
    for image in range(len(rotations)):
        turned = phantom.positions_A @ rotations[image].double().T
        turned[:, :2] += shifts_A[image].double()
        flat = torch.zeros(box * box, dtype=torch.float64, device=rotations.device)
        for blobs in _chunks(phantom, _window(phantom, pixel_size_A) ** 2):
            x, y, _ = _taps(phantom, turned[blobs], blobs, box, pixel_size_A)
            index = y[0][:, :, None] * box + x[0][:, None]
            value = y[1][:, :, None] * x[1][:, None] * phantom.weights[blobs, None, None]
            flat.index_add_(0, index.reshape(-1), value.reshape(-1))
        out[image] = flat.reshape(box, box).float()
    return out


def check_even(box: int) -> None:
    """Raise ValueError unless the box is even."""
    if box % 2:
        raise ValueError(f"the box is {box} pixels but boxes must be even")


def _inside(
    points: Float64[np.ndarray, "point 3"],
    operators: Float64[np.ndarray, "operator 3 3"],
    radius: float,
    random: np.random.Generator,
) -> np.ndarray:
    """Which points fall into the envelope and its lobes; chances soften towards the surfaces."""
    axes = np.diag([1.0, 1.0 / 0.8, 1.0 / 0.65]) ** 2
    averaged = np.einsum("gki,kl,glj->ij", operators, axes, operators) / len(operators)
    averaged /= np.linalg.eigvalsh(averaged)[0]
    depth = np.sqrt(np.einsum("ni,ij,nj->n", points, averaged, points)) / radius
    lobes = max(3, math.ceil(14 / len(operators)))
    centres = random.standard_normal((lobes, 3))
    centres *= radius * np.linspace(0.8, 0.35, lobes)[:, None] / _lengths(centres)
    mates = np.einsum("gij,nj->gni", operators, centres).reshape(-1, 3)
    width = 0.75 * radius / len(mates) ** (1 / 3)
    nearest = cKDTree(mates).query(points)[0] / width
    chance = 1.0 / (1.0 + np.exp((nearest - 1.0) / 0.08))
    chance *= 1.0 / (1.0 + np.exp((depth - 0.92) / 0.02)) * (depth < 1.0)
    inside: np.ndarray = random.uniform(size=len(points)) < chance
    return inside


def _lengths(vectors: Float64[np.ndarray, "point 3"]) -> Float64[np.ndarray, "point 1"]:
    lengths: np.ndarray = np.linalg.norm(vectors, axis=1, keepdims=True)
    return lengths


def _spaced(orbits: Float64[np.ndarray, "orbit mate 3"], spacing: float) -> np.ndarray:
    """Which orbits to keep so that no two points are nearer than `spacing`: first come, first kept."""
    count, copies = orbits.shape[:2]
    pairs = cKDTree(orbits.reshape(-1, 3)).query_pairs(spacing, output_type="ndarray") // copies
    keep = np.ones(count, dtype=bool)
    keep[pairs[pairs[:, 0] == pairs[:, 1], 0]] = False
    pairs = np.unique(np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1), axis=0)
    for first, second in pairs:
        if keep[first]:
            keep[second] = False
    return keep


def _window(phantom: Phantom, pixel_size_A: float) -> int:
    """Pixels along each axis over which a blob is drawn."""
    return 2 * math.ceil(_WINDOW_SIGMAS * float(phantom.sigma_A.max()) / pixel_size_A) + 1


def _chunks(phantom: Phantom, taps: int) -> Iterable[slice]:
    """Slices of the blobs that keep the number of values in memory bounded."""
    step = max(1, _TAPS_AT_ONCE // taps)
    return (slice(first, first + step) for first in range(0, len(phantom.weights), step))


def _taps(
    phantom: Phantom,
    positions_A: Float64[Tensor, "blob 3"],
    blobs: slice,
    box: int,
    pixel_size_A: float,
) -> list[tuple[Tensor, Tensor]]:
    """For x, y, z: pixel indices and values of the blobs' one-dimensional Gaussians, 0 outside."""
    half = _window(phantom, pixel_size_A) // 2
    steps = torch.arange(-half, half + 1, device=positions_A.device)
    at = positions_A / pixel_size_A + box // 2
    index = torch.round(at).long()[:, :, None] + steps
    sigma = phantom.sigma_A[blobs, None, None] / pixel_size_A
    value = torch.exp(-0.5 * ((index - at[:, :, None]) / sigma) ** 2)
    value = value / (sigma * math.sqrt(2.0 * math.pi))
    value = torch.where((index >= 0) & (index < box), value, 0.0)
    index = index.clamp(0, box - 1)
    return [(index[:, axis], value[:, axis]) for axis in range(3)]
