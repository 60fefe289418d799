"""The parameters of local resolution."""

from typing import Annotated, ClassVar

from pydantic import model_validator

from compute.params.option import option
from compute.params.postprocess import SHARPEN, HalfMapParams

WINDOW = "Windows"


class LocalResolutionParams(HalfMapParams):
    """Two half-maps whose resolution is wanted at each place, and how the map is then filtered."""

    DEFAULT_NAME: ClassVar[str] = "map"

    window_A: Annotated[
        float,
        option(
            WINDOW,
            "Diameter of the soft sphere; 0 is five times the resolution of the whole map.",
            ge=0.0,
            le=1000.0,
        ),
    ] = 0.0
    step_A: Annotated[
        float,
        option(
            WINDOW,
            "Distance of the points at which the resolution is measured; 0 is an eighth of the window.",
            ge=0.0,
            le=1000.0,
        ),
    ] = 0.0
    threshold: Annotated[
        float, option(WINDOW, "FSC at which a curve is said to end.", gt=0.0, lt=1.0)
    ] = 0.143
    lowest_resolution_A: Annotated[
        float,
        option(
            WINDOW,
            "No place is said to be worse than this.",
            "--locres_minres",
            gt=0.0,
            le=1000.0,
        ),
    ] = 50.0
    b_factor_A2: Annotated[
        float,
        option(
            SHARPEN,
            "B-factor of the locally filtered map, as post-processing found it; negative sharpens.",
            "--adhoc_bfac",
            ge=-10000.0,
            le=10000.0,
        ),
    ] = 0.0
    mtf: Annotated[
        str, option(SHARPEN, "MTF of the detector (STAR), which the map is divided by.", "--mtf")
    ] = ""
    mtf_pixel_size_A: Annotated[
        float,
        option(
            SHARPEN,
            "Pixel size of the detector at the specimen, before any binning.",
            "--mtf_angpix",
            zero_is_off=True,
            ge=0.0,
            le=100.0,
        ),
    ] = 0.0

    @model_validator(mode="after")
    def _mtf_has_its_pixel(self) -> "LocalResolutionParams":
        if self.mtf and self.mtf_pixel_size_A == 0:
            raise ValueError("the MTF (--mtf) needs the pixel size of the detector (--mtf_angpix)")
        return self
