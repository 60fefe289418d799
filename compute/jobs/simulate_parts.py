"""What simulated particle sets and simulated micrographs have in common: maps, tables and names."""

from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from compute.files.errors import InputError
from compute.files.labels import star_label
from compute.files.mrc import write_map
from compute.files.table import Table
from compute.jobs.microscope import Microscope
from compute.jobs.specimen import Specimen
from compute.params.coefficients import parse_coefficients, parse_magnification
from compute.params.simulate import SimulateParams
from compute.signal.fourier import lowpass

Content = Literal["particles", "micrographs", "coordinates", "map"]


def write_maps(params: SimulateParams, volume: Float32[Tensor, "z y x"]) -> tuple[Path, Path]:
    """Write the true map and the start map; returns both paths."""
    root = Path(params.output)
    truth_map, reference = beside(root, "_truth.mrc"), beside(root, "_reference.mrc")
    write_map(truth_map, volume.cpu().numpy(), params.pixel_size_A)
    start = lowpass(volume, params.pixel_size_A, params.reference_resolution_A)
    write_map(reference, start.cpu().numpy(), params.pixel_size_A)
    return truth_map, reference


def truth_columns(microscope: Microscope) -> dict[str, np.ndarray]:
    """What is true of every particle, by our names."""
    particles = microscope.particles
    return {
        "defocus_u_A": microscope.defocus[:, 0],
        "defocus_v_A": microscope.defocus[:, 1],
        "ctf_b_factor_A2": np.full(len(particles.kind), microscope.params.b_factor_A2),
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


def optics_table(params: SimulateParams) -> Table:
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
    return named_table("optics", columns | _aberrations(params))


def _aberrations(params: SimulateParams) -> dict[str, np.ndarray]:
    """What the optics table tells of aberrations, by our names; nothing of what the microscope does not have."""
    found: dict[str, np.ndarray] = {}
    if params.beam_tilt_x_mrad or params.beam_tilt_y_mrad:
        found["beam_tilt_x_mrad"] = np.array([params.beam_tilt_x_mrad])
        found["beam_tilt_y_mrad"] = np.array([params.beam_tilt_y_mrad])
    for name, text in (("odd_zernike", params.odd_zernike), ("even_zernike", params.even_zernike)):
        if coefficients := parse_coefficients(text):
            listed = ",".join(f"{one:.12g}" for one in coefficients)
            found[name] = np.array([f"[{listed}]"], dtype=object)
    if matrix := parse_magnification(params.magnification):
        names = ("mag_mat00", "mag_mat01", "mag_mat10", "mag_mat11")
        found |= {name: np.array([value]) for name, value in zip(names, matrix, strict=True)}
    if params.premultiply_ctf:
        found["ctf_data_are_ctf_premultiplied"] = np.array([True])
    return found


def named_table(name: str, columns: dict[str, np.ndarray]) -> Table:
    """A table from columns by our names."""
    return Table(name, {star_label(key): values for key, values in columns.items()})


def diameter_of(params: SimulateParams, specimen: Specimen) -> float:
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


def device_of(name: str) -> torch.device:
    """The device to compute on; InputError where this machine has none such."""
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise InputError(f"the device is '{name}' but PyTorch finds no CUDA device here: use cpu")
    return torch.device(name)


def beside(root: Path, end: str) -> Path:
    """A file whose name begins with the root's."""
    return root.with_name(root.name + end)
