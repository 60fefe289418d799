"""What an extraction starts from: rows of particles with their micrograph, from coordinates or a refinement."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from compute.files.coordinates import coordinate_files, read_coordinates
from compute.files.errors import InputError
from compute.files.labels import label_kind, star_label
from compute.files.legacy import pixels_to_A
from compute.files.micrograph_names import (
    index_of_names,
    mapped,
    parse_map,
    suggested_map,
)
from compute.files.micrographs import Micrographs
from compute.files.optics import column, has
from compute.files.particle_tables import particle_tables
from compute.files.star import check_finite
from compute.files.table import Table
from compute.params.extract import ExtractParams

CTF_COLUMNS = (
    "ctf_max_resolution_A",
    "ctf_figure_of_merit",
    "defocus_u_A",
    "defocus_v_A",
    "defocus_angle_deg",
    "ctf_b_factor_A2",
    "ctf_scale_factor",
    "phase_shift_deg",
)
CTF_CONSTANTS = {"ctf_b_factor_A2": 0.0, "ctf_scale_factor": 1.0}
NO_MICROGRAPH = -1


@dataclass(frozen=True, slots=True)
class Source:
    """Particles in the order of their micrographs, and within one as they were read.

    micrograph: position of each particle's micrograph; -1 where it is not listed. optics: the table that
    the particles' numbers of optics groups refer to. micrograph_group: for each of its rows the row of the
    micrographs' optics table with the same group. below_fom: particles left out by their figure of merit.
    """

    table: Table
    optics: Table
    micrograph: np.ndarray
    micrograph_group: np.ndarray
    below_fom: int = 0


def read_source(params: ExtractParams, micrographs: Micrographs) -> Source:
    """The particles to extract, with their CTF, and the optics table that goes with them.

    Raises InputError for files without particles, particles of other micrographs (unless these may be
    left out, and never for all), optics groups that the micrographs do not have, and missing columns.
    """
    names = index_of_names(micrographs.names, str(micrographs.path))
    if params.particles:
        source = _refined(params, micrographs, names)
    else:
        source = _picked(params, micrographs)
    source = _above_fom(params, source)
    check_finite(source.table, params.particles or params.coordinates or params.coordinates_suffix)
    order = np.argsort(source.micrograph, kind="stable")
    chosen = {label: values[order] for label, values in source.table.columns.items()}
    source = replace(
        source, table=replace(source.table, columns=chosen), micrograph=source.micrograph[order]
    )
    if params.keep_ctfs_micrographs or not has(source.table, "defocus_u_A"):
        return _with_ctf_of_micrographs(source, micrographs)
    return source


def _refined(params: ExtractParams, micrographs: Micrographs, names: Mapping[str, int]) -> Source:
    """The particles of a refinement or classification."""
    path = Path(params.particles)
    optics, table = particle_tables(path, needs_images=False)
    for name in ("micrograph_name", "coordinate_x", "coordinate_y"):
        if not has(table, name):
            raise InputError(
                f"{path} has no {star_label(name)}, which says where the particles are in the micrographs."
            )
    angles = ("angle_rot_deg", "angle_tilt_deg", "angle_psi_deg")
    if any((params.recenter_x, params.recenter_y, params.recenter_z)) and not has(table, *angles):
        raise InputError(
            f"{path} has no angles ({star_label(angles[0])} …), without which only the middle can be centred on."
        )
    if has(optics, "image_pixel_size_A"):
        sizes_A = column(optics, "image_pixel_size_A", 0.0)[group_rows(optics, table)]
        table = pixels_to_A(table, sizes_A)
    if params.recenter and not has(table, "origin_x_A", "origin_y_A"):
        raise InputError(
            f"{path} has no refined offsets ({star_label('origin_x_A')}). Choose a file from a classification or "
            "refinement."
        )
    index = _matched(params, table, micrographs, names)
    if params.keep_ctfs_micrographs:
        groups = np.arange(len(micrographs.optics))
        return Source(table, micrographs.optics, index, groups)
    groups = _groups_by_name(params, optics, table, micrographs)
    _check_groups_of_micrographs(table, optics, groups, index, micrographs)
    return Source(table, optics, index, groups)


def _matched(
    params: ExtractParams, table: Table, micrographs: Micrographs, names: Mapping[str, int]
) -> np.ndarray:
    """The micrograph of each particle, by equality of the names without job folder."""
    given = table.columns[star_label("micrograph_name")]
    pairs = parse_map(params.path_map, "--path-map")
    distinct, codes = np.unique(given.astype(str), return_inverse=True)
    position = [names.get(mapped(name, pairs), NO_MICROGRAPH) for name in distinct]
    index = np.array(position, dtype=np.int64)[codes.reshape(-1)]
    found = int((index != NO_MICROGRAPH).sum())
    if found and (found == len(index) or params.allow_missing):
        return index
    unmatched = [name for name, at in zip(distinct, position, strict=True) if at == NO_MICROGRAPH]
    first = next(name for name in given if name in set(unmatched))
    raise InputError(
        f"{found} of {len(index)} particles belong to the {len(micrographs)} micrographs in {micrographs.path}. "
        f"First particle without one: '{first}', first micrograph: '{micrographs.names[0]}'."
        + _advice(unmatched, distinct, codes, names, pairs, bool(found))
    )


def _advice(
    unmatched: Sequence[str],
    distinct: np.ndarray,
    codes: np.ndarray,
    names: Mapping[str, int],
    pairs: Sequence[tuple[str, str]],
    some_found: bool,
) -> str:
    """What could be done about particles without micrograph: a map of paths, or leaving them out."""
    advice = ""
    if suggestion := suggested_map(unmatched, names):
        tried = [*pairs, *parse_map(suggestion, "--path-map")]
        fits = np.array([mapped(name, tried) in names for name in distinct])
        advice = f" With --path-map '{suggestion}', {int(fits[codes].sum())} would."
    if some_found:
        advice += " With --allow-missing the others are left out."
    return advice


def _groups_by_name(
    params: ExtractParams, optics: Table, table: Table, micrographs: Micrographs
) -> np.ndarray:
    """For each optics group of the particles the row of the micrographs' group of that name; -1 if unused."""
    default = [f"opticsGroup{n + 1}" for n in range(len(optics))]
    names = [str(name) for name in optics.columns.get(star_label("optics_group_name"), default)]
    renamed = dict(parse_map(params.optics_map, "--optics-map"))
    known = {name: row for row, name in enumerate(micrographs.group_names)}
    used = np.isin(column(optics, "optics_group", 1.0), column(table, "optics_group", 1.0))
    rows = [known.get(renamed.get(name, name), NO_MICROGRAPH) for name in names]
    lost = [
        name for name, row, is_used in zip(names, rows, used, strict=True)
        if is_used and row == NO_MICROGRAPH
    ]  # fmt: skip
    if lost:
        raise InputError(
            f"the particles' optics groups {', '.join(lost)} are not among those of {micrographs.path}, which are "
            f"{', '.join(known)}. Say which is which: --optics-map '{lost[0]}={next(iter(known))}'."
        )
    return np.array(rows, dtype=np.int64)


def group_rows(optics: Table, table: Table) -> np.ndarray:
    """The row of each particle's optics group; InputError where a number is not defined."""
    defined = column(optics, "optics_group", 1.0).astype(np.int64)
    numbers = column(table, "optics_group", float(defined[0])).astype(np.int64)
    undefined = np.flatnonzero(~np.isin(numbers, defined))
    if len(undefined):
        raise InputError(
            f"row {undefined[0] + 1} of the particles has optics group {numbers[undefined[0]]}, which data_optics "
            "does not define."
        )
    order = np.argsort(defined)
    return order[np.searchsorted(defined[order], numbers)]


def _check_groups_of_micrographs(
    table: Table, optics: Table, groups: np.ndarray, index: np.ndarray, micrographs: Micrographs
) -> None:
    """Raise InputError where a particle's group and its micrograph's have another pixel size."""
    has_one = index != NO_MICROGRAPH
    by_name_A = micrographs.pixel_size_A[groups[group_rows(optics, table)]]
    by_row_A = micrographs.pixel_size_A[micrographs.optics_row[index]]
    differing = np.flatnonzero(has_one & (np.abs(by_name_A - by_row_A) > 1e-4 * by_row_A))
    if len(differing):
        row = differing[0]
        raise InputError(
            f"{len(differing)} particles are in an optics group of {by_name_A[row]:g} Å per pixel, but their "
            f"micrographs in one of {by_row_A[row]:g} Å; the first is in '{micrographs.names[index[row]]}'."
        )


def _picked(params: ExtractParams, micrographs: Micrographs) -> Source:
    """The particles of the coordinate files of all micrographs."""
    files = coordinate_files(
        params.coordinates, params.coordinates_folder, params.coordinates_suffix, micrographs.names
    )
    tables = {position: read_coordinates(path) for position, path in sorted(files.items())}
    index = np.repeat(list(tables), [len(table) for table in tables.values()]).astype(np.int64)
    if not len(index):
        raise InputError(f"the {len(files)} coordinate files contain no particles.")
    columns = _joined(list(tables.values()))
    names = np.array(micrographs.names, dtype=object)
    groups = column(micrographs.optics, "optics_group", 1.0).astype(np.int64)
    columns |= {
        star_label("image_name"): np.full(len(index), "", dtype=object),
        star_label("micrograph_name"): names[index],
        star_label("optics_group"): groups[micrographs.optics_row[index]],
    }
    every_group = np.arange(len(micrographs.optics))
    return Source(Table("particles", columns), micrographs.optics, index, every_group)


def _joined(tables: Sequence[Table]) -> dict[str, np.ndarray]:
    """The columns of all tables, one behind the other; what a table lacks is 0 or empty there."""
    labels = dict.fromkeys(label for table in tables if len(table) for label in table.columns)
    columns = {}
    for label in labels:
        is_text = (label_kind(label) or "str") in ("str", "vector")
        kinds = [table.columns[label].dtype for table in tables if label in table.columns]
        parts = []
        for table in tables:
            empty = np.full(len(table), "", object) if is_text else np.zeros(len(table), kinds[0])
            parts.append(table.columns.get(label, empty))
        columns[label] = np.concatenate(parts)
    return columns


def _above_fom(params: ExtractParams, source: Source) -> Source:
    """The particles whose figure of merit is above the threshold, where one is given."""
    if params.minimum_pick_fom is None:
        return source
    label = star_label("autopick_figure_of_merit")
    if label not in source.table.columns:
        raise InputError(f"there is no {label}, so no threshold can be put on it; leave it away.")
    kept = np.flatnonzero(source.table.columns[label] > params.minimum_pick_fom)
    if not len(kept):
        raise InputError(
            f"no particle has a figure of merit above {params.minimum_pick_fom:g}; the largest is "
            f"{source.table.columns[label].max():g}."
        )
    columns = {name: values[kept] for name, values in source.table.columns.items()}
    return replace(
        source,
        table=replace(source.table, columns=columns),
        micrograph=source.micrograph[kept],
        below_fom=len(source.micrograph) - len(kept),
    )


def _with_ctf_of_micrographs(source: Source, micrographs: Micrographs) -> Source:
    """The particles with CTF and optics group of their micrographs, as far as these know a CTF."""
    row = source.micrograph
    groups = column(micrographs.optics, "optics_group", 1.0).astype(np.int64)
    columns = dict(source.table.columns)
    if source.optics is micrographs.optics:
        columns[star_label("optics_group")] = groups[micrographs.optics_row[row]]
    if has(micrographs.table, "defocus_u_A"):
        for name in CTF_COLUMNS:
            label = star_label(name)
            if name in CTF_CONSTANTS:
                columns[label] = np.full(len(row), CTF_CONSTANTS[name])
            elif has(micrographs.table, name):
                columns[label] = micrographs.table.columns[label][row]
    return replace(source, table=replace(source.table, columns=columns))
