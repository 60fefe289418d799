"""A set of particle images: where each lies, how it was taken, and where it points."""

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Float64, Int8, Integer

from compute.files.labels import star_label
from compute.files.optics import OpticsGroup
from compute.files.table import Table


@dataclass(frozen=True, slots=True)
class ParticleSet:
    """The particles of a STAR file, in its order.

    table, optics_table: all input columns, in the present layout. optics_index: position in
    `optics`. stack_index, slice_index: position in `stacks`, and of the image in its stack (from
    0). Defocus in Å, positive for underfocus. origin_A: shift that centres the particle. half: 1
    or 2, 0 where none is given. Groups share an intensity scale. path: the file that was read.
    """

    table: Table
    optics_table: Table
    optics: tuple[OpticsGroup, ...]
    optics_index: Integer[np.ndarray, "particle"]
    stacks: tuple[Path, ...]
    stack_index: Integer[np.ndarray, "particle"]
    slice_index: Integer[np.ndarray, "particle"]
    defocus_u_A: Float64[np.ndarray, "particle"]
    defocus_v_A: Float64[np.ndarray, "particle"]
    defocus_angle_deg: Float64[np.ndarray, "particle"]
    phase_shift_deg: Float64[np.ndarray, "particle"]
    ctf_b_factor_A2: Float64[np.ndarray, "particle"]
    ctf_scale: Float64[np.ndarray, "particle"]
    has_ctf: bool
    angles_deg: Float64[np.ndarray, "particle 3"]
    origin_A: Float64[np.ndarray, "particle 2"]
    half: Int8[np.ndarray, "particle"]
    norm_correction: Float64[np.ndarray, "particle"]
    group_names: tuple[str, ...]
    group_index: Integer[np.ndarray, "particle"]
    micrograph_index: Integer[np.ndarray, "particle"]
    path: Path

    def __len__(self) -> int:
        return len(self.optics_index)

    def image_name(self, row: int) -> str:
        """The image of a particle as the STAR file names it, as in `000012@stack.mrcs`."""
        return str(self.table.columns[star_label("image_name")][row])

    def subset(self, rows: Integer[np.ndarray, "chosen"]) -> "ParticleSet":
        """The particles in these rows, in this order, with the same groups, optics and stacks."""
        chosen: dict[str, Any] = {
            item.name: getattr(self, item.name)[rows]
            for item in fields(self)
            if isinstance(getattr(self, item.name), np.ndarray)
        }
        columns = {label: values[rows] for label, values in self.table.columns.items()}
        return replace(self, table=replace(self.table, columns=columns), **chosen)


@dataclass(frozen=True, slots=True)
class ParticleResults:
    """What a refinement found for every particle; group_number counts from 1."""

    angles_deg: Float[np.ndarray, "particle 3"]
    origin_A: Float[np.ndarray, "particle 2"]
    class_number: Integer[np.ndarray, "particle"]
    norm_correction: Float[np.ndarray, "particle"]
    log_likelihood: Float[np.ndarray, "particle"]
    max_probability: Float[np.ndarray, "particle"]
    significant_samples: Integer[np.ndarray, "particle"]
    half: Integer[np.ndarray, "particle"]
    group_number: Integer[np.ndarray, "particle"]
