"""The region that a mask covers: from the density of a map, from a shape, and combined with other maps."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float32
from torch import Tensor

from compute.files.errors import InputError
from compute.jobs.map_input import PIXEL_TOLERANCE_A, is_mask, read_cube
from compute.params.mask import MaskParams
from compute.signal.binary import Cleaned, extended, without_dust, without_holes
from compute.signal.fourier import lowpass
from compute.signal.shapes import beyond_cylinder, beyond_sphere
from compute.signal.threshold import Levels, density_levels, threshold_of_volume, volume_A3

MASK_THRESHOLD = 0.5


@dataclass(frozen=True, slots=True)
class Density:
    """The density of a map after the low-pass, with its levels and the molecule at the suggested threshold."""

    values: Float32[np.ndarray, "z y x"]
    levels: Levels
    is_molecule: Bool[np.ndarray, "z y x"]


@dataclass(frozen=True, slots=True)
class Region:
    """Where a mask is 1 before it is extended, at which threshold and why, and what was cleaned."""

    is_inside: Bool[np.ndarray, "z y x"]
    threshold: float | None
    reason: str
    dust: Cleaned | None = None
    holes: Cleaned | None = None


def density_of(
    volume: Float32[Tensor, "z y x"], pixel_size_A: float, params: MaskParams
) -> Density:
    """The map as it is thresholded; InputError where it shows no molecule."""
    values = filtered(volume, pixel_size_A, params.lowpass_A).numpy()
    try:
        levels = density_levels(values)
    except ValueError as error:
        raise InputError(f"{params.map}: {error}") from None
    found = without_dust(values >= levels.threshold, params.smallest_piece_percent / 100.0)
    return Density(values, levels, found.is_inside)


def filtered(
    volume: Float32[Tensor, "z y x"], pixel_size_A: float, lowpass_A: float
) -> Float32[Tensor, "z y x"]:
    """The map after the low-pass that comes before the threshold; as it is where the pixels allow no finer detail."""
    return lowpass(volume, pixel_size_A, lowpass_A) if lowpass_A > 2 * pixel_size_A else volume


def cleaned(
    is_dense: Bool[np.ndarray, "z y x"],
    pixel_size_A: float,
    smallest_piece_percent: float,
    largest_hole_A3: float,
) -> tuple[Cleaned, Cleaned]:
    """The dense voxels without dust, then also with small cavities filled."""
    dust = without_dust(is_dense, smallest_piece_percent / 100.0)
    return dust, without_holes(dust.is_inside, largest_hole_A3 / pixel_size_A**3)


def grown(
    is_inside: Bool[np.ndarray, "z y x"],
    pixel_size_A: float,
    extend_px: float,
    largest_hole_A3: float,
) -> Bool[np.ndarray, "z y x"]:
    """A region extended, with the cavities that the extension has closed filled."""
    made = extended(is_inside, extend_px)
    if extend_px > 0:
        made = without_holes(made, largest_hole_A3 / pixel_size_A**3).is_inside
    return made


def region_of_density(density: Density, pixel_size_A: float, params: MaskParams) -> Region:
    """The voxels that reach the threshold, without dust and small cavities.

    Raises InputError where that is no voxel or all of them (E33).
    """
    threshold, reason = _threshold(density, pixel_size_A, params)
    is_dense = density.values >= np.float32(threshold)
    if not is_dense.any() or is_dense.all():
        what = "all voxels reach" if is_dense.all() else "no voxel reaches"
        low, high = float(density.values.min()), float(density.values.max())
        filtered = f" after the low-pass of {params.lowpass_A:g} Å" if params.lowpass_A else ""
        raise InputError(
            f"{what} the threshold {threshold:.4g}: {params.map} has densities from {low:.4g} to {high:.4g}{filtered}; "
            f"{density.levels.threshold:.4g} is suggested"
        )
    dust, holes = cleaned(
        is_dense, pixel_size_A, params.smallest_piece_percent, params.largest_hole_A3
    )
    return Region(holes.is_inside, threshold, reason, dust, holes)


def _threshold(density: Density, pixel_size_A: float, params: MaskParams) -> tuple[float, str]:
    """The threshold, and where it comes from."""
    if params.threshold is not None:
        return params.threshold, "as given"
    if params.protein_mass_kDa is None:
        return density.levels.threshold, "from the levels of solvent, noise and molecule"
    wanted = volume_A3(params.protein_mass_kDa)
    try:
        found = threshold_of_volume(density.values, density.is_molecule, wanted / pixel_size_A**3)
    except ValueError:
        shown = float(density.is_molecule.sum()) * pixel_size_A**3
        raise InputError(
            f"{params.protein_mass_kDa:g} kDa fill {wanted:.0f} Å³ but {params.map} shows density in {shown:.0f} Å³ "
            "only: check the mass and the pixel size, or give a threshold"
        ) from None
    return found, f"at which the density holds {params.protein_mass_kDa:g} kDa"


def beyond_shape(box: int, pixel_size_A: float, params: MaskParams) -> Float32[np.ndarray, "z y x"]:
    """How far each voxel is outside the shape, in voxels; InputError where its hollow is larger than it."""
    radius = params.outer_radius_px or 0.5 * (params.outer_diameter_A or 0.0) / pixel_size_A
    if params.inner_radius_px >= radius:
        raise InputError(
            f"the inner radius of {params.inner_radius_px:g} voxels is not smaller than the outer one, {radius:.4g}"
        )
    centre = (params.center_x_px, params.center_y_px, params.center_z_px)
    if params.shape == "sphere":
        return beyond_sphere(box, radius, params.inner_radius_px, centre)
    return beyond_cylinder(box, radius, params.inner_radius_px, params.height_px, centre)


def combined(
    region: Region, box: int, pixel_size_A: float, params: MaskParams, said: list[str]
) -> Region:
    """The region together with those of other maps, in the order and, or, and not, or not."""
    is_inside = region.is_inside
    for name, path in combinations(params).items():
        other = _inside_of(Path(path), box, pixel_size_A, region.threshold, params, said)
        if name.endswith("not"):
            other = ~other
        is_inside = is_inside & other if name.startswith("and") else is_inside | other
    return Region(is_inside, region.threshold, region.reason, region.dust, region.holes)


def combinations(params: MaskParams) -> dict[str, str]:
    """The maps to combine with, by what is to be done with them."""
    paths = {
        "and": params.and_map,
        "or": params.or_map,
        "and not": params.and_not_map,
        "or not": params.or_not_map,
    }
    return {name: path for name, path in paths.items() if path}


def _inside_of(
    path: Path,
    box: int,
    pixel_size_A: float,
    own_threshold: float | None,
    params: MaskParams,
    said: list[str],
) -> Bool[np.ndarray, "z y x"]:
    """The voxels inside another map, which must be on the same grid."""
    volume, header_A = read_cube(path)
    if volume.shape[0] != box:
        raise InputError(
            f"{path} has a box of {volume.shape[0]} but the mask has {box}: bring it there with 'halfmap rescale'"
        )
    if header_A > 0 and abs(header_A - pixel_size_A) > PIXEL_TOLERANCE_A:
        raise InputError(
            f"{path} has pixels of {header_A:.4f} Å but the mask has {pixel_size_A:.4f} Å: "
            "bring it there with 'halfmap rescale'"
        )
    threshold = params.combined_threshold
    if threshold is None:
        threshold = MASK_THRESHOLD if is_mask(volume) else own_threshold
    if threshold is None:
        raise InputError(
            f"{path} is not a mask: say from which density on it counts (--combined-threshold)"
        )
    said.append(f"{path} counts as inside from {threshold:.4g} on.")
    return torch.ge(volume, threshold).numpy()
