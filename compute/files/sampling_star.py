"""The `_sampling.star` file of an iteration: how orientations and offsets are sampled."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

from compute.files.own_tables import list_table, loop_table
from compute.files.star import read_tables, write_tables
from compute.files.table import Table


@dataclass(frozen=True, slots=True)
class SamplingRecord:
    """The coarse grid of an iteration, and the one that the run began with (`first_...`).

    The step in degrees belongs to the coarse grid, 60° / 2^order. `perturbation` is the amount by
    which the grid was moved, in units of the step, `perturbation_factor` its largest value.
    `directions_deg` holds rot and tilt of every coarse direction.
    """

    healpix_order: int
    symmetry: str
    offset_range_A: float
    offset_step_A: float
    perturbation: float
    perturbation_factor: float
    first_healpix_order: int
    first_offset_range_A: float
    first_offset_step_A: float
    directions_deg: Float64[np.ndarray, "direction 2"]


def write_sampling(path: Path | str, record: SamplingRecord) -> None:
    """Write the blocks of a sampling file that RELION's tools read."""
    write_tables(path, sampling_tables(record))


def sampling_tables(record: SamplingRecord) -> list[Table]:
    """Both blocks of a sampling file. There are no tilt limits (-91) and no helices (-1)."""
    values = {
        "is_3d_sampling": True,
        "is_3d_translational_sampling": False,
        "healpix_order": record.healpix_order,
        "symmetry_group": record.symmetry,
        "tilt_angle_limit_deg": -91.0,
        "psi_step_deg": 60.0 / 2**record.healpix_order,
        "offset_range_A": record.offset_range_A,
        "offset_step_A": record.offset_step_A,
        "helical_offset_step_A": -1.0,
        "sampling_perturb_instance": record.perturbation,
        "sampling_perturb_factor": record.perturbation_factor,
        "healpix_order_original": record.first_healpix_order,
        "psi_step_original_deg": 60.0 / 2**record.first_healpix_order,
        "offset_range_original_A": record.first_offset_range_A,
        "offset_step_original_A": record.first_offset_step_A,
    }
    directions = {
        "angle_rot_deg": record.directions_deg[:, 0],
        "angle_tilt_deg": record.directions_deg[:, 1],
    }
    return [
        list_table("sampling_general", values),
        loop_table("sampling_directions", directions),
    ]


def read_sampling(path: Path | str) -> dict[str, Any]:
    """The blocks of a sampling file by name: a dict of settings, a DataFrame of directions."""
    return read_tables(path)
