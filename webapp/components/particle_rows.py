"""The particles of an iteration as rows of a table: sorted, narrowed down and cut into pages on the server."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from compute.files.labels import star_label
from compute.files.particle_set import ParticleSet
from compute.files.particles import read_particles
from compute.files.star import read_star
from compute.params.preview import ParticleRequest
from webapp.components.particle_plots import FAR, distances

PAGE_ROWS = 50
EVERYBODY, FAR_ONES = "all particles", "far from the others"
COLUMNS: list[dict[str, Any]] = [
    {"key": "row", "label": "Row", "kind": "number", "help": "In the data file, from 1"},
    {"key": "image", "label": "Image", "kind": "path"},
    {"key": "half", "label": "Half", "kind": "number"},
    {"key": "class", "label": "Class", "kind": "number"},
    {"key": "pmax", "label": "Pmax", "kind": "number", "digits": 3},
    {"key": "log_likelihood", "label": "Log-likelihood", "kind": "number", "digits": 1},
    {"key": "norm", "label": "Norm", "kind": "number", "digits": 3},
    {"key": "scale", "label": "Scale", "kind": "number", "digits": 3, "help": "Of its group"},
    {"key": "samples", "label": "Poses", "kind": "number", "help": "Significant ones"},
    {"key": "defocus", "label": "Defocus", "unit": "Å", "kind": "number", "digits": 0},
    {"key": "rot", "label": "Rot", "unit": "°", "kind": "number", "digits": 1},
    {"key": "tilt", "label": "Tilt", "unit": "°", "kind": "number", "digits": 1},
    {"key": "psi", "label": "Psi", "unit": "°", "kind": "number", "digits": 1},
    {"key": "x_A", "label": "x", "unit": "Å", "kind": "number", "digits": 1},
    {"key": "y_A", "label": "y", "unit": "Å", "kind": "number", "digits": 1},
]
_PLAIN = {
    "class": "class_number",
    "pmax": "max_value_prob_distribution",
    "log_likelihood": "log_likeli_contribution",
    "norm": "norm_correction",
    "samples": "nr_of_significant_samples",
}
_WHOLE = frozenset({"row", "half", "class", "samples"})
NARROWING = ("pmax", "log_likelihood", "norm", "scale", "samples", "defocus", "tilt")
"""The columns by whose values particles can be narrowed down, in this order."""


@dataclass(frozen=True, slots=True)
class Range:
    """Particles whose value in a column lies between two values, both included; None is no bound."""

    key: str
    low: float | None = None
    high: float | None = None

    def holds(self, values: np.ndarray) -> np.ndarray:
        """Which values lie inside; what is not a number does not."""
        inside = np.isfinite(values)
        if self.low is not None:
            inside &= values >= self.low
        if self.high is not None:
            inside &= values <= self.high
        return inside

    def condition(self) -> str:
        """The same as a selection is asked for it; empty where no column of the file says it, or without a bound."""
        name = _PLAIN.get(self.key)
        if name is None or (self.low is None and self.high is None):
            return ""
        column = star_label(name)
        if self.low is None:
            return f"{column} <= {self.high:.6g}"
        if self.high is None:
            return f"{column} >= {self.low:.6g}"
        return f"{column} in {self.low:.6g}..{self.high:.6g}"


@dataclass(frozen=True, slots=True)
class ParticleRows:
    """All particles of a data file: a column of numbers for each key of `COLUMNS` that the file knows."""

    particles: ParticleSet
    columns: Mapping[str, np.ndarray]
    distance: np.ndarray

    def chosen(
        self, which: str, order: str, is_down: bool, within: Range | None = None
    ) -> np.ndarray:
        """Places in the file of those that are wanted, in order; unknown values come last, ties stay in order."""
        found = np.arange(len(self.particles))
        if which == FAR_ONES:
            found = np.flatnonzero(self.distance > FAR)
        elif which.startswith("half "):
            found = np.flatnonzero(self.columns["half"] == int(which.removeprefix("half ")))
        if within is not None and within.key in self.columns:
            found = found[within.holds(self.columns[within.key][found])]
        if order == "image":
            names = self.particles.table.columns[star_label("image_name")][found].astype(str)
            ranks = np.unique(names, return_inverse=True)[1].astype(np.float64)
        elif order in self.columns:
            ranks = self.columns[order][found].astype(np.float64)
        else:
            return found
        return found[np.argsort(-ranks if is_down else ranks, kind="stable")]

    def lines(self, places: np.ndarray) -> list[dict[str, Any]]:
        """The rows at these places."""
        return [
            {
                "image": self.particles.image_name(int(place)),
                **{key: _cell(key, values[place]) for key, values in self.columns.items()},
            }
            for place in places
        ]

    def request(self, place: int, lowpass_A: float) -> ParticleRequest:
        """The question for the image of a particle."""
        one = self.particles
        optics = one.optics[one.optics_index[place]]
        return ParticleRequest(
            stack=str(one.stacks[one.stack_index[place]]),
            index=int(one.slice_index[place]),
            pixel_size_A=optics.pixel_size_A,
            voltage_kV=optics.voltage_kV if one.has_ctf else 0.0,
            spherical_aberration_mm=optics.spherical_aberration_mm,
            amplitude_contrast=optics.amplitude_contrast,
            defocus_u_A=float(one.defocus_u_A[place]),
            defocus_v_A=float(one.defocus_v_A[place]),
            defocus_angle_deg=float(one.defocus_angle_deg[place]),
            phase_shift_deg=float(one.phase_shift_deg[place]),
            lowpass_A=lowpass_A,
        )


def read_rows(data_file: Path, model_file: Path | None) -> ParticleRows:
    """The particles of a run_itNNN_data.star, with the scales of their groups from the model file beside it.

    Raises InputError for files that are no such tables.
    """
    particles = read_particles(data_file)
    table = particles.table.columns
    count = len(particles)
    columns: dict[str, np.ndarray] = {
        "row": np.arange(1, count + 1),
        "half": np.asarray(particles.half, dtype=np.int64),
    }
    for key, name in _PLAIN.items():
        values = table.get(star_label(name))
        if values is not None:
            columns[key] = np.asarray(values, dtype=np.float64)
    groups = table.get(star_label("group_number"))
    if groups is not None and model_file is not None and model_file.exists():
        columns["scale"] = _scales(model_file, np.asarray(groups, dtype=np.int64))
    if particles.has_ctf:
        columns["defocus"] = (particles.defocus_u_A + particles.defocus_v_A) / 2
    columns |= dict(zip(("rot", "tilt", "psi"), particles.angles_deg.T, strict=True))
    columns |= dict(zip(("x_A", "y_A"), particles.origin_A.T, strict=True))
    unknown = np.full(count, np.nan)
    distance = np.fmax(
        distances(columns.get("norm", unknown)), distances(columns.get("log_likelihood", unknown))
    )
    return ParticleRows(particles, columns, distance)


def _scales(model_file: Path, groups: np.ndarray) -> np.ndarray:
    """The scale of each particle's group; not a number for a group that the model does not know."""
    table = read_star(model_file)["model_groups"].columns
    numbers = np.asarray(table[star_label("group_number")], dtype=np.int64)
    scales = np.asarray(table[star_label("group_scale_correction")], dtype=np.float64)
    known = np.full(max(int(groups.max()), int(numbers.max())) + 1, np.nan)
    known[numbers] = scales
    return known[groups]


def _cell(key: str, value: Any) -> float | int | None:
    if not np.isfinite(value):
        return None
    return int(value) if key in _WHOLE else float(value)


def pages(count: int) -> int:
    """How many pages so many rows fill."""
    return max(1, -(-count // PAGE_ROWS))
