"""Particle STAR files: into a `ParticleSet`, and back with the results of a refinement."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from compute.files.errors import InputError
from compute.files.labels import star_label
from compute.files.legacy import pixels_to_A
from compute.files.mrc import read_layout
from compute.files.optics import OpticsGroup, column, find_file, has, optics_groups
from compute.files.particle_checks import check_particles
from compute.files.particle_set import ParticleResults, ParticleSet
from compute.files.particle_tables import particle_tables
from compute.files.star import write_star
from compute.files.table import Table

__all__ = [
    "OpticsGroup",
    "ParticleResults",
    "ParticleSet",
    "check_particles",
    "image_places",
    "particle_tables",
    "particles_of",
    "read_particles",
    "write_particles",
]

_ANGLES: Final = ("angle_rot_deg", "angle_tilt_deg", "angle_psi_deg")
_ORIGINS: Final = ("origin_x_A", "origin_y_A")


def read_particles(path: Path | str) -> ParticleSet:
    """The particles of a STAR file in the 3.0 or the present layout, in the file's order.

    Images are looked for beside the STAR file, in the current folder and in up to four folders
    above the file; missing ones are reported by `check_particles`. Raises InputError for a file
    without particles, an undefined optics group, and half-sets given to some particles only.
    """
    path = Path(path)
    return particles_of(*particle_tables(path), path)


def particles_of(optics_table: Table, table: Table, path: Path) -> ParticleSet:
    """The particles of two tables in the present layout; `path` is where their relative names begin.

    Raises InputError as `read_particles` does.
    """
    optics = optics_groups(optics_table, path)
    optics_index = _optics_index(table, optics, path)
    table = pixels_to_A(table, np.array([group.pixel_size_A for group in optics])[optics_index])
    names, stack_index, slice_index = image_places(table, path)
    stacks = tuple(find_file(name, path) for name in names)
    sizes = _image_sizes(optics, optics_index, stacks, stack_index)
    micrograph, _ = _factorized(table, "micrograph_name", names, stack_index)
    group, group_names = _factorized(
        table, "group_name" if has(table, "group_name") else "micrograph_name", names, stack_index
    )
    image_columns = {
        star_label("image_size"): np.array(sizes, dtype=np.int64),
        star_label("image_dimensionality"): np.full(len(sizes), 2),
    }
    return ParticleSet(
        table=table,
        optics_table=replace(optics_table, columns=optics_table.columns | image_columns),
        optics=tuple(replace(one, image_size=n) for one, n in zip(optics, sizes, strict=True)),
        optics_index=optics_index,
        stacks=stacks,
        stack_index=stack_index,
        slice_index=slice_index,
        defocus_u_A=column(table, "defocus_u_A", 0.0),
        defocus_v_A=column(
            table, "defocus_v_A" if has(table, "defocus_v_A") else "defocus_u_A", 0.0
        ),
        defocus_angle_deg=column(table, "defocus_angle_deg", 0.0),
        phase_shift_deg=column(table, "phase_shift_deg", 0.0),
        ctf_b_factor_A2=column(table, "ctf_b_factor_A2", 0.0),
        ctf_scale=column(table, "ctf_scale_factor", 1.0),
        has_ctf=has(table, "defocus_u_A"),
        angles_deg=np.stack([column(table, name, 0.0) for name in _ANGLES], axis=1),
        origin_A=np.stack([column(table, name, 0.0) for name in _ORIGINS], axis=1),
        half=_halves(table, path),
        norm_correction=column(table, "norm_correction", 1.0),
        group_names=group_names,
        group_index=group,
        micrograph_index=micrograph,
        path=path,
    )


def _optics_index(table: Table, optics: tuple[OpticsGroup, ...], path: Path) -> np.ndarray:
    """Position of every particle's optics group; a file with one group may leave the column out."""
    numbers = np.array([group.number for group in optics])
    if not has(table, "optics_group") and len(optics) == 1:
        return np.zeros(len(table), dtype=np.int64)
    if not has(table, "optics_group"):
        raise InputError(
            f"{path}: data_particles has no {star_label('optics_group')}, but data_optics has {len(optics)} groups."
        )
    used = table.columns[star_label("optics_group")]
    undefined = np.flatnonzero(~np.isin(used, numbers))
    if len(undefined):
        raise InputError(
            f"{path}, row {undefined[0] + 1} of data_particles: optics group {used[undefined[0]]} "
            f"is not in data_optics, which defines {', '.join(map(str, numbers))}."
        )
    order = np.argsort(numbers)
    return order[np.searchsorted(numbers[order], used)]


def image_places(table: Table, path: Path) -> tuple[list[str], np.ndarray, np.ndarray]:
    """The names of the stacks, and each image's stack and number in it, from `000012@stack`."""
    names = table.columns[star_label("image_name")].tolist()
    parts = [name.partition("@") if "@" in name else ("1", "@", name) for name in names]
    bad = [row for row, (number, _, _) in enumerate(parts) if not _counts_from_one(number)]
    if bad:
        raise InputError(
            f"{path}, row {bad[0] + 1} of data_particles: {star_label('image_name')} is '{names[bad[0]]}'; it "
            "must be a number from 1, @ and a stack, as in 000001@stack.mrcs."
        )
    index, stacks = in_order_of_appearance([stack for _, _, stack in parts])
    numbers = np.array([int(number) for number, _, _ in parts], dtype=np.int64)
    return stacks, index, numbers - 1


def in_order_of_appearance(values: Iterable[Any]) -> tuple[np.ndarray, list[Any]]:
    """The distinct values, and the place of every value among them."""
    places: dict[Any, int] = {}
    index = np.array([places.setdefault(value, len(places)) for value in values], dtype=np.int64)
    return index, list(places)


def _counts_from_one(number: str) -> bool:
    return number.isascii() and number.isdigit() and int(number) > 0


def _image_sizes(
    optics: tuple[OpticsGroup, ...],
    optics_index: np.ndarray,
    stacks: tuple[Path, ...],
    stack_index: np.ndarray,
) -> list[int]:
    """The box of every group; from its first image where the STAR file does not say."""
    sizes = [group.image_size for group in optics]
    for i in (i for i, size in enumerate(sizes) if size == 0):
        rows = np.flatnonzero(optics_index == i)
        if len(rows) and (stack := stacks[stack_index[rows[0]]]).exists():
            sizes[i] = read_layout(stack).shape[2]
    return sizes


def _factorized(
    table: Table, name: str, stacks: list[str], stack_index: np.ndarray
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Each particle's position among the distinct values of a column, in order of appearance.

    Without the column, particles of one stack belong together.
    """
    if not has(table, name):
        return stack_index, tuple(stacks)
    index, names = in_order_of_appearance(table.columns[star_label(name)].tolist())
    return index, tuple(names)


def _halves(table: Table, path: Path) -> np.ndarray:
    """Half-set 1 or 2 of every particle; 0 throughout where the file gives none or only one."""
    label = star_label("random_subset")
    subset = column(table, "random_subset", 0.0).astype(np.int64)
    bad = np.flatnonzero((subset < 0) | (subset > 2))
    if len(bad):
        raise InputError(
            f"{path}, row {bad[0] + 1} of data_particles: {label} is {subset[bad[0]]} but must be "
            "1 or 2."
        )
    given = int(np.count_nonzero(subset))
    if 0 < given < len(subset):
        raise InputError(
            f"{path}: {given} of {len(subset)} particles have a half-set in {label}; it must be 1 "
            "or 2 for all, or 0 for all to split them anew."
        )
    is_split = given > 0 and subset.min() != subset.max()
    return (subset if is_split else np.zeros_like(subset)).astype(np.int8)


def write_particles(path: Path | str, particles: ParticleSet, results: ParticleResults) -> None:
    """Write the particles with the results of a refinement, in the present layout.

    All input columns survive; those of the results are replaced, or added behind the others.
    """
    found = {
        "group_number": results.group_number,
        **dict(zip(_ANGLES, results.angles_deg.T, strict=True)),
        **dict(zip(_ORIGINS, results.origin_A.T, strict=True)),
        "class_number": results.class_number,
        "norm_correction": results.norm_correction,
        "random_subset": results.half,
        "log_likeli_contribution": results.log_likelihood,
        "max_value_prob_distribution": results.max_probability,
        "nr_of_significant_samples": results.significant_samples,
    }
    columns = particles.table.columns | {star_label(name): v for name, v in found.items()}
    write_star(path, [particles.optics_table, replace(particles.table, columns=columns)])
