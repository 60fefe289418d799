"""Import of maps, masks and half-maps: copies that are checked, with a pixel size that is right."""

import shutil
from pathlib import Path
from typing import Literal

import torch

from compute.files.atomic import replacing
from compute.files.errors import InputError
from compute.files.events import Output
from compute.files.mrc import write_map
from compute.files.relion import set_aside
from compute.jobs.map_input import MASK_TOLERANCE, PIXEL_TOLERANCE_A, read_cube, stated_pixel_A
from compute.jobs.plain import Result
from compute.jobs.voice import Voice
from compute.params.importing import ImportingParams

Kind = Literal["map", "mask", "halfmaps"]
PIXEL_FLAG = "--angpix"
DA_PER_A3 = 0.81
"""Mass of a protein's volume."""


def import_maps(params: ImportingParams, kind: Kind, targets: list[Path], voice: Voice) -> Result:
    """Copy a map, a mask or both half-maps to `targets`.

    The bytes are copied; where a pixel size is given and the header says another one, the copy gets a
    new header. Raises InputError, before anything is written, for what cannot be used as such.
    """
    source = Path(params.files)
    sources = [source] if kind != "halfmaps" else [source, partner(source)]
    voice.progress.enter("checking maps", total=len(sources))
    remarks: list[str] = []
    volumes = []
    pixel_sizes = []
    headers_A = []
    for path in sources:
        volume, header_A = read_cube(path)
        pixel_sizes.append(stated_pixel_A(path, header_A, params.pixel_size_A, PIXEL_FLAG, remarks))
        headers_A.append(header_A)
        volumes.append(volume)
        _check_values(path, volume, kind)
        voice.progress.advance()
    if kind == "halfmaps":
        _check_halves(sources, volumes, pixel_sizes)
    for remark in remarks:
        voice.log.warning(remark, "E19")
    if moved := set_aside(targets[0].parent, targets):
        voice.log.line(f" Files of an earlier import were moved to {moved[0].parent}.")
    for i, (path, target) in enumerate(zip(sources, targets, strict=True)):
        if abs(headers_A[i] - pixel_sizes[i]) > PIXEL_TOLERANCE_A:
            write_map(target, volumes[i].numpy(), pixel_sizes[i])
        else:
            _copy(path, target)
    if kind == "mask":
        voice.log.line(f" {_mask_volume(volumes[0], pixel_sizes[0])}")
    content: Literal["map", "mask", "half map"] = "half map" if kind == "halfmaps" else kind
    outputs = [
        Output(path=target.name, content=content, box_size=len(volume), pixel_size_A=pixel_A)
        for target, volume, pixel_A in zip(targets, volumes, pixel_sizes, strict=True)
    ]
    what = "Both half-maps were" if kind == "halfmaps" else f"The {kind} was"
    return Result(outputs, f"{what} imported: {len(volumes[0])} px of {pixel_sizes[0]:.6g} Å.")


def partner(path: Path) -> Path:
    """The other half-map, by `half1` and `half2` in the name. Raises InputError (E34) where it cannot be told."""
    for mine, other in (("half1", "half2"), ("half2", "half1")):
        if mine in path.name:
            found = path.with_name(path.name.replace(mine, other))
            if not found.is_file():
                raise InputError(f"The other half-map {found} of {path} does not exist.")
            return found
    raise InputError(
        f"{path.name} has neither half1 nor half2 in its name, so its partner cannot be found; rename both."
    )


def _check_values(path: Path, volume: torch.Tensor, kind: Kind) -> None:
    low, high = float(volume.min()), float(volume.max())
    if low == high:
        raise InputError(f"{path} has the value {low:g} everywhere; it shows nothing.")
    if kind == "mask" and (low < -MASK_TOLERANCE or high > 1 + MASK_TOLERANCE):
        raise InputError(
            f"{path} has values from {low:.4g} to {high:.4g}; a mask has values from 0 to 1."
        )


def _check_halves(
    sources: list[Path], volumes: list[torch.Tensor], pixel_sizes: list[float]
) -> None:
    first, second = sources
    if volumes[0].shape != volumes[1].shape:
        raise InputError(
            f"{first} has a box of {len(volumes[0])} and {second} one of {len(volumes[1])}; half-maps have the same."
        )
    if abs(pixel_sizes[0] - pixel_sizes[1]) > PIXEL_TOLERANCE_A:
        raise InputError(
            f"{first} has {pixel_sizes[0]:.4f} Å per pixel and {second} {pixel_sizes[1]:.4f} Å; half-maps "
            "have the same."
        )
    if bool(torch.equal(volumes[0], volumes[1])):
        raise InputError(
            f"{first} and {second} are the same map; half-maps come from different particles."
        )


def _mask_volume(mask: torch.Tensor, pixel_A: float) -> str:
    inside = int((mask > 0.5).sum())
    volume_A3 = inside * pixel_A**3
    return (
        f"The mask holds {100 * inside / mask.numel():.1f} % of the box, {volume_A3:.4g} Å³, as much as a protein "
        f"of {volume_A3 * DA_PER_A3 / 1e3:.0f} kDa."
    )


def _copy(source: Path, target: Path) -> None:
    """Copy a file's bytes, at once or not at all."""
    with source.open("rb") as file, replacing(target) as copy:
        shutil.copyfileobj(file, copy, length=1 << 24)


def is_half(path: Path) -> bool:
    """Whether a file is named like a half-map whose partner exists."""
    try:
        return partner(path).is_file()
    except InputError:
        return False
