"""The STAR file of post-processing, and the MTF table that it reads."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from compute.files.errors import InputError
from compute.files.fsc_files import FscCurves, fsc_table
from compute.files.labels import star_label
from compute.files.own_tables import Value, list_table, loop_table
from compute.files.star import read_star, write_star
from compute.files.table import Table

INSIDE_MASK = "guinier_inside_mask"


@dataclass(frozen=True, slots=True)
class GuinierTable:
    """Logarithms of the mean amplitude of each shell through the steps of sharpening; None: no such step.

    `intercept` is that of the line that was applied. `inside_mask` is what the line was fitted to: the amplitudes
    before it of the map inside its mask; None where it was fitted to the whole box, as all other amplitudes are.
    """

    original: Float64[np.ndarray, "shell"]
    mtf_corrected: Float64[np.ndarray, "shell"] | None
    weighted: Float64[np.ndarray, "shell"] | None
    sharpened: Float64[np.ndarray, "shell"]
    intercept: float | None
    inside_mask: Float64[np.ndarray, "shell"] | None = None


@dataclass(frozen=True, slots=True)
class PostprocessRecord:
    """What the STAR file of post-processing says, names of files as they were given.

    `fit` is the line of the B-factor that was applied: slope, intercept, squared correlation.
    """

    resolution_A: float
    b_factor_A2: float
    half_maps: tuple[str, str]
    map_file: str
    masked_map_file: str | None
    mask_file: str | None
    mask_factor: float | None
    molecular_weight_kDa: float | None
    molecular_weight_factor: float | None
    randomised_from_A: float | None
    fit: tuple[float, float, float] | None
    fitted_region: str | None
    b_factor_whole_box_A2: float | None
    curves: FscCurves
    molecular_weight_curve: Float64[np.ndarray, "shell"] | None
    guinier: GuinierTable


def write_postprocess(path: Path | str, record: PostprocessRecord, comments: list[str]) -> None:
    """Write the blocks general, fsc and guinier, with the labels and the order of RELION's file, and our own.

    Ours, where a B-factor was fitted: b_factors, and guinier_inside_mask if it was fitted there.
    """
    tables = [_general(record), _fsc(record), _guinier(record), *_own(record)]
    write_star(path, [replace(table, version=None) for table in tables], comments)


@dataclass(frozen=True, slots=True)
class PostprocessTables:
    """What a STAR file of post-processing holds for plots.

    Curves by name (corrected, unmasked, masked, randomised), one value per shell at `resolution_per_A`; logarithms of
    amplitudes by step (original, mtf_corrected, weighted, sharpened; inside_mask where the line was fitted there) at
    `squared_per_A2`; slope and intercept of the line, if one was fitted, and what of the map it was fitted to.
    """

    resolution_per_A: Float64[np.ndarray, "shell"]
    curves: dict[str, Float64[np.ndarray, "shell"]]
    squared_per_A2: Float64[np.ndarray, "shell"]
    amplitudes: dict[str, Float64[np.ndarray, "shell"]]
    b_factor_A2: float
    fit: tuple[float, float] | None
    fitted_region: str | None


def read_postprocess(path: Path | str) -> PostprocessTables:
    """The curves and amplitudes of a post-processing; InputError where the file is no such table."""
    tables = read_star(path)
    missing = [name for name in ("general", "fsc", "guinier") if name not in tables]
    if missing:
        raise InputError(f"{path} has no data_{missing[0]}: is it a file of post-processing?")
    general, fsc, guinier = (tables[name].columns for name in ("general", "fsc", "guinier"))
    mean = "fourier_shell_correlation"
    curves = {
        "corrected": f"{mean}_corrected",
        "unmasked": f"{mean}_unmasked_maps",
        "masked": f"{mean}_masked_maps",
        "randomised": f"corrected_{mean}_phase_randomized_masked_maps",
    }
    if star_label("mask_name") not in general:
        curves = {"unmasked": curves["unmasked"]}
    steps = ("original", "mtf_corrected", "weighted", "sharpened")
    numbers = [
        general.get(star_label(f"fitted_{name}_guinier_plot")) for name in ("slope", "intercept")
    ]
    slope, intercept = numbers
    amplitudes = {
        name: guinier[star_label(f"log_amplitudes_{name}")]
        for name in steps
        if star_label(f"log_amplitudes_{name}") in guinier
    }
    if INSIDE_MASK in tables:
        inside = tables[INSIDE_MASK].columns
        amplitudes["inside_mask"] = inside[star_label("log_amplitudes_inside_mask")]
    return PostprocessTables(
        resolution_per_A=fsc[star_label("resolution_per_A")],
        curves={name: fsc[star_label(label)] for name, label in curves.items()},
        squared_per_A2=guinier[star_label("resolution_squared_per_A2")],
        amplitudes=amplitudes,
        b_factor_A2=float(general[star_label("b_factor_used_for_sharpening_A2")][0]),
        fit=None if slope is None or intercept is None else (float(slope[0]), float(intercept[0])),
        fitted_region=_fitted_region(tables),
    )


def _fitted_region(tables: Mapping[str, Table]) -> str | None:
    """What our own files say of that; of RELION's it is the whole box, where it fitted a line."""
    if "b_factors" in tables:
        return str(tables["b_factors"].columns[star_label("fitted_region")][0])
    has_line = star_label("fitted_slope_guinier_plot") in tables["general"].columns
    return "whole box" if has_line else None


def read_mtf(path: Path | str) -> tuple[Float64[np.ndarray, "row"], Float64[np.ndarray, "row"]]:
    """Frequencies (1/pixel) and values of a detector's MTF; InputError where the file has no such table."""
    labels = star_label("resolution_inverse_pixel"), star_label("mtf_value")
    for table in read_star(path).values():
        if all(label in table.columns for label in labels):
            frequency, value = (table.columns[label].astype(np.float64) for label in labels)
            if len(value) < 2 or np.any(np.diff(frequency) <= 0):
                raise InputError(
                    f"{path}: the frequencies ({labels[0]}) must rise from row to row, in two rows "
                    "or more"
                )
            if np.any(value < 1e-10):
                row = int(np.argmax(value < 1e-10))
                raise InputError(
                    f"{path}, row {row + 1}: the MTF is {value[row]:g} but must be positive"
                )
            return frequency, value
    raise InputError(f"{path} has no table with {labels[0]} and {labels[1]}: is it an MTF?")


def _general(record: PostprocessRecord) -> Table:
    values: dict[str, Value | None] = {
        "final_resolution_A": record.resolution_A,
        "b_factor_used_for_sharpening_A2": record.b_factor_A2,
        "unfiltered_map_half1": record.half_maps[0],
        "unfiltered_map_half2": record.half_maps[1],
        "postprocessed_map": record.map_file,
        "molecular_weight": record.molecular_weight_kDa,
        "particle_box_fraction_molecular_weight": record.molecular_weight_factor,
        "particle_box_fraction_solvent_mask": record.mask_factor,
        "mask_name": record.mask_file,
        "randomise_from_A": record.randomised_from_A,
        "postprocessed_map_masked": record.masked_map_file,
    }
    if record.fit is not None:
        names = ("fitted_slope", "fitted_intercept", "correlation_fit")
        values |= {
            f"{name}_guinier_plot": value for name, value in zip(names, record.fit, strict=True)
        }
    return list_table("general", {key: one for key, one in values.items() if one is not None})


def _own(record: PostprocessRecord) -> list[Table]:
    """Where the line was fitted, the B-factors inside the mask and of the whole box, and the amplitudes inside."""
    if record.fitted_region is None:
        return []
    inside, whole_box = record.guinier.inside_mask, record.b_factor_whole_box_A2
    values: dict[str, Value | None] = {
        "fitted_region": record.fitted_region,
        "b_factor_inside_mask_A2": None if inside is None else record.b_factor_A2,
        "b_factor_whole_box_A2": whole_box,
    }
    known = {key: one for key, one in values.items() if one is not None}
    made = [list_table("b_factors", known)]
    if inside is not None:
        squared = (np.arange(len(inside)) / record.curves.extent_A) ** 2
        columns = {"resolution_squared_per_A2": squared, "log_amplitudes_inside_mask": inside}
        made.append(loop_table(INSIDE_MASK, columns))
    return made


def _fsc(record: PostprocessRecord) -> Table:
    """The curves, with that of the molecular weight behind the one of the mask's share."""
    table = fsc_table(record.curves)
    if record.molecular_weight_curve is None:
        return table
    own = loop_table(
        "fsc", {"fourier_shell_correlation_particle_mol_weight": record.molecular_weight_curve}
    )
    columns = {}
    for label, column in table.columns.items():
        columns[label] = column
        if label == star_label("fourier_shell_correlation_particle_mask_fraction"):
            columns |= own.columns
    return replace(table, columns=columns)


def _guinier(record: PostprocessRecord) -> Table:
    steps = record.guinier
    count = len(steps.original)
    columns: dict[str, np.ndarray | None] = {
        "resolution_squared_per_A2": (np.arange(count) / record.curves.extent_A) ** 2,
        "log_amplitudes_original": steps.original,
        "log_amplitudes_mtf_corrected": steps.mtf_corrected,
        "log_amplitudes_weighted": steps.weighted,
        "log_amplitudes_sharpened": steps.sharpened,
        "log_amplitudes_intercept": (
            None if steps.intercept is None else np.full(count, steps.intercept)
        ),
    }
    return loop_table("guinier", {key: one for key, one in columns.items() if one is not None})
