"""The suggested threshold, on maps whose molecule is known."""

from pathlib import Path

import numpy as np
import pytest
import torch

from compute.files.atoms import read_atoms
from compute.jobs.specimen import built_in_phantom
from compute.signal.binary import extended
from compute.signal.density import density_map
from compute.signal.fourier import lowpass
from compute.signal.phantom import phantom_map
from compute.signal.threshold import (
    density_levels,
    mass_kDa,
    threshold_of_volume,
    volume_A3,
    within_sphere,
)
from tests.data import phantom_params

MODELS = Path(__file__).parents[4] / "shared" / "data" / "models"
PIXEL_A, RESOLUTION_A = 3.0, 15.0


def noisy(volume: torch.Tensor, noise: float) -> np.ndarray:
    """The map with white noise of this many of its deviations, low-passed."""
    random = torch.Generator().manual_seed(1)
    white = torch.randn(volume.shape, generator=random)
    return lowpass(volume + noise * volume.std() * white, PIXEL_A, RESOLUTION_A).numpy()


def voxels_of(positions_A: np.ndarray, box: int) -> tuple[np.ndarray, ...]:
    """The voxels (z, y, x) of points (x, y, z) in Å from the centre."""
    return tuple(
        np.round(positions_A[:, axis] / PIXEL_A).astype(int) + box // 2 for axis in (2, 1, 0)
    )


@pytest.mark.parametrize("noise", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_phantom_is_inside(noise: float, seed: int) -> None:
    box = 64
    phantom = built_in_phantom(
        phantom_params(".", box=box, pixel_size_A=PIXEL_A, random_seed=seed, symmetry="C1")
    )
    values = noisy(phantom_map(phantom, box, PIXEL_A), noise)
    levels = density_levels(values)
    is_inside = values >= levels.threshold
    covered = extended(is_inside, 6.0 / PIXEL_A)[voxels_of(phantom.positions_A.numpy(), box)]
    assert covered.mean() > 0.995
    assert levels.is_above_noise
    assert abs(levels.solvent) < 0.05 * levels.molecule
    half = values >= 0.5 * (levels.solvent + levels.molecule)
    assert 1.0 <= is_inside.sum() / half.sum() < 1.5


@pytest.mark.parametrize(
    ("model", "protein_kDa"), [("4OYN.pdb", 477), ("5a1a.cif", 433), ("ribosome.pdb", 685)]
)
@pytest.mark.parametrize("noise", [0.0, 2.0])
def test_the_volume_is_near_that_of_the_mass(model: str, protein_kDa: float, noise: float) -> None:
    """At 15 Å clefts and cavities are filled, so that the surface encloses up to half as much again."""
    if not (MODELS / model).exists():
        pytest.skip("the shared models are not there")
    atoms = read_atoms(MODELS / model)
    box = 2 * int(np.ceil(1.3 * atoms.radius_A / PIXEL_A))
    volume = density_map(
        torch.from_numpy(atoms.positions_A), torch.from_numpy(atoms.weights), box, PIXEL_A, 60.0
    )
    values = noisy(volume, noise)
    levels = density_levels(values)
    is_inside = values >= levels.threshold
    found_kDa = mass_kDa(float(is_inside.sum()) * PIXEL_A**3)
    assert 1.1 < found_kDa / protein_kDa < 1.55
    assert extended(is_inside, 6.0 / PIXEL_A)[voxels_of(atoms.positions_A, box)].mean() > 0.995


def test_levels_are_relative_to_any_scale() -> None:
    phantom = built_in_phantom(phantom_params(".", box=32))
    values = phantom_map(phantom, 32, 4.0).numpy().astype(np.float32)
    levels = density_levels(values)
    moved = density_levels(-7.0 + 100.0 * values)
    for name in ("solvent", "molecule", "threshold"):
        expected = -7.0 + 100.0 * getattr(levels, name)
        assert getattr(moved, name) == pytest.approx(expected, rel=1e-3, abs=1e-2)


def test_more_noise_raises_the_threshold_up_to_half_and_then_it_is_told() -> None:
    phantom = built_in_phantom(phantom_params(".", box=48, pixel_size_A=PIXEL_A))
    volume = phantom_map(phantom, 48, PIXEL_A)
    found = [density_levels(noisy(volume, noise)) for noise in (0.0, 3.0, 30.0)]
    shares = [(one.threshold - one.solvent) / (one.molecule - one.solvent) for one in found]
    assert shares[0] == pytest.approx(0.3)
    assert 0.3 < shares[1] <= 0.5 and shares[2] == pytest.approx(0.5)
    assert found[0].is_above_noise and not found[2].is_above_noise


def test_a_flattened_map_has_no_noise() -> None:
    volume = np.zeros((32, 32, 32), dtype=np.float32)
    volume[10:20, 10:20, 10:20] = 2.0
    levels = density_levels(volume)
    assert (levels.solvent, levels.noise, levels.molecule) == (0.0, 0.0, 2.0)
    assert levels.threshold == pytest.approx(0.6)


def test_a_constant_map_shows_nothing() -> None:
    with pytest.raises(ValueError, match="value 3 everywhere"):
        density_levels(np.full((8, 8, 8), 3.0, dtype=np.float32))


def test_a_threshold_for_a_volume_is_exact() -> None:
    volume = np.random.default_rng(0).normal(size=(16, 16, 16)).astype(np.float32)
    everywhere = np.ones_like(volume, dtype=bool)
    threshold = threshold_of_volume(volume, everywhere, 500.0)
    assert (volume >= np.float32(threshold)).sum() == 500
    with pytest.raises(ValueError, match="5000 voxels are asked for but only 4096"):
        threshold_of_volume(volume, everywhere, 5000.0)


def test_mass_and_volume_belong_together() -> None:
    assert volume_A3(81.0) == pytest.approx(100_000.0)
    assert mass_kDa(volume_A3(433.0)) == pytest.approx(433.0)
    assert within_sphere(8).sum() == pytest.approx(4 / 3 * np.pi * 4**3, rel=0.1)
