"""The plan of an extraction: every box of every micrograph, checked before any pixel is read."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from compute.files.errors import InputError
from compute.files.labels import REASON, star_label
from compute.files.micrograph_names import output_stem
from compute.files.micrograph_pixels import micrograph_shape
from compute.files.micrographs import Micrographs
from compute.files.optics import column, has
from compute.files.table import Table
from compute.jobs.extract_geometry import box_centres, extent_text, projected, recentred
from compute.jobs.extract_source import NO_MICROGRAPH, Source, group_rows
from compute.params.extract import ExtractParams
from compute.signal.extraction import padding_share

MUCH_PADDING = 0.25
"""Share of a box beyond the micrograph's edge above which it is counted (E5)."""
NAMED = 5
"""Missing files that a sentence names."""


@dataclass(frozen=True, slots=True)
class Work:
    """One micrograph: where it is and what of it goes where.

    rows: the particles' columns as they will be written. centres: (x, y) of the boxes. first: number of the first
    of these particles in the whole extraction, which random numbers depend on.
    """

    name: str
    path: Path
    stack: Path
    star: Path
    rows: Table
    centres: Int64[np.ndarray, "particle 2"]
    pixel_size_A: float
    first: int

    def __len__(self) -> int:
        return len(self.centres)


@dataclass(frozen=True, slots=True)
class Plan:
    """All that an extraction will do.

    optics: the optics table of the result. rejected: the particles left out, with the reason of each.
    padded: boxes that are partly beyond an edge; much_padded: those of which more than a quarter is.
    """

    work: tuple[Work, ...]
    optics: Table
    rejected: Table
    padded: int
    much_padded: int

    @property
    def particles(self) -> int:
        """How many particles will be extracted."""
        return sum(len(work) for work in self.work)


def make_plan(params: ExtractParams, micrographs: Micrographs, source: Source) -> Plan:
    """The boxes of all particles; InputError where micrographs are missing or nothing is left."""
    source = _moved(params, micrographs, source)
    used = np.unique(source.micrograph[source.micrograph != NO_MICROGRAPH])
    shapes = _shapes(params, micrographs, source, used)
    centres = box_centres(_pair(source.table, "coordinate_x", "coordinate_y"))
    padding = np.ones(len(centres))
    reasons = np.full(len(centres), "", dtype=object)
    reasons[source.micrograph == NO_MICROGRAPH] = "its micrograph is not listed"
    for position in used:
        rows = source.micrograph == position
        shape = shapes.get(int(position))
        if shape is None:
            reasons[rows] = "its micrograph does not exist"
        else:
            padding[rows] = padding_share(centres[rows], params.box, shape)
    has_pixels = reasons == ""
    reasons[has_pixels & (padding >= 1.0)] = "its box lies outside the micrograph"
    limit = params.maximum_padding_percent / 100.0
    reasons[(reasons == "") & (padding > limit)] = (
        f"more than {params.maximum_padding_percent:g} % of its box lies outside the micrograph"
    )
    kept = reasons == ""
    if not kept.any():
        sizes = sorted({f"{shape[1]} x {shape[0]}" for shape in shapes.values()})
        raise InputError(
            f"all {len(kept)} particles lie outside their micrographs, which have {', '.join(sizes[:NAMED])} pixels: "
            f"the boxes' middles are at {extent_text(centres.astype(float))}. "
            "Are the coordinates meant for other pixels?"
        )
    labelled = {label: values[~kept] for label, values in source.table.columns.items()}
    labelled[REASON] = reasons[~kept]
    return Plan(
        work=tuple(_works(params, micrographs, source, centres, kept)),
        optics=_optics(params, micrographs, source),
        rejected=Table("rejected", labelled),
        padded=int((kept & (padding > 0)).sum()),
        much_padded=int((kept & (padding > MUCH_PADDING)).sum()),
    )


def _pair(table: Table, first: str, second: str) -> np.ndarray:
    return np.stack([column(table, first, 0.0), column(table, second, 0.0)], axis=1)


def _moved(params: ExtractParams, micrographs: Micrographs, source: Source) -> Source:
    """The source with coordinates and offsets as recentring or resetting leaves them, and the bias added."""
    names = ("origin_x_A", "origin_y_A")
    columns = dict(source.table.columns)
    bias = (params.extract_bias_x, params.extract_bias_y)
    if params.recenter:
        position = np.maximum(source.micrograph, 0)
        micrograph_A = micrographs.pixel_size_A[micrographs.optics_row[position]]
        image_A = micrograph_A
        if has(source.optics, "image_pixel_size_A"):
            sizes_A = column(source.optics, "image_pixel_size_A", 1.0)
            image_A = sizes_A[group_rows(source.optics, source.table)]
        coordinates, origins_A = recentred(
            _pair(source.table, "coordinate_x", "coordinate_y"),
            _pair(source.table, *names),
            image_A,
            micrograph_A,
            _target_px(params, source, image_A),
        )
    else:
        coordinates = _pair(source.table, "coordinate_x", "coordinate_y")
        origins_A = np.zeros((len(source.micrograph), 2))
    if params.recenter or params.reset_offsets:
        columns |= {star_label(name): origins_A[:, axis] for axis, name in enumerate(names)}
    for axis, name in enumerate(("coordinate_x", "coordinate_y")):
        columns[star_label(name)] = coordinates[:, axis] + bias[axis]
    return replace(source, table=replace(source.table, columns=columns))


def _target_px(params: ExtractParams, source: Source, image_A: np.ndarray) -> np.ndarray | float:
    """Where the point to centre on lies in each old image, in its pixels; 0 for the particle's middle."""
    point = (params.recenter_x, params.recenter_y, params.recenter_z)
    if not any(point):
        return 0.0
    if params.reference_pixel_size_A is None and not has(source.optics, "image_pixel_size_A"):
        raise InputError(
            "the point to centre on is in pixels of the map: give their size (--ref_angpix)"
        )
    angles = ("angle_rot_deg", "angle_tilt_deg", "angle_psi_deg")
    turned = np.stack([column(source.table, name, 0.0) for name in angles], axis=1)
    scale = (params.reference_pixel_size_A or image_A) / image_A
    return projected(turned, point) * scale[:, None]


def _shapes(
    params: ExtractParams, micrographs: Micrographs, source: Source, used: np.ndarray
) -> dict[int, tuple[int, int]]:
    """Rows and columns of the micrographs with particles; those that do not exist are left out if they may be."""
    missing = [int(i) for i in used if not micrographs.files[i].is_file()]
    if missing and (not params.allow_missing or len(missing) == len(used)):
        count = int(np.isin(source.micrograph, missing).sum())
        named = ", ".join(micrographs.names[i] for i in missing[:NAMED])
        more = f" and {len(missing) - NAMED} more" if len(missing) > NAMED else ""
        raise InputError(
            f"{len(missing)} of {len(used)} micrographs do not exist ({count} of {len(source.micrograph)} particles): "
            f"{named}{more}. Bring them back, or leave their particles out (--allow-missing)."
        )
    present = [int(i) for i in used if int(i) not in set(missing)]
    with ThreadPoolExecutor(8) as pool:
        found = pool.map(lambda i: micrograph_shape(micrographs.files[i]), present)
        return dict(zip(present, found, strict=True))


def _works(
    params: ExtractParams,
    micrographs: Micrographs,
    source: Source,
    centres: np.ndarray,
    kept: np.ndarray,
) -> list[Work]:
    """The work on each micrograph that has particles left, in the order of the micrograph file."""
    folder = Path(params.part_dir) if params.part_dir else Path(params.output).parent
    work, first = [], 0
    rows = np.flatnonzero(kept)
    position = source.micrograph[rows]
    for part in np.split(rows, np.flatnonzero(np.diff(position)) + 1):
        i = int(source.micrograph[part[0]])
        stem = folder / output_stem(micrographs.names[i])
        stack = stem.with_name(stem.name + ".mrcs")
        columns = {label: values[part] for label, values in source.table.columns.items()}
        columns |= {
            star_label("image_name"): _image_names(stack, len(part)),
            star_label("micrograph_name"): np.full(len(part), micrographs.names[i], dtype=object),
        }
        work.append(
            Work(
                name=micrographs.names[i],
                path=micrographs.files[i],
                stack=stack,
                star=stem.with_name(stem.name + "_extract.star"),
                rows=Table("images", columns),
                centres=centres[part],
                pixel_size_A=_final_pixel_size_A(
                    params, micrographs.pixel_size_A[micrographs.optics_row[i]]
                ),
                first=first,
            )
        )
        first += len(part)
    return work


def _image_names(stack: Path, count: int) -> np.ndarray:
    return np.array([f"{number:06d}@{stack}" for number in range(1, count + 1)], dtype=object)


def _final_pixel_size_A(params: ExtractParams, micrograph_A: float) -> float:
    return float(micrograph_A * params.box / (params.rescale_box or params.box))


def _optics(params: ExtractParams, micrographs: Micrographs, source: Source) -> Table:
    """The optics table of the extracted particles: only groups that are used by name."""
    rows = np.flatnonzero(source.micrograph_group != NO_MICROGRAPH)
    dropped = {star_label("micrograph_pixel_size_A")}
    columns = {
        label: values[rows]
        for label, values in source.optics.columns.items()
        if label not in dropped
    }
    sizes_A = micrographs.pixel_size_A[source.micrograph_group[rows]]
    count = len(rows)
    known: dict[str, Sequence[float] | np.ndarray] = {
        "image_pixel_size_A": np.array([_final_pixel_size_A(params, size) for size in sizes_A]),
        "image_size": np.full(count, params.final_box),
        "image_dimensionality": np.full(count, 2),
        "ctf_data_are_ctf_premultiplied": np.full(count, int(params.premultiply_ctf)),
    }
    if params.phase_flip:
        known["ctf_data_are_phase_flipped"] = np.ones(count, dtype=np.int64)
    columns |= {star_label(name): np.asarray(values) for name, values in known.items()}
    return Table("optics", columns)
