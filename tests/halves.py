"""Half-maps with known statistics, made for tests: scattered atoms in a sphere, and independent noise."""

from pathlib import Path

import numpy as np
import torch

from compute.files.mrc import write_map
from compute.signal.fourier import radial_frequency
from compute.signal.masks import sphere

BOX, PIXEL_A = 48, 1.5
EXTENT_A = BOX * PIXEL_A
MASK_RADIUS = 18.0


def shaped(volume: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """A volume whose transform was multiplied with a weight."""
    return torch.fft.irfftn(torch.fft.rfftn(volume) * weight, s=volume.shape)


def frequency(box: int = BOX, pixel_size_A: float = PIXEL_A) -> torch.Tensor:
    """|s| in 1/Å of each value of a half transform."""
    return radial_frequency(box, 3) / (box * pixel_size_A)


def planted_atoms(seed: int, radius: float = 16.0) -> torch.Tensor:
    """The atoms that `planted_halves` of the same seed hold, with amplitudes that do not fall."""
    generator = torch.Generator().manual_seed(seed)
    return _atoms(generator, radius)


def _atoms(generator: torch.Generator, radius: float) -> torch.Tensor:
    ball = sphere(BOX, radius, 2.0)
    return (torch.rand(BOX, BOX, BOX, generator=generator) < 0.03).float() * ball


def planted_halves(
    seed: int, b_factor_A2: float = 200.0, resolution_A: float = 3.6, radius: float = 16.0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Two maps of the same atoms with amplitudes exp(-B s^2 / 4) in a sphere, with independent white noise.

    The noise fills the sphere inscribed in the box, as in a reconstruction. Its level is such that
    the FSC inside the particle's sphere falls to about 0.143 near the given resolution.
    """
    generator = torch.Generator().manual_seed(seed)
    atoms = _atoms(generator, radius)
    signal = shaped(atoms, torch.exp(-b_factor_A2 / 4 * frequency().square()))
    whole = sphere(BOX, BOX / 2 - 4, 3.0)
    faintest = np.exp(-b_factor_A2 / 4 / resolution_A**2) * float(atoms.norm()) / BOX**1.5
    level = faintest * np.sqrt(6.0 / float(whole.square().mean()))
    noise = torch.randn(2, BOX, BOX, BOX, generator=generator)
    halves = (signal + level * noise) * whole
    return halves[0], halves[1]


def write_halves(
    folder: Path, halves: tuple[torch.Tensor, torch.Tensor], pixel_size_A: float = PIXEL_A
) -> str:
    """Write two half-maps as run_half1.mrc and run_half2.mrc; the name of the first."""
    for number, half in enumerate(halves, start=1):
        write_map(folder / f"run_half{number}.mrc", half.numpy(), pixel_size_A)
    return str(folder / "run_half1.mrc")


def write_mask(folder: Path, mask: torch.Tensor, pixel_size_A: float = PIXEL_A) -> str:
    """Write a mask as mask.mrc; its name."""
    write_map(folder / "mask.mrc", mask.numpy(), pixel_size_A)
    return str(folder / "mask.mrc")


def distances_A(box: int, pixel_size_A: float) -> torch.Tensor:
    """The distance of each voxel from the centre of the box."""
    x = (torch.arange(box) - box // 2).square().float()
    return (x[:, None, None] + x[:, None] + x).sqrt() * pixel_size_A


def core_and_rim(seed: int, box: int, pixel_size_A: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Half-maps of a ball of 38 Å: FSC 0.143 at 4 Å in its core of 18 Å, and at 8 Å around that.

    The noise is white and the same everywhere. The core's amplitudes fall with a B-factor of 100 Å^2 and
    the rim's with one of 400 Å^2, so that the rim at 8 Å is as faint as the core at 4 Å, where the
    power of the noise is six times that of the signal (FSC 1/7).
    """
    generator = torch.Generator().manual_seed(seed)
    s = frequency(box, pixel_size_A)
    core = sphere(box, 18.0 / pixel_size_A, 2.0)
    rim = sphere(box, 38.0 / pixel_size_A, 2.0) - core
    white = torch.randn(box, box, box, generator=generator)
    noise = torch.randn(2, box, box, box, generator=generator)
    sharp = shaped(white, torch.exp(-100.0 / 4 * s.square())) * core
    blurred = shaped(white, torch.exp(-400.0 / 4 * s.square())) * rim
    halves = sharp + blurred + np.sqrt(6.0) * float(np.exp(-100.0 / 4 / 16)) * noise
    return halves[0], halves[1]
