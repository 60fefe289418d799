"""A phantom of Gaussian blobs whose transform and projections are known exactly."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from compute.projection.slices import Accumulator, empty_accumulator, insert


@dataclass(frozen=True)
class Phantom:
    """Blobs Σ w exp(−|r − c|²/2s²) in a box; centres (x, y, z) in pixels from its middle."""

    box: int
    centres: NDArray[np.float64]
    weights: NDArray[np.float64]
    sigmas: NDArray[np.float64]

    def volume(self) -> NDArray[np.float64]:
        axis = np.arange(self.box) - self.box // 2
        z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
        total = np.zeros(z.shape)
        for (a, b, c), weight, sigma in zip(self.centres, self.weights, self.sigmas, strict=True):
            total += weight * np.exp(-((x - a) ** 2 + (y - b) ** 2 + (z - c) ** 2) / (2 * sigma**2))
        return total

    def transform(self, k: NDArray[np.float64]) -> NDArray[np.complex128]:
        """The transform at frequencies k[..., (x, y, z)] (Fourier index), with an image's factor 1/box²."""
        k = np.asarray(k, dtype=float)
        total = np.zeros(k.shape[:-1], complex)
        for centre, weight, sigma in zip(self.centres, self.weights, self.sigmas, strict=True):
            width = (2 * np.pi * sigma**2) ** 1.5 / self.box**2
            damping = np.exp(-2 * np.pi**2 * sigma**2 * (k**2).sum(-1) / self.box**2)
            total += weight * width * damping * np.exp(-2j * np.pi * (k @ centre) / self.box)
        return total

    def symmetrised(self, operators: NDArray[np.float64]) -> "Phantom":
        """The phantom with all its mates under the group."""
        centres = np.concatenate([self.centres @ operator.T for operator in operators])
        copies = len(operators)
        return Phantom(
            self.box, centres, np.tile(self.weights, copies), np.tile(self.sigmas, copies)
        )

    def sampled(self, padding: int, radius: int) -> Accumulator:
        """Sums that hold the exact transform at every padded voxel, with weight 1."""
        accumulator = empty_accumulator(padding, radius)
        q = voxel_frequencies(accumulator)
        values = self.transform(q / padding)
        accumulator.sums[..., 0] = torch.from_numpy(values.real)
        accumulator.sums[..., 1] = torch.from_numpy(values.imag)
        accumulator.sums[..., 2] = 1.0
        return accumulator

    def inserted(
        self, rotations: NDArray[np.float64], padding: int, radius: int, mates: bool = False
    ) -> Accumulator:
        """Sums of the exact projections at these rotations, half plane within the disc, weight 1."""
        accumulator = empty_accumulator(padding, radius)
        k = half_plane(radius) * (-1 if mates else 1)
        values = self.transform(np.einsum("oij,pi->opj", rotations, k))
        insert(
            accumulator,
            torch.from_numpy(rotations).float(),
            torch.from_numpy(k[:, 0]).float(),
            torch.from_numpy(k[:, 1]).float(),
            torch.from_numpy(np.stack([values.real, values.imag], 1)).float(),
            torch.ones(len(rotations), len(k)),
        )
        return accumulator


def half_plane(radius: int) -> NDArray[np.float64]:
    """Frequencies (x, y, 0) of the half plane inside the disc, without the duplicates x = 0, y < 0."""
    y, x = np.meshgrid(np.arange(-radius, radius + 1), np.arange(radius + 1), indexing="ij")
    is_kept = (x**2 + y**2 <= radius**2) & ~((x == 0) & (y < 0))
    return np.stack([x[is_kept], y[is_kept], np.zeros(is_kept.sum())], 1).astype(float)


def voxel_frequencies(accumulator: Accumulator) -> NDArray[np.float64]:
    """Padded indices q[z, y, x, (x, y, z)] of all stored voxels."""
    origin = accumulator.origin
    axis = np.arange(-origin, origin + 1)
    z, y, x = np.meshgrid(axis, axis, np.arange(accumulator.sums.shape[2]), indexing="ij")
    return np.stack([x, y, z], -1).astype(float)


def random_phantom(box: int = 32, reach: float = 7.0) -> Phantom:
    """Eight narrow blobs inside a sphere."""
    generator = np.random.default_rng(1)
    centres = generator.standard_normal((8, 3))
    centres *= (
        reach
        * generator.uniform(0, 1, (8, 1)) ** (1 / 3)
        / np.linalg.norm(centres, axis=1, keepdims=True)
    )
    return Phantom(box, centres, generator.uniform(0.5, 1.5, 8), generator.uniform(1.0, 1.4, 8))


def random_rotations(count: int, seed: int = 2) -> NDArray[np.float64]:
    return Rotation.random(count, rng=np.random.default_rng(seed)).as_matrix()


@pytest.fixture(scope="session")
def phantom() -> Phantom:
    return random_phantom()
