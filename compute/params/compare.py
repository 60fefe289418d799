"""The parameters of a comparison of a map with a known one."""

from typing import Annotated

from pydantic import model_validator

from compute.params.option import JobParams, option

IO, MASK = "Input and output", "Mask"


class CompareParams(JobParams):
    """Two maps of one box and pixel size whose agreement is asked for."""

    map: Annotated[str, option(IO, "The map to judge.", "--i")]
    truth: Annotated[str, option(IO, "The map that it is held against.", "--ref")]
    output: Annotated[str, option(IO, "JSON file for the curve and the figures.", "--o")]
    mask: Annotated[
        str, option(MASK, "A mask on the maps' grid, inside which they are compared.")
    ] = ""
    mask_radius_A: Annotated[
        float,
        option(MASK, "Radius of the soft sphere; 0 compares without one.", ge=0.0, le=10000.0),
    ] = 0.0
    mask_edge_px: Annotated[
        float, option(MASK, "Width of the sphere's soft edge.", ge=0.0, le=100.0)
    ] = 5.0

    @model_validator(mode="after")
    def _one_mask(self) -> "CompareParams":
        if self.mask and self.mask_radius_A > 0:
            raise ValueError(
                "a mask (--mask) and a sphere (--mask-radius) were given: use one of both"
            )
        return self
