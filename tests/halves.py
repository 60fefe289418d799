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


def planted_halves(
    seed: int, b_factor_A2: float = 200.0, resolution_A: float = 3.6, radius: float = 16.0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Two maps of the same atoms with amplitudes exp(-B s^2 / 4) in a sphere, with independent white noise.

    The noise fills the sphere inscribed in the box, as in a reconstruction. Its level is such that
    the FSC inside the particle's sphere falls to about 0.143 near the given resolution.
    """
    generator = torch.Generator().manual_seed(seed)
    ball = sphere(BOX, radius, 2.0)
    atoms = (torch.rand(BOX, BOX, BOX, generator=generator) < 0.03).float() * ball
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
