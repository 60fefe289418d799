"""Simulated particle sets: a specimen, its images under the microscope, and the truth about them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from compute.files.errors import InputError
from compute.files.labels import star_label
from compute.files.mrc import StackWriter, write_map
from compute.files.star import write_star
from compute.files.table import Table
from compute.jobs.microscope import PIXELS_AT_ONCE, Microscope, build_microscope
from compute.jobs.specimen import Specimen, read_specimen
from compute.params.simulate import SimulateParams
from compute.signal.fourier import lowpass
from compute.signal.simulation import PARTICLE


@dataclass(frozen=True, slots=True)
class SimulatedSet:
    """The files that were written, and what the images measure."""

    stacks: tuple[Path, ...]
    particles: Path
    truth_particles: Path
    truth_map: Path
    reference: Path
    pixel_size_A: float
    particle_diameter_A: float


def run(params: SimulateParams, log: Callable[[str], object] = print) -> SimulatedSet:
    """The files of a simulated particle set, written beside each other under `params.output`.

    The stack or stacks, `.star` (CTF as a fit would give it, no poses), `_truth.star` (poses,
    defocus with jitter, norm and scale, half; class 1 is a particle, 2 noise alone, 3
    contamination), `_truth.mrc` in the scale of the images, and `_reference.mrc`, the truth
    low-passed. Same parameters, same bytes.
    Raises InputError for input that cannot be used.
    """
    device = _device(params.device)
    specimen = read_specimen(params, device)
    diameter_A = _diameter(params, specimen)
    log(
        f" {specimen.description}: radius {specimen.radius_A:.1f} Å in a box of {params.box} pixels "
        f"of {params.pixel_size_A:g} Å; particle diameter {diameter_A:.1f} Å"
    )
    microscope, volume = build_microscope(params, specimen, diameter_A)
    root = Path(params.output)
    root.parent.mkdir(parents=True, exist_ok=True)
    truth_map, reference = _beside(root, "_truth.mrc"), _beside(root, "_reference.mrc")
    write_map(truth_map, volume.cpu().numpy(), params.pixel_size_A)
    start = lowpass(volume, params.pixel_size_A, params.reference_resolution_A)
    write_map(reference, start.cpu().numpy(), params.pixel_size_A)
    stacks, names = _write_stacks(microscope, root, log)
    tables = _tables(microscope, names)
    files = (_beside(root, ".star"), _beside(root, "_truth.star"))
    for path, table in zip(files, tables, strict=True):
        write_star(path, [_optics_table(params), table])
    junk = int((microscope.particles.kind != PARTICLE).sum())
    log(f" {params.particles} particles ({junk} of them junk) written to {files[0]}")
    return SimulatedSet(stacks, *files, truth_map, reference, params.pixel_size_A, diameter_A)


def _write_stacks(
    microscope: Microscope, root: Path, log: Callable[[str], object]
) -> tuple[tuple[Path, ...], list[str]]:
    """The stacks, and every image's name (number from 1 and stack)."""
    params = microscope.params
    image_bytes = params.box**2 * (2 if params.float16 else 4)
    most = max(1, int(params.stack_limit_GB * 1e9) // image_bytes)
    stacks, names = [], []
    for number, first in enumerate(range(0, params.particles, most), start=1):
        last = min(first + most, params.particles)
        only_one = params.particles <= most
        path = _beside(root, ".mrcs" if only_one else f"_{number:04d}.mrcs")
        stack = StackWriter(path, params.box, params.pixel_size_A, float16=params.float16)
        with stack as writer:
            for ids in _batches(params):
                kept = (ids >= first) & (ids < last)
                if kept.any():
                    writer.append(microscope.images(ids).cpu().numpy()[kept])
                    log(f" {int(ids[kept][-1]) + 1} of {params.particles} images")
        stacks.append(path)
        names += [f"{n:06d}@{path}" for n in range(1, last - first + 1)]
    return tuple(stacks), names


def _batches(params: SimulateParams) -> Iterator[np.ndarray]:
    """Particle numbers of the images that are made together, whatever stacks they go to.

    Fixed by the box alone, because sums over a batch of another size round differently.
    """
    size = min(256, max(1, PIXELS_AT_ONCE // params.box**2))
    for first in range(0, params.particles, size):
        yield np.arange(first, min(first + size, params.particles))


def _tables(microscope: Microscope, names: list[str]) -> tuple[Table, Table]:
    """The particle table as it would come from extraction, and the same with the truth."""
    particles, count = microscope.particles, len(names)
    defocus = microscope.defocus.copy()
    defocus[:, :2] -= particles.defocus_jitter_A[:, None]
    known = {
        "image_name": np.array(names),
        "micrograph_name": np.array([f"micrograph_{m + 1:05d}.mrc" for m in particles.micrograph]),
        "optics_group": np.ones(count, dtype=np.int64),
        "defocus_u_A": defocus[:, 0],
        "defocus_v_A": defocus[:, 1],
        "defocus_angle_deg": defocus[:, 2],
        "phase_shift_deg": np.zeros(count),
    }
    truth = known | {
        "defocus_u_A": microscope.defocus[:, 0],
        "defocus_v_A": microscope.defocus[:, 1],
        "ctf_b_factor_A2": np.full(count, microscope.params.b_factor_A2),
        "angle_rot_deg": particles.angles_deg[:, 0],
        "angle_tilt_deg": particles.angles_deg[:, 1],
        "angle_psi_deg": particles.angles_deg[:, 2],
        "origin_x_A": particles.origin_A[:, 0],
        "origin_y_A": particles.origin_A[:, 1],
        "norm_correction": particles.norm,
        "group_scale_correction": particles.scale,
        "class_number": particles.kind,
        "random_subset": particles.half,
    }
    return _table("particles", known), _table("particles", truth)


def _optics_table(params: SimulateParams) -> Table:
    """The one optics group of the set."""
    columns = {
        "optics_group_name": np.array(["opticsGroup1"]),
        "optics_group": np.array([1]),
        "micrograph_original_pixel_size_A": np.array([params.pixel_size_A]),
        "voltage_kV": np.array([params.voltage_kV]),
        "spherical_aberration_mm": np.array([params.spherical_aberration_mm]),
        "amplitude_contrast": np.array([params.amplitude_contrast]),
        "image_pixel_size_A": np.array([params.pixel_size_A]),
        "image_size": np.array([params.box]),
        "image_dimensionality": np.array([2]),
    }
    return _table("optics", columns)


def _table(name: str, columns: dict[str, np.ndarray]) -> Table:
    return Table(name, {star_label(key): values for key, values in columns.items()})


def _diameter(params: SimulateParams, specimen: Specimen) -> float:
    """The particle's diameter in Å, given or the specimen's own; leaves background in the box."""
    diameter_A = params.particle_diameter_A or 2.0 * specimen.radius_A
    largest = (params.box - 4) * params.pixel_size_A
    if diameter_A > largest:
        raise InputError(
            f"the particle diameter is {diameter_A:.1f} Å but a box of {params.box} pixels of "
            f"{params.pixel_size_A:g} Å leaves background for at most {largest:.1f} Å: "
            "take a larger box, a larger pixel size or a smaller diameter"
        )
    return diameter_A


def _device(name: str) -> torch.device:
    """The device to compute on; InputError where this machine has none such."""
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise InputError(f"the device is '{name}' but PyTorch finds no CUDA device here: use cpu")
    return torch.device(name)


def _beside(root: Path, end: str) -> Path:
    return root.with_name(root.name + end)
