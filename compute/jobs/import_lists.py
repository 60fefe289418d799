"""Import of lists: of micrographs with their CTF, and of coordinates of particles in micrographs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from compute.files.atomic import write_whole
from compute.files.coordinates import read_coordinates
from compute.files.errors import InputError
from compute.files.events import Output
from compute.files.labels import star_label
from compute.files.local_names import local_name, local_or_same, mapped_path
from compute.files.micrograph_names import output_stem, parse_map
from compute.files.micrographs import Micrographs, read_micrographs
from compute.files.mrc import read_layout
from compute.files.optics import find_file, has
from compute.files.relion import set_aside
from compute.files.star import read_star, write_star
from compute.files.table import Table
from compute.jobs.import_micrographs import PIXEL_TOLERANCE, TIFF, matching_files
from compute.jobs.plain import Result
from compute.jobs.voice import Voice
from compute.params.importing import ImportingParams

COORDINATES = "coordinate_files"
SUFFIX = "_coords.star"


def import_micrograph_list(params: ImportingParams, target: Path, voice: Voice) -> Result:
    """Write a list of micrographs in the present layout to `target`, with names that lead there from here.

    Raises InputError, before anything is written, for micrographs that do not exist (unless they may be
    missing) or are cut short, and for an unknown pixel size.
    """
    found = read_micrographs(params.files, params.pixel_size_A)
    names = _names(found, params)
    missing = [name for name in names if not Path(name).is_file()]
    if missing:
        sentence = f"{len(missing)} of {len(names)} micrographs of {found.path} do not exist; the first is {missing[0]}"
        if not params.allow_missing:
            raise InputError(
                f"{sentence}. Change the beginning of paths (--path-map), or import the list all the same "
                "(--allow-missing)."
            )
        voice.log.warning(f"{sentence}.", "E3")
    voice.progress.enter("checking micrographs", total=len(names))
    differing = []
    for name, row in zip(names, found.optics_row.tolist(), strict=True):
        if Path(name).is_file() and Path(name).suffix.lower() not in TIFF:
            header_A = read_layout(name).pixel_size_A
            if header_A > 0 and abs(header_A / found.pixel_size_A[row] - 1) > PIXEL_TOLERANCE:
                differing.append((name, header_A, found.pixel_size_A[row]))
        voice.progress.advance()
    if differing:
        name, header_A, pixel_A = differing[0]
        voice.log.warning(
            f"The headers of {len(differing)} micrographs have another pixel size than the list, which is "
            f"used: {name} says {header_A:.4f} Å, the list {pixel_A:.4f} Å.",
            "E19",
        )
    if not has(found.table, "defocus_u_A"):
        voice.log.warning("The micrographs have no defocus; estimate their CTF before extraction.")
    table = replace(
        found.table,
        columns=found.table.columns
        | {star_label("micrograph_name"): np.array(names, dtype=object)},
    )
    _set_aside(target, voice)
    write_star(target, [_optics(found, params), table])
    output = Output(
        path=target.name,
        content="micrographs",
        particles=len(names),
        pixel_size_A=float(found.pixel_size_A[found.optics_row[0]]),
    )
    return Result([output], f"A list of {len(names)} micrographs was imported.")


def _names(found: Micrographs, params: ImportingParams) -> list[str]:
    """The names of the micrographs as they lead there from the current folder."""
    pairs = parse_map(params.path_map, "--path-map")
    return [local_or_same(mapped_path(name, pairs), found.path) for name in found.names]


def _optics(found: Micrographs, params: ImportingParams) -> Table:
    """The optics table with the pixel size that was given, and the detector's curve found from here."""
    columns = dict(found.optics.columns)
    if params.pixel_size_A is not None:
        columns[star_label("micrograph_pixel_size_A")] = found.pixel_size_A
    label = star_label("mtf_file_name")
    if label in columns:
        names = [local_or_same(str(name), found.path) for name in columns[label]]
        columns[label] = np.array(names, dtype=object)
    return replace(found.optics, columns=columns)


@dataclass(frozen=True, slots=True)
class Picked:
    """The coordinates of one micrograph: its name, the file that they come from, and the table."""

    micrograph: str
    source: Path
    table: Table


def import_coordinates(params: ImportingParams, target: Path, voice: Voice) -> Result:
    """Copy coordinates as STAR files, one for each micrograph, and write the list that names them to `target`.

    `.box` and text files are converted. Raises InputError, before anything is written, for files that
    belong to none of the micrographs, or two to the same, and for coordinates that cannot be read.
    """
    if not params.micrographs_star:
        raise InputError("coordinates need the list of their micrographs (--micrographs)")
    micrographs = read_micrographs(params.micrographs_star, params.pixel_size_A)
    sources = _sources(params, micrographs)
    voice.progress.enter("reading coordinates", total=len(sources))
    picked = []
    for micrograph, source in sources.items():
        picked.append(Picked(micrograph, source, read_coordinates(source)))
        voice.progress.advance()
    _tell_outside(picked, micrographs, voice)
    without = len(micrographs) - len(picked)
    if without:
        voice.log.warning(f"{without} of {len(micrographs)} micrographs have no coordinates.")
    _set_aside(target, voice)
    files = []
    for one in picked:
        file = target.parent / f"{output_stem(one.micrograph)}{SUFFIX}"
        file.parent.mkdir(parents=True, exist_ok=True)
        write_star(file, [replace(one.table, name="")])
        files.append(local_name(file))
    columns = {
        star_label("micrograph_name"): np.array([one.micrograph for one in picked], dtype=object),
        star_label("micrograph_coordinates"): np.array(files, dtype=object),
    }
    write_star(target, [Table(COORDINATES, columns)])
    suffix_file = target.with_name(f"coords_suffix{SUFFIX}")  # what RELION until 3.1 takes
    write_whole(suffix_file, f"{params.micrographs_star}\n".encode())
    count = sum(len(one.table) for one in picked)
    output = Output(path=target.name, content="coordinates", particles=count)
    return Result([output], f"{count} coordinates in {len(picked)} micrographs were imported.")


def _sources(params: ImportingParams, micrographs: Micrographs) -> Mapping[str, Path]:
    """The coordinate file of each micrograph that has one, in the order of the micrographs."""
    path = Path(params.files)
    if path.suffix.lower() == ".star" and path.is_file() and COORDINATES in read_star(path):
        pairs = _listed(path)
    else:
        pairs = [(_owner(file, micrographs), file) for file in matching_files(params.files)]
    found: dict[str, Path] = {}
    for name, file in pairs:
        if name in found:
            raise InputError(f"{found[name]} and {file} both have coordinates of {name}; keep one.")
        found[name] = file
    known = [name for name in micrographs.names if name in found]
    if len(known) < len(found):
        strange = next(name for name in found if name not in micrographs.names)
        raise InputError(
            f"{path} has coordinates of {strange}, which is not in {micrographs.path}."
        )
    return {name: found[name] for name in known}


def _listed(path: Path) -> list[tuple[str, Path]]:
    table = read_star(path)[COORDINATES]
    columns = [
        table.columns.get(star_label(name), np.array([]))
        for name in ("micrograph_name", "micrograph_coordinates")
    ]
    return [(str(name), find_file(str(file), path)) for name, file in zip(*columns, strict=True)]


def _owner(file: Path, micrographs: Micrographs) -> str:
    """The micrograph whose name a coordinate file begins with; the longest such name."""
    stems = {name: Path(name).stem for name in micrographs.names}
    fitting = [name for name, stem in stems.items() if file.name.startswith(stem)]
    if not fitting:
        raise InputError(
            f"{file} begins with the name of none of the {len(micrographs)} micrographs of "
            f"{micrographs.path}; the first is {micrographs.names[0]}."
        )
    longest = max(len(stems[name]) for name in fitting)
    owners = [name for name in fitting if len(stems[name]) == longest]
    if len(owners) > 1:
        raise InputError(
            f"{file} may belong to {owners[0]} and to {owners[1]}; give a list instead."
        )
    return owners[0]


def _tell_outside(picked: Sequence[Picked], micrographs: Micrographs, voice: Voice) -> None:
    """Say how many coordinates lie outside of their micrographs (E4), as far as those are here."""
    files = dict(zip(micrographs.names, micrographs.files, strict=True))
    outside = 0
    for one in picked:
        place = files[one.micrograph]
        if not place.is_file() or place.suffix.lower() in TIFF:
            continue
        _, height, width = read_layout(place).shape
        x, y = (one.table.columns[star_label(name)] for name in ("coordinate_x", "coordinate_y"))
        outside += int(((x < 0) | (y < 0) | (x >= width) | (y >= height)).sum())
    if outside:
        voice.log.warning(f"{outside} coordinates lie outside of their micrographs.", "E4")


def _set_aside(target: Path, voice: Voice) -> None:
    if moved := set_aside(target.parent, [target]):
        voice.log.line(f" The list of an earlier import was moved to {moved[0].parent}.")
