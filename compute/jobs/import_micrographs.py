"""Import of raw micrographs: a list of them with an optics group, from headers that are checked one by one."""

import glob
import os
import re
import struct
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from compute.files.errors import InputError, missing
from compute.files.events import Output
from compute.files.labels import star_label
from compute.files.local_names import local_name
from compute.files.mrc import read_layout
from compute.files.optics import has
from compute.files.relion import set_aside
from compute.files.star import read_star, write_star
from compute.files.table import Table
from compute.jobs.plain import Result
from compute.jobs.voice import Voice
from compute.params.importing import ImportingParams

TIFF: tuple[str, ...] = (".tif", ".tiff")
PIXEL_TOLERANCE = 1e-3
"""Relative; headers hold rounded cell edges in float32."""
LEAST_TILT_MRAD = 1e-3


def matching_files(pattern: str) -> list[Path]:
    """The files that a name or pattern means, in natural order. Raises InputError where there are none."""
    if Path(pattern).is_file():
        return [Path(pattern)]
    if not glob.has_magic(pattern):
        raise missing(pattern)
    found = [Path(name) for name in glob.glob(pattern, recursive=True) if os.path.isfile(name)]
    if not found:
        raise InputError(
            f"No file fits '{pattern}'; is the pattern in quotes, and the folder right?"
        )
    return sorted(
        found, key=lambda path: [_natural(part) for part in re.split(r"(\d+)", str(path))]
    )


def _natural(part: str) -> tuple[int, str]:
    return (int(part), "") if part.isdecimal() else (-1, part)


def import_micrographs(params: ImportingParams, target: Path, voice: Voice) -> Result:
    """Write the list of the raw micrographs that a pattern means to `target`.

    Raises InputError, before anything is written, for files that are cut short, movies, an unknown pixel
    size, and a micrograph that is listed already under another optics group.
    """
    paths = matching_files(params.files)
    voice.progress.enter("checking micrographs", total=len(paths))
    sizes: Counter[tuple[int, int]] = Counter()
    headers: dict[Path, float] = {}
    for path in paths:
        size, headers[path] = _header(path)
        sizes[size] += 1
        voice.progress.advance()
    pixel_A = _pixel_size(headers, params.pixel_size_A, voice)
    if len(sizes) > 1:
        said = ", ".join(f"{count} of {w} x {h}" for (h, w), count in sizes.most_common())
        voice.log.warning(f"The micrographs have different sizes: {said}.")
    optics, table = _tables(params, [local_name(path) for path in paths], pixel_A)
    added = len(table)
    if params.append and target.exists():
        optics, table, added = _joined(target, optics, table, voice)
    elif moved := set_aside(target.parent, [target]):
        voice.log.line(f" The list of an earlier import was moved to {moved[0].parent}.")
    write_star(target, [optics, table])
    more = "" if added == len(table) else f", {added} of them new"
    output = Output(
        path=target.name, content="micrographs", particles=len(table), pixel_size_A=pixel_A
    )
    return Result([output], f"{len(table)} micrographs of {pixel_A:g} Å are listed{more}.")


def _header(path: Path) -> tuple[tuple[int, int], float]:
    """Height and width of a micrograph, and the pixel size in its header (0 if none)."""
    if path.suffix.lower() in TIFF:
        return _tiff_size(path), 0.0
    layout = read_layout(path)
    frames, height, width = layout.shape
    if frames > 1:
        raise InputError(_movie(path, frames))
    return (height, width), layout.pixel_size_A


def _tiff_size(path: Path) -> tuple[int, int]:
    import tifffile

    try:
        with tifffile.TiffFile(path) as file:
            frames = len(file.pages)
            page = file.pages.first
            ends = [a + n for a, n in zip(page.dataoffsets, page.databytecounts, strict=True)]
            height, width = page.shape[:2]
    except (tifffile.TiffFileError, OSError, ValueError, IndexError, struct.error) as error:
        raise InputError(f"{path} is no TIFF file that can be read: {error}.") from None
    if frames > 1:
        raise InputError(_movie(path, frames))
    if max(ends, default=0) > path.stat().st_size:
        raise InputError(
            f"{path} is cut short: it ends at {path.stat().st_size} of {max(ends)} bytes."
        )
    return height, width


def _movie(path: Path, frames: int) -> str:
    return (
        f"{path} is a movie of {frames} frames; import its micrograph after the correction of motion "
        "(a stack of particles is imported by its STAR file)."
    )


def _pixel_size(headers: dict[Path, float], given_A: float | None, voice: Voice) -> float:
    """The pixel size that was given, or that all headers say; differences are told (E19)."""
    known = {path: value for path, value in headers.items() if value > 0}
    if given_A is None:
        if len(known) < len(headers):
            path = next(path for path in headers if path not in known)
            raise InputError(f"{path} does not say its pixel size: give it (--angpix).")
        given_A = float(f"{float(np.median(list(known.values()))):.7g}")
        if abs(given_A - 1.0) < 1e-6:
            raise InputError(
                f"The headers say 1.000 Å, as programs write that do not know it ({next(iter(known))}): "
                "give the pixel size (--angpix)."
            )
    differing = [p for p, value in known.items() if abs(value / given_A - 1) > PIXEL_TOLERANCE]
    if differing:
        voice.log.warning(
            f"The headers of {len(differing)} micrographs have another pixel size than {given_A:.4f} Å, "
            f"which is used: {differing[0]} says {known[differing[0]]:.4f} Å.",
            "E19",
        )
    return given_A


def _tables(params: ImportingParams, names: Sequence[str], pixel_A: float) -> tuple[Table, Table]:
    """The optics table of one group, and the table of its micrographs."""
    if params.mtf and not Path(params.mtf).is_file():
        raise InputError(f"The MTF {params.mtf} does not exist. Pick another file.")
    optics: dict[str, np.ndarray] = {
        "optics_group_name": np.array([params.optics_group_name], dtype=object),
        "optics_group": np.array([1]),
    }
    if params.mtf:
        optics["mtf_file_name"] = np.array([local_name(Path(params.mtf))], dtype=object)
    numbers = {
        "micrograph_original_pixel_size_A": pixel_A,
        "voltage_kV": params.voltage_kV,
        "spherical_aberration_mm": params.spherical_aberration_mm,
        "amplitude_contrast": params.amplitude_contrast,
        "micrograph_pixel_size_A": pixel_A,
    }
    tilt = (params.beam_tilt_x_mrad, params.beam_tilt_y_mrad)
    if sum(map(abs, tilt)) > LEAST_TILT_MRAD:
        numbers |= {"beam_tilt_x_mrad": tilt[0], "beam_tilt_y_mrad": tilt[1]}
    optics |= {name: np.array([float(value)]) for name, value in numbers.items()}
    rows = {
        star_label("micrograph_name"): np.array(list(names), dtype=object),
        star_label("optics_group"): np.full(len(names), 1),
    }
    labelled = {star_label(name): values for name, values in optics.items()}
    return Table("optics", labelled), Table("micrographs", rows)


def _joined(target: Path, optics: Table, table: Table, voice: Voice) -> tuple[Table, Table, int]:
    """The tables of an earlier import with the new micrographs behind them; how many are new."""
    found = read_star(target)
    if "optics" not in found or "micrographs" not in found:
        raise InputError(f"{target} is no list of micrographs; choose another folder.")
    old_optics, old = found["optics"], found["micrographs"]
    number, joined_optics = _group_number(old_optics, optics, target)
    name, group = star_label("micrograph_name"), star_label("optics_group")
    known = dict(zip(old.columns[name].tolist(), old.columns[group].tolist(), strict=True))
    new = [one for one in table.columns[name].tolist() if one not in known]
    for one in table.columns[name].tolist():
        if known.get(one, number) != number:
            raise InputError(
                f"{one} is listed already in another optics group of {target}; a micrograph has one."
            )
    if len(new) < len(table):
        voice.log.line(f" {len(table) - len(new)} micrographs were listed already.")
    if len(old.columns) != 2:
        raise InputError(
            f"{target} has more columns than raw micrographs have; choose another folder."
        )
    columns = {
        name: np.array([*old.columns[name].tolist(), *new], dtype=object),
        group: np.concatenate([old.columns[group], np.full(len(new), number)]),
    }
    return joined_optics, Table("micrographs", columns), len(new)


def _group_number(old: Table, new: Table, target: Path) -> tuple[int, Table]:
    """The number of the new optics group among the old ones, and the table with it."""
    name, number = star_label("optics_group_name"), star_label("optics_group")
    wanted = str(new.columns[name][0])
    values = {label: column[0] for label, column in new.columns.items() if label != number}
    for row, known in enumerate(old.columns[name].tolist()):
        if known != wanted:
            continue
        for label, value in values.items():
            before = old.columns[label][row] if label in old.columns else "nothing"
            if before != value:
                raise InputError(
                    f"Optics group {wanted} of {target} has {before} as {label}, not {value}; give "
                    "the new micrographs another group (--optics_group_name)."
                )
        return int(old.columns[number][row]), old
    if set(old.columns) != set(new.columns) or not has(old, "optics_group"):
        raise InputError(
            f"The optics groups of {target} have other columns than the new one (MTF, beam tilt); "
            "import it into a folder of its own."
        )
    free = int(old.columns[number].max()) + 1
    added = new.columns | {number: np.array([free])}
    return free, Table(
        "optics",
        {label: np.concatenate([old.columns[label], added[label]]) for label in old.columns},
    )
