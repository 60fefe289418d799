"""The parameters of the making of masks."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import field_validator, model_validator

from compute.params.option import JobParams, option
from compute.params.output import output_root

IO, DENSITY, SHAPE, COMBINE = "Input and output", "Mask from density", "Shapes", "Combination"


class MaskParams(JobParams):
    """A mask: the region where a map is dense, or a sphere or cylinder, extended and with a soft edge."""

    SHORTHANDS: ClassVar[dict[str, dict[str, Any]]] = {"denovo": {"shape": "sphere"}}
    RELION_MARKS: ClassVar[tuple[str, ...]] = ("extend_inimask", "width_soft_edge")
    """Words of RELION's own lines: with them, absent options mean what they mean for RELION."""

    # fmt: off
    # A table: one option after the other, with group, help, RELION's names and bounds.
    map: Annotated[str, option(IO,
        "The map whose molecule the mask is to cover; box and pixel size are those of the map.",
        "--i")] = ""
    output: Annotated[str, option(IO,
        "Folder and first part of the names: OUT/mask is OUT/mask.mrc and the report OUT/mask.json. "
        "Files of an earlier run are moved to superseded/.", "--o")]
    pixel_size_A: Annotated[float | None, option(IO,
        "Pixel size, where the map's header is wrong or there is no map.",
        "--angpix", gt=0.0, le=1000.0)] = None

    threshold: Annotated[float | None, option(DENSITY,
        "Density from which on a voxel belongs to the molecule. Without one it is found: from the mass "
        "if that is given, else from the levels of solvent, noise and molecule in the map.",
        "--ini_threshold")] = None
    protein_mass_kDa: Annotated[float | None, option(DENSITY,
        "Mass of the molecule, for a threshold at which the density fills its volume (0.81 Da/Å³).",
        gt=0.0, le=1e6)] = None
    lowpass_A: Annotated[float, option(DENSITY,
        "Low-pass the map to this resolution first.",
        "--lowpass", absent=0.0, zero_is_off=True, ge=0.0, le=1000.0)] = 15.0
    smallest_piece_percent: Annotated[float, option(DENSITY,
        "Take away pieces of density that are smaller than this part of the largest piece.",
        zero_is_off=True, ge=0.0, le=100.0)] = 5.0
    largest_hole_A3: Annotated[float, option(DENSITY,
        "Fill cavities up to this volume.",
        zero_is_off=True, advanced=True, ge=0.0, le=1e9)] = 5000.0
    extend_px: Annotated[float, option(DENSITY,
        "Grow the region by this many voxels; below zero, shrink it.",
        "--extend_inimask", ge=-1000.0, le=1000.0)] = 3.0
    soft_edge_px: Annotated[float, option(DENSITY,
        "Width of the cosine from 1 to 0 around the region.",
        "--width_soft_edge", ge=0.0, le=1000.0)] = 3.0
    invert: Annotated[bool, option(DENSITY,
        "Make the mask 0 where it would be 1.", "--invert")] = False
    resolution_A: Annotated[float | None, option(DENSITY,
        "Resolution of the map that will be masked, to judge the soft edge by.",
        advanced=True, gt=0.0, le=1000.0)] = None

    shape: Annotated[Literal["map", "sphere", "cylinder"], option(SHAPE,
        "Where the region comes from: the density of the map, or a shape; cylinders stand along z.",
        advanced=True)] = "map"
    box_px: Annotated[int | None, option(SHAPE,
        "Box of a shape for which no map is given.",
        "--box_size", advanced=True, ge=2, le=4096)] = None
    outer_radius_px: Annotated[float | None, option(SHAPE,
        "Radius of the shape, in voxels.", "--outer_radius", advanced=True, gt=0.0, le=1e5)] = None
    outer_diameter_A: Annotated[float | None, option(SHAPE,
        "Diameter of the shape, instead of its radius in voxels.",
        advanced=True, gt=0.0, le=1e5)] = None
    inner_radius_px: Annotated[float, option(SHAPE,
        "Radius of the hollow inside of the shape.",
        "--inner_radius", advanced=True, zero_is_off=True, ge=0.0, le=1e5)] = 0.0
    height_px: Annotated[float | None, option(SHAPE,
        "Height of a cylinder; without one it passes through the whole box.",
        advanced=True, gt=0.0, le=1e5)] = None
    center_x_px: Annotated[float, option(SHAPE,
        "Place of the shape's centre along x, from that of the box.",
        "--center_x", advanced=True, ge=-4096.0, le=4096.0)] = 0.0
    center_y_px: Annotated[float, option(SHAPE,
        "Place of the shape's centre along y.",
        "--center_y", advanced=True, ge=-4096.0, le=4096.0)] = 0.0
    center_z_px: Annotated[float, option(SHAPE,
        "Place of the shape's centre along z.",
        "--center_z", advanced=True, ge=-4096.0, le=4096.0)] = 0.0
    helix: Annotated[bool, option(SHAPE,
        "Keep only the central part along z, with a soft end.", "--helix", advanced=True)] = False
    central_z_fraction: Annotated[float, option(SHAPE,
        "Central part of the box along z that a helix keeps.",
        "--z_percentage", advanced=True, gt=0.0, le=1.0)] = 0.3

    and_map: Annotated[str, option(COMBINE,
        "Keep only what is also inside this map or mask.", "--and", advanced=True)] = ""
    or_map: Annotated[str, option(COMBINE,
        "Add what is inside this map or mask.", "--or", advanced=True)] = ""
    and_not_map: Annotated[str, option(COMBINE,
        "Take away what is inside this map or mask.", "--and_not", advanced=True)] = ""
    or_not_map: Annotated[str, option(COMBINE,
        "Add what is outside this map or mask.", "--or_not", advanced=True)] = ""
    combined_threshold: Annotated[float | None, option(COMBINE,
        "Density from which on a voxel is inside the combined map; without one 0.5 for masks and the "
        "map's own threshold for maps.", advanced=True)] = None
    # fmt: on

    @field_validator("pixel_size_A", "box_px", mode="before")
    @classmethod
    def _not_given(cls, value: Any) -> Any:
        """Numbers below zero mean "not given" in RELION's commands."""
        try:
            return None if value is not None and float(value) < 0 else value
        except (TypeError, ValueError):
            return value

    @field_validator("output")
    @classmethod
    def _root(cls, value: str) -> str:
        return output_root(value, "mask", ".mrc")

    @model_validator(mode="after")
    def _agree(self) -> "MaskParams":
        if not self.output:
            raise ValueError("no output is named: give a folder and a first part, --o OUT/mask")
        if self.threshold is not None and self.protein_mass_kDa is not None:
            raise ValueError("a threshold and a mass are given: the mass would decide it, keep one")
        if self.shape == "map":
            if not self.map:
                raise ValueError("no map is named: give one (--i), or a shape (--shape sphere)")
            return self
        if (self.outer_radius_px is None) == (self.outer_diameter_A is None):
            raise ValueError(
                f"a {self.shape} needs a size: either --outer-radius (voxels) or --outer-diameter (Å)"
            )
        if not self.map and (self.box_px is None or self.pixel_size_A is None):
            raise ValueError(
                f"a {self.shape} without a map needs its box and pixel size: --box_size and --angpix"
            )
        return self
