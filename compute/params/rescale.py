"""The parameters of the rescaling of maps."""

from typing import Annotated, Any

from pydantic import field_validator, model_validator

from compute.params.option import JobParams, option
from compute.params.output import output_root

IO, GRID, FILTER = "Input and output", "New grid", "Filter and hand"


class RescaleParams(JobParams):
    """Maps to bring to another pixel size and box, exactly, with or without a filter."""

    # fmt: off
    # A table: one option after the other, with group, help, RELION's names and bounds.
    maps: Annotated[str, option(IO,
        "The map, or several with commas between them (both half-maps), which are all treated alike.",
        "--i")]
    output: Annotated[str, option(IO,
        "Folder and first part of the names: OUT/rescaled is OUT/rescaled.mrc, or, for several maps, "
        "OUT/rescaled_NAME.mrc. Files of an earlier run are moved to superseded/.", "--o")]
    pixel_size_A: Annotated[float | None, option(IO,
        "Pixel size of the maps as they are, where their header is wrong.",
        "--angpix", gt=0.0, le=1000.0)] = None

    match_particles: Annotated[str, option(GRID,
        "STAR file of particles whose box and pixel size the maps get.")] = ""
    new_pixel_size_A: Annotated[float | None, option(GRID,
        "Pixel size that the maps get, exactly. Without a new box, the smallest even one that holds "
        "the whole map is taken.",
        "--rescale_angpix", gt=0.0, le=1000.0)] = None
    new_box_px: Annotated[int | None, option(GRID,
        "Box that the maps get, after the change of pixel size: cut or filled with zeros around the "
        "centre.",
        "--new_box", ge=2, le=4096)] = None
    header_pixel_size_A: Annotated[float | None, option(GRID,
        "Write this pixel size to the header, whatever the voxels are.",
        "--force_header_angpix", advanced=True, gt=0.0, le=1000.0)] = None

    lowpass_A: Annotated[float, option(FILTER,
        "Remove detail finer than this, before the change of grid.",
        "--lowpass", zero_is_off=True, ge=0.0, le=10000.0)] = 0.0
    highpass_A: Annotated[float, option(FILTER,
        "Remove what is coarser than this, before the change of grid.",
        "--highpass", zero_is_off=True, advanced=True, ge=0.0, le=10000.0)] = 0.0
    filter_edge_shells: Annotated[float, option(FILTER,
        "Width of the filters' cosine edge in Fourier shells.",
        "--filter_edge_width", advanced=True, ge=0.0, le=1000.0)] = 2.0
    invert_hand: Annotated[bool, option(FILTER,
        "Mirror the maps in x about the centre voxel, which changes the hand and keeps the symmetry "
        "axes.", "--invert_hand")] = False
    invert_contrast: Annotated[bool, option(FILTER,
        "Multiply the densities by -1.", advanced=True)] = False
    # fmt: on

    @field_validator(
        "pixel_size_A", "new_pixel_size_A", "new_box_px", "header_pixel_size_A", mode="before"
    )
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
        return output_root(value, "rescaled", ".mrc")

    @model_validator(mode="after")
    def _agree(self) -> "RescaleParams":
        if not self.maps.strip():
            raise ValueError("no map is named: give the map to rescale (--i)")
        if not self.output:
            raise ValueError("no output is named: give a folder and a first part, --o OUT/rescaled")
        if self.match_particles and (self.new_pixel_size_A or self.new_box_px):
            raise ValueError(
                "box and pixel size are asked for twice: give particles to match, or the numbers"
            )
        if not self.changes_grid and not self.changes_values and not self.header_pixel_size_A:
            raise ValueError(
                "nothing is to be done: give particles to match, a new pixel size (--rescale_angpix), a new box "
                "(--new_box), a filter or a change of hand"
            )
        if 0 < self.highpass_A <= self.lowpass_A:
            raise ValueError(
                f"a high-pass of {self.highpass_A:g} Å and a low-pass of {self.lowpass_A:g} Å leave nothing: "
                "the high-pass must be the coarser one"
            )
        return self

    @property
    def changes_grid(self) -> bool:
        """Whether box or pixel size are to change."""
        return bool(self.match_particles or self.new_pixel_size_A or self.new_box_px)

    @property
    def changes_values(self) -> bool:
        """Whether densities are to change on the grid that they are on."""
        return bool(self.lowpass_A or self.highpass_A or self.invert_hand or self.invert_contrast)
