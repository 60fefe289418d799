"""The `_model.star` file of a half or of the joined result: parameters and curves."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from compute.files.own_tables import UNKNOWN, known, list_table, loop_table
from compute.files.star import read_tables, write_tables
from compute.files.table import Table


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """What is known of one map after an iteration. Curves have one value per shell i, at i/L.

    `fourier_completeness` counts voxels whose data outweigh the prior; `noise_power` has one row
    per optics group; `direction_probability` one value per coarse direction of the sampling.
    Figures that are not yet known are None.
    """

    map_file: str
    box_size: int
    pixel_size_A: float
    current_size: int
    resolution_A: float | None
    estimated_resolution_A: float | None
    padding: int
    regularisation: float
    mean_norm_correction: float
    sigma_offset_A: float
    is_local_search: bool
    sigma_angle_deg: float
    log_likelihood: float
    mean_pmax: float
    accuracy_angles_deg: float | None
    accuracy_offsets_A: float | None
    overall_fourier_completeness: float
    fsc: Float64[np.ndarray, "shell"]
    ssnr: Float64[np.ndarray, "shell"]
    fourier_completeness: Float64[np.ndarray, "shell"]
    map_noise_power: Float64[np.ndarray, "shell"]
    signal_power: Float64[np.ndarray, "shell"]
    orientability: Float64[np.ndarray, "shell"] | None
    group_names: tuple[str, ...]
    group_particles: Int64[np.ndarray, "group"]
    group_scale: Float64[np.ndarray, "group"]
    noise_power: Float64[np.ndarray, "optics shell"]
    direction_probability: Float64[np.ndarray, "direction"]

    @property
    def extent_A(self) -> float:
        """Edge of the box in Å."""
        return self.box_size * self.pixel_size_A


def write_model(path: Path | str, record: ModelRecord) -> None:
    """Write the blocks of a model file that RELION's tools read."""
    write_tables(path, model_tables(record))


def read_model(path: Path | str) -> dict[str, Any]:
    """The blocks of a model file by name: a dict for a list of values, a DataFrame for a loop."""
    return read_tables(path)


def model_tables(record: ModelRecord) -> list[Table]:
    """All blocks of a model file, in order."""
    groups = {
        "group_number": np.arange(1, len(record.group_names) + 1),
        "group_name": np.array(record.group_names, dtype=object),
        "group_nr_particles": record.group_particles,
        "group_scale_correction": record.group_scale,
    }
    directions = {"orientation_distribution": record.direction_probability}
    return [
        _general(record),
        _classes(record),
        _curves(record),
        loop_table("model_groups", groups),
        *_noise(record),
        loop_table("model_pdf_orient_class_1", directions),
    ]


def _general(record: ModelRecord) -> Table:
    values = {
        "reference_dimensionality": 3,
        "data_dimensionality": 2,
        "original_image_size": record.box_size,
        "current_resolution_A": known(record.resolution_A),
        "current_image_size": record.current_size,
        "padding_factor": record.padding,
        "is_helix": False,
        "fourier_space_interpolator": 1,
        "min_radius_nn_interpolation": 10,
        "pixel_size_A": record.pixel_size_A,
        "nr_classes": 1,
        "nr_bodies": 1,
        "nr_groups": len(record.group_names),
        "nr_optics_groups": len(record.noise_power),
        "tau2_fudge_factor": record.regularisation,
        "norm_correction_average": record.mean_norm_correction,
        "sigma_offsets_A": record.sigma_offset_A,
        "orientational_prior_mode": int(record.is_local_search),
        "sigma_prior_rot_angle_deg": record.sigma_angle_deg,
        "sigma_prior_tilt_angle_deg": record.sigma_angle_deg,
        "sigma_prior_psi_angle_deg": record.sigma_angle_deg,
        "log_likelihood": record.log_likelihood,
        "average_pmax": record.mean_pmax,
    }
    return list_table("model_general", values)


def _classes(record: ModelRecord) -> Table:
    columns = {
        "reference_image": np.array([record.map_file], dtype=object),
        "class_distribution": np.ones(1),
        "accuracy_rotations_deg": np.array([known(record.accuracy_angles_deg)]),
        "accuracy_translations_A": np.array([known(record.accuracy_offsets_A)]),
        "estimated_resolution_A": np.array([known(record.estimated_resolution_A)]),
        "overall_fourier_completeness": np.array([record.overall_fourier_completeness]),
    }
    return loop_table("model_classes", columns)


def _curves(record: ModelRecord) -> Table:
    shells = np.arange(len(record.fsc))
    columns = shell_columns(shells, record.extent_A) | {
        "ssnr_map": record.ssnr,
        "gold_standard_fsc": record.fsc,
        "fourier_completeness": record.fourier_completeness,
        "reference_sigma2": record.map_noise_power,
        "reference_tau2": record.signal_power,
    }
    if record.orientability is not None:
        columns["spectral_orientability_contribution"] = record.orientability
    return loop_table("model_class_1", columns)


def _noise(record: ModelRecord) -> list[Table]:
    """A block of noise power for each optics group; shells without a value are left out."""
    tables = []
    for number, power in enumerate(record.noise_power, start=1):
        shells = np.flatnonzero(power > 0.0)
        columns = {
            "spectral_index": shells,
            "resolution_per_A": shells / record.extent_A,
            "sigma2_noise": power[shells],
        }
        tables.append(loop_table(f"model_optics_group_{number}", columns))
    return tables


def shell_columns(shells: np.ndarray, extent_A: float) -> dict[str, np.ndarray]:
    """Index, frequency (1/Å) and resolution (Å, 999 at zero) of shells of a box of `extent_A`."""
    resolution_A = np.full(len(shells), UNKNOWN)
    resolution_A[shells > 0] = extent_A / shells[shells > 0]
    return {
        "spectral_index": shells,
        "resolution_per_A": shells / extent_A,
        "resolution_A": resolution_A,
    }
