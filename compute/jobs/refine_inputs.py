"""Everything that a refinement reads before it starts, checked."""

import secrets
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from compute.files.errors import InputError
from compute.files.mrc import read_map
from compute.files.particle_checks import check_particles
from compute.files.particles import ParticleSet, read_particles
from compute.params.refine import RefineParams
from compute.sampling.symmetry import parse_symmetry
from compute.signal.fourier import lowpass
from compute.signal.random import uniforms
from compute.signal.resize import resize_map

# Pixel sizes that differ by less are the same to a reader of headers (jobs_and_files §4.5).
PIXEL_TOLERANCE_A = 1e-3
MINIMUM_HALF = 10


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
    for volume in references[:1]:
        remarks += symmetry_remark(volume, params.symmetry)
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
    maps = []
    for path in dict.fromkeys(paths):
        volume = _fitted(Path(path), params.reference_pixel_size_A, box, pixel_size_A, remarks)
        if float(volume.std()) == 0.0:
            raise InputError(
                f"the reference {path} has the same value everywhere; it must show the particle"
            )
        if params.initial_lowpass_A > 0:
            volume = lowpass(volume, pixel_size_A, params.initial_lowpass_A)
        maps.append(volume.numpy())
    return maps[0], maps[-1]


def _fitted(
    path: Path, stated_pixel_size_A: float | None, box: int, pixel_size_A: float, remarks: list[str]
) -> torch.Tensor:
    """A map brought to the particles' box and pixel, with a remark on what was done."""
    found = read_map(path)
    volume = torch.from_numpy(np.ascontiguousarray(found.volume, dtype=np.float32))
    if len(set(volume.shape)) != 1:
        raise InputError(f"{path} has shape {tuple(volume.shape)}; a map must be cubic")
    if not bool(torch.isfinite(volume).all()):
        where = torch.nonzero(~torch.isfinite(volume))[0].tolist()
        raise InputError(f"{path} holds a value that is not finite at voxel z, y, x = {where}")
    own_pixel = stated_pixel_size_A or found.pixel_size_A
    if own_pixel <= 0 or (abs(own_pixel - 1.0) < 1e-6 and abs(pixel_size_A - 1.0) > 0.01):
        remarks.append(
            f"The header of {path} says {own_pixel:.3f} Å per pixel, the particles have {pixel_size_A:.4f} Å; "
            "the header is ignored. State the pixel size with --reference-pixel-size if that is wrong."
        )
        own_pixel = pixel_size_A
    if volume.shape[0] == box and abs(own_pixel - pixel_size_A) <= PIXEL_TOLERANCE_A:
        return volume
    old_box = volume.shape[0]
    volume, reached_A = resize_map(volume, own_pixel, pixel_size_A, box)
    remarks.append(
        f"{path} ({old_box} px, {own_pixel:.4f} Å) was brought to the particles' {box} px and {reached_A:.5f} Å."
    )
    return volume


def _read_mask(path: Path, box: int, pixel_size_A: float, remarks: list[str]) -> np.ndarray:
    """The solvent mask in the particles' box, values in [0, 1]; what had to be repaired is said."""
    mask = _fitted(path, None, box, pixel_size_A, remarks)
    low, high = float(mask.min()), float(mask.max())
    if low < -1e-6 or high > 1 + 1e-6:
        remarks.append(
            f"The mask {path} had values from {low:.3f} to {high:.3f}; they were clipped to 0 and 1."
        )
    mask = mask.clamp(0.0, 1.0)
    covered = float((mask > 0.5).float().mean())
    if covered == 0.0 or float(mask.min()) == 1.0:
        raise InputError(f"the mask {path} is {'empty' if covered == 0.0 else '1 everywhere'}")
    return mask.numpy()


def symmetry_remark(volume: np.ndarray, symmetry: str) -> list[str]:
    """A warning where the map does not look like its point group: least correlation with a rotated copy below 0.5."""
    group = parse_symmetry(symmetry)
    if group.order == 1:
        return []
    worst = least_mate_correlation(torch.from_numpy(volume), group.operators)
    if worst >= 0.5:
        return []
    return [
        f"The reference correlates with its own {group.name} mates by {worst:.2f} only: it may not have this symmetry, "
        "or not lie on the group's axes."
    ]


def least_mate_correlation(volume: torch.Tensor, operators: np.ndarray) -> float:
    """The smallest correlation of a map with its copies turned by the operators, inside the largest sphere."""
    box = volume.shape[0]
    axis = (torch.arange(box) - box // 2).float()
    z, y, x = torch.meshgrid(axis, axis, axis, indexing="ij")
    inside = (x * x + y * y + z * z) < (0.45 * box) ** 2
    points = torch.stack([x[inside], y[inside], z[inside]], dim=1)
    values = volume[inside] - volume[inside].mean()
    worst = 1.0
    for operator in operators[1:]:
        turned = points @ torch.from_numpy(operator.T.copy()).float()
        grid = (turned + box // 2) * (2 / (box - 1)) - 1
        sampled = torch.nn.functional.grid_sample(
            volume[None, None], grid[None, None, None], align_corners=True
        ).view(-1)
        sampled = sampled - sampled.mean()
        score = (values @ sampled) / (values.norm() * sampled.norm()).clamp(min=1e-20)
        worst = min(worst, float(score))
    return worst


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
