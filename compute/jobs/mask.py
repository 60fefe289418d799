"""The making of a mask: region, extension, soft edge, and what the mask encloses."""

from pathlib import Path

import numpy as np

from compute.files import events
from compute.files.atomic import write_whole
from compute.files.errors import InputError
from compute.files.mrc import read_layout, write_map
from compute.jobs.map_input import read_cube, stated_pixel_A
from compute.jobs.mask_region import (
    Density,
    Region,
    beyond_shape,
    combinations,
    combined,
    density_of,
    grown,
    region_of_density,
)
from compute.jobs.mask_report import Made, report_text, sentences, summary
from compute.jobs.output import make_room
from compute.jobs.plain import Result
from compute.jobs.voice import Voice
from compute.params.mask import MaskParams
from compute.signal.binary import soft_edge, softened
from compute.signal.mask_grade import grade_mask
from compute.signal.shapes import beyond_centre

PIXEL_FLAG = "--angpix"
HEADER_BYTES, BYTES_PER_VOXEL, REPORT_BYTES = 1024, 4, 1 << 16


def run(params: MaskParams, voice: Voice) -> Result:
    """Make and write the mask and its report; raises InputError before anything is written."""
    target, report = (Path(f"{params.output}{suffix}") for suffix in (".mrc", ".json"))
    for source in (params.map, *combinations(params).values()):
        if source and Path(source).resolve() == target.resolve():
            raise InputError(f"{source} would be overwritten by the mask: choose another output")
    said: list[str] = []
    made = make_mask(params, voice, said)
    box = len(made.values)
    make_room([target, report], HEADER_BYTES + REPORT_BYTES + BYTES_PER_VOXEL * box**3, voice)
    voice.progress.enter("writing")
    write_map(target, made.values, made.pixel_size_A)
    for line in sentences(params, made) + said:
        voice.log.line(f" {line}")
    for remark in made.grade.remarks if made.grade else ():
        voice.log.warning(remark, "E36")
    write_whole(report, report_text(params, made).encode())
    return Result(
        (
            events.Output(
                path=target.name, content="mask", box_size=box, pixel_size_A=made.pixel_size_A
            ),
            events.Output(path=report.name, content="report"),
        ),
        summary(made),
    )


def make_mask(params: MaskParams, voice: Voice, said: list[str]) -> Made:
    """The mask; InputError where it would be empty or full (E33)."""
    box, pixel_A = _grid(params, voice)
    density, volume = None, None
    if params.map:
        voice.progress.enter("reading and filtering")
        volume, _ = read_cube(Path(params.map))
        density = density_of(volume, pixel_A, params)
        _warn_of_levels(density, params, voice)
    voice.progress.enter("finding the region")
    beyond = None
    if params.shape != "map":
        beyond = beyond_shape(box, pixel_A, params)
        region = Region(beyond <= 0, params.threshold, f"a {params.shape}")
    elif density is not None:
        region = region_of_density(density, pixel_A, params)
    if combinations(params):
        region, beyond = combined(region, box, pixel_A, params, said), None
    voice.progress.enter("edge")
    if beyond is not None:
        values = soft_edge(beyond, params.soft_edge_px)
    else:
        _check(region.is_inside, "the region")
        whole = grown(region.is_inside, pixel_A, params.extend_px, params.largest_hole_A3)
        _check(whole, f"the region extended by {params.extend_px:g} voxels")
        values = softened(whole, params.soft_edge_px)
    if params.helix:
        ends = beyond_centre(box, params.central_z_fraction)[:, None, None]
        values = values * soft_edge(ends, params.soft_edge_px)
    if params.invert:
        values = 1.0 - values
    _check(values > 0.5, "the mask")
    if params.soft_edge_px == 0 and density is None:
        voice.log.warning(
            "The mask has no soft edge, which makes masked FSC curves too good.", "E36"
        )
    voice.progress.enter("judging")
    grade = None
    if density is not None and not params.invert and density.is_molecule.any():
        edge_A = params.soft_edge_px * pixel_A
        grade = grade_mask(values, density.is_molecule, pixel_A, edge_A, params.resolution_A)
    return Made(values, pixel_A, region, density, grade)


def _grid(params: MaskParams, voice: Voice) -> tuple[int, float]:
    """Box and pixel size of the mask."""
    if not params.map:
        assert params.box_px is not None and params.pixel_size_A is not None
        return params.box_px, params.pixel_size_A
    layout = read_layout(params.map)
    if params.box_px is not None and params.box_px != layout.shape[0]:
        raise InputError(
            f"a box of {params.box_px} is asked for but {params.map} has {layout.shape[0]}: leave the box out"
        )
    remarks: list[str] = []
    pixel_A = stated_pixel_A(
        Path(params.map), layout.pixel_size_A, params.pixel_size_A, PIXEL_FLAG, remarks
    )
    for remark in remarks:
        voice.log.warning(remark, "E19")
    return layout.shape[0], pixel_A


def _warn_of_levels(density: Density, params: MaskParams, voice: Voice) -> None:
    """Say where the map's levels do not look like a bright molecule in a quiet solvent."""
    levels = density.levels
    low, high = float(density.values.min()), float(density.values.max())
    if levels.solvent - low > high - levels.solvent:
        voice.log.warning(
            f"The darkest voxels of {params.map} stand out more than the brightest: is its contrast inverted?"
        )
    if not levels.is_above_noise and params.threshold is None:
        voice.log.warning(
            f"The molecule in {params.map} hardly stands out of the solvent's noise ({levels.noise:.3g}): look at the "
            "mask, and low-pass the map further (--lowpass)."
        )


def _check(is_inside: np.ndarray, what: str) -> None:
    """Raises InputError for a mask that covers nothing or everything (E33)."""
    if not is_inside.any():
        raise InputError(f"{what} is empty: no voxel is inside; a mask must cover the molecule")
    if is_inside.all():
        raise InputError(f"{what} fills the whole box; a mask must leave the solvent outside")
