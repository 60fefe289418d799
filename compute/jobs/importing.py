"""Files from outside made part of a project: recognised, checked, converted, and named for the jobs that follow."""

import re
from pathlib import Path
from typing import Final, Literal

from compute.files.errors import InputError, missing
from compute.files.labels import star_label
from compute.files.mrc import read_layout
from compute.jobs.import_lists import import_coordinates, import_micrograph_list
from compute.jobs.import_maps import import_maps, is_half, partner
from compute.jobs.import_micrographs import TIFF, import_micrographs, matching_files
from compute.jobs.import_particles import import_particles
from compute.jobs.map_input import is_mask, read_cube
from compute.jobs.plain import Result
from compute.jobs.voice import Voice
from compute.params.importing import NEUTRAL_ROOT, ImportingParams

Kind = Literal["raw", "micrographs", "particles", "coordinates", "map", "mask", "halfmaps"]
MAPS: Final = (".mrc", ".map", ".ccp4")
_STAR_NAMES: Final = {
    "raw": "micrographs.star",
    "micrographs": "micrographs.star",
    "particles": "particles.star",
    "coordinates": "coordinates.star",
}
_LABEL: Final = re.compile(rb"^_(\w+)", re.MULTILINE)


def run(params: ImportingParams, voice: Voice) -> Result:
    """Import the files; raises InputError with one sentence before anything is written."""
    kind = kind_of(params)
    voice.log.line(f" {params.files} is imported as {_WORDS[kind]}.")
    target = target_of(params, kind)
    if target.exists() and any(target.samefile(path) for path in _sources(params)):
        raise InputError(f"{target} would be written over itself; choose another output.")
    if kind == "raw":
        return import_micrographs(params, target, voice)
    if kind == "particles":
        return import_particles(params, target, voice)
    if kind == "micrographs":
        return import_micrograph_list(params, target, voice)
    if kind == "coordinates":
        return import_coordinates(params, target, voice)
    targets = [target]
    if kind == "halfmaps":
        targets.append(target.with_name(partner(Path(params.files)).with_suffix(".mrc").name))
    return import_maps(params, kind, targets, voice)


_WORDS: Final = {
    "raw": "raw micrographs",
    "micrographs": "a list of micrographs",
    "particles": "particles",
    "coordinates": "coordinates",
    "map": "a map",
    "mask": "a mask",
    "halfmaps": "one of two half-maps",
}


def _sources(params: ImportingParams) -> list[Path]:
    return [path for path in (Path(params.files),) if path.exists()]


def target_of(params: ImportingParams, kind: Kind) -> Path:
    """The file that is written: named by the user, or as the file was, or by its kind."""
    root = Path(params.output)
    source = Path(params.files)
    if params.file_name:
        return root.with_name(params.file_name)
    suffix = ".star" if kind in _STAR_NAMES else ".mrc"
    if root.name != NEUTRAL_ROOT and kind != "halfmaps":
        name = root.name if root.name.endswith(suffix) else f"{root.name}{suffix}"
        return root.with_name(name)
    return root.with_name(_STAR_NAMES.get(kind) or source.with_suffix(".mrc").name)


def kind_of(params: ImportingParams) -> Kind:
    """What the files are: as the user says, else by their names and contents.

    Raises InputError for a file that is missing, and for one that is nothing that can be imported.
    """
    path = Path(params.files)
    if params.kind != "auto":
        if params.kind != "raw" and params.kind != "coordinates" and not path.is_file():
            raise missing(path)
        return params.kind
    if not path.is_file():
        matching_files(params.files)
        return "coordinates" if params.micrographs_star else "raw"
    suffix = path.suffix.lower()
    if suffix == ".cs":
        return "particles"
    if suffix == ".star":
        return _kind_of_star(path)
    if suffix in TIFF:
        return "raw"
    if suffix in MAPS:
        return _kind_of_map(path)
    if suffix == ".mrcs":
        raise InputError(f"{path} is a stack of images; import the STAR file that names them.")
    raise InputError(
        f"{path} is nothing that is known here: STAR, .cs, MRC and TIFF files are; --kind says what others are."
    )


def _kind_of_star(path: Path) -> Kind:
    labels = {label.decode() for label in _LABEL.findall(path.read_bytes())}
    if star_label("image_name") in labels:
        return "particles"
    if star_label("micrograph_coordinates") in labels or star_label("coordinate_x") in labels:
        return "coordinates"
    if star_label("micrograph_name") in labels:
        return "micrographs"
    raise InputError(
        f"{path} names neither particles ({star_label('image_name')}) nor micrographs "
        f"({star_label('micrograph_name')}) nor coordinates."
    )


def _kind_of_map(path: Path) -> Kind:
    if read_layout(path).shape[0] == 1:
        return "raw"
    if is_half(path):
        return "halfmaps"
    return "mask" if is_mask(read_cube(path)[0]) else "map"
