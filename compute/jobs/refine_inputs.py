"""Everything that a refinement reads before it starts, checked."""

import secrets
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from compute.files.errors import InputError
from compute.files.particle_checks import check_particles
from compute.files.particles import ParticleSet, read_particles
from compute.jobs.hand_check import hand_remark
from compute.jobs.map_input import PIXEL_TOLERANCE_A, read_cube
from compute.jobs.symmetry_check import symmetry_remark
from compute.params.refine import RefineParams
from compute.signal.fourier import lowpass
from compute.signal.random import uniforms
from compute.signal.resize import resize_map

MINIMUM_HALF = 10
REFERENCE_ADVICE = "State it with --reference-pixel-size if that is wrong."
MASK_ADVICE = "Write the pixel size to the header if that is wrong."


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a refinement starts from; remarks are sentences that the user should read.

    rows: rows of the particle set in half 1 and half 2. references: start map of each half, filtered and in the
    particles' box. mask: solvent mask or None.
    """

    particles: ParticleSet
    rows: tuple[np.ndarray, np.ndarray]
    references: tuple[np.ndarray, np.ndarray]
    mask: np.ndarray | None
    box: int
    pixel_size_A: float
    seed: int
    remarks: tuple[str, ...]


def read_inputs(params: RefineParams) -> Inputs:
    """Particles, halves, references and mask of a new refinement.

    Raises InputError with one sentence for whatever cannot be used.
    """
    remarks: list[str] = []
    particles = read_particles(Path(params.particles))
    remarks += check_particles(particles, needs_ctf=params.correct_ctf)
    box, pixel_size_A = particles.optics[0].image_size, particles.optics[0].pixel_size_A
    seed = params.random_seed if params.random_seed >= 0 else secrets.randbelow(2**31)
    rows = split_halves(particles, seed)
    references = _read_references(params, box, pixel_size_A, remarks)
    mask = None
    if params.solvent_mask:
        mask = _read_mask(Path(params.solvent_mask), box, pixel_size_A, remarks)
    remarks += _diameter_remarks(params, box, pixel_size_A)
    return Inputs(particles, rows, references, mask, box, pixel_size_A, seed, tuple(remarks))


def split_halves(particles: ParticleSet, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of half 1 and half 2: those of the file, or a random split into equal halves.

    Every particle draws a number keyed by (seed, row); the ranks of the numbers decide. Raises InputError where a
    half would have fewer than ten particles.
    """
    half = particles.half
    if not np.all(half > 0):
        order = np.argsort(uniforms(seed, "half-sets", np.arange(len(half)))[:, 0], kind="stable")
        half = np.empty(len(order), dtype=np.int8)
        half[order] = np.arange(len(order)) % 2 + 1
    rows = (np.flatnonzero(half == 1), np.flatnonzero(half == 2))
    fewest = min(len(rows[0]), len(rows[1]))
    if fewest < MINIMUM_HALF:
        raise InputError(
            f"{len(half)} particles leave {fewest} for the smaller half-set; at least {MINIMUM_HALF} are needed"
        )
    return rows


def _read_references(
    params: RefineParams, box: int, pixel_size_A: float, remarks: list[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Start maps of both halves in the particles' box, low-passed."""
    paths = [params.reference, params.reference]
    if params.reference_half1:
        paths = [params.reference_half1, params.reference_half2]
        remarks.append(f"Half 1 starts from {paths[0]}, half 2 from {paths[1]}.")
    maps: list[np.ndarray] = []
    for path in dict.fromkeys(paths):
        volume, header_A = read_cube(Path(path))
        own_A = params.reference_pixel_size_A or _known_pixel_A(
            Path(path), header_A, pixel_size_A, REFERENCE_ADVICE, remarks
        )
        volume = _fitted(Path(path), volume, own_A, box, pixel_size_A, remarks)
        if float(volume.std()) == 0.0:
            raise InputError(
                f"the reference {path} has the same value everywhere; it must show the particle"
            )
        if not maps:
            remarks += symmetry_remark(volume, pixel_size_A, params.symmetry)
            remarks += hand_remark(volume, pixel_size_A, params.initial_lowpass_A)
        if params.initial_lowpass_A > 0:
            volume = lowpass(volume, pixel_size_A, params.initial_lowpass_A)
        maps.append(volume.numpy())
    return maps[0], maps[-1]


def _known_pixel_A(
    path: Path, header_A: float, pixel_size_A: float, advice: str, remarks: list[str]
) -> float:
    """The pixel size of a header, or that of the particles where it states none (0, or 1.000 as many programs write).

    advice: what to do where that is wrong.
    """
    if header_A > 0 and (abs(header_A - 1.0) > 1e-6 or abs(pixel_size_A - 1.0) <= 0.01):
        return header_A
    remarks.append(
        f"The header of {path} says {header_A:.3f} Å per pixel; it is taken as {pixel_size_A:.5g} Å, that of the "
        f"particles. {advice}"
    )
    return pixel_size_A


def _fitted(
    path: Path,
    volume: torch.Tensor,
    own_A: float,
    box: int,
    pixel_size_A: float,
    remarks: list[str],
) -> torch.Tensor:
    """A map with pixels of own_A brought to the particles' box and pixel, with a remark on what was done."""
    old_box = volume.shape[0]
    if old_box == box and abs(own_A - pixel_size_A) <= PIXEL_TOLERANCE_A:
        return volume
    remarks.append(
        f"{path} ({old_box} px, {own_A:.4f} Å) was brought to the particles' {box} px and {pixel_size_A:.5f} Å."
    )
    return resize_map(volume, own_A, pixel_size_A, box)


def _read_mask(path: Path, box: int, pixel_size_A: float, remarks: list[str]) -> np.ndarray:
    """The solvent mask in the particles' box, values in [0, 1]; what had to be repaired is said."""
    mask, header_A = read_cube(path)
    low, high = float(mask.min()), float(mask.max())
    if low < -1e-6 or high > 1 + 1e-6:
        remarks.append(
            f"The mask {path} had values from {low:.3f} to {high:.3f}; they were clipped to 0 and 1."
        )
    mask = mask.clamp(0.0, 1.0)
    covered = float((mask > 0.5).float().mean())
    if covered == 0.0 or float(mask.min()) == 1.0:
        problem = "has no value above 0.5" if covered == 0.0 else "is 1 everywhere"
        raise InputError(
            f"the mask {path} {problem}; it must be 1 where the molecule is and 0 in the solvent"
        )
    own_A = _known_pixel_A(path, header_A, pixel_size_A, MASK_ADVICE, remarks)
    fitted = _fitted(path, mask, own_A, box, pixel_size_A, remarks)
    return fitted.clamp(0.0, 1.0).numpy()


def _diameter_remarks(params: RefineParams, box: int, pixel_size_A: float) -> list[str]:
    """A sentence where the mask is as wide as the box or the low-pass is finer than the pixels."""
    remarks = []
    if params.particle_diameter_A >= box * pixel_size_A:
        remarks.append(
            f"The mask diameter {params.particle_diameter_A:g} Å is not smaller than the box, "
            f"{box * pixel_size_A:.1f} Å: images will not be masked."
        )
    if 0 < params.initial_lowpass_A < 2 * pixel_size_A:
        raise InputError(
            f"the initial low-pass of {params.initial_lowpass_A:g} Å is finer than two pixels, {2 * pixel_size_A:.3f} Å"
        )
    return remarks
