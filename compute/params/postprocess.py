"""The parameters of post-processing: from two half-maps to the map, FSC and B-factor of a paper."""

from typing import Annotated, Any, ClassVar

from pydantic import field_validator, model_validator

from compute.params.option import JobParams, option
from compute.params.output import output_root

IO, FSC, SHARPEN = "Input and output", "Fourier shell correlation", "Sharpening"


class HalfMapParams(JobParams):
    """What all jobs that look at two half-maps are told: the maps, a mask and the pixel size."""

    DEFAULT_NAME: ClassVar[str] = "postprocess"

    half1: Annotated[str, option(IO, "One of the two unfiltered half-maps.", "--i")]
    output: Annotated[
        str, option(IO, "Folder and first part of the names of all files: OUT/name.", "--o")
    ]
    half2: Annotated[
        str,
        option(
            IO,
            "The other half-map; found by itself where the first one's name holds half1 or half2.",
            "--i2",
        ),
    ] = ""
    mask: Annotated[
        str, option(IO, "Mask of the particle, values 0 to 1; none is possible.", "--mask")
    ] = ""
    pixel_size_A: Annotated[
        float,
        option(
            IO,
            "Calibrated pixel size, for all axes and headers; 0 is that of the half-maps' headers.",
            "--angpix",
            zero_is_off=True,
            ge=0.0,
            le=100.0,
        ),
    ] = 0.0
    fit_mask: Annotated[
        bool,
        option(IO, "Bring a mask of another box or pixel size to that of the half-maps."),
    ] = False
    clip_mask: Annotated[
        bool, option(IO, "Set mask values below 0 to 0 and those above 1 to 1.")
    ] = False
    random_seed: Annotated[
        int, option(FSC, "Seed of the random phases.", "--random_seed", ge=0, advanced=True)
    ] = 0

    @field_validator("output")
    @classmethod
    def _is_a_root(cls, value: str) -> str:
        return output_root(value, cls.DEFAULT_NAME, ".mrc")


class PostprocessParams(HalfMapParams):
    """Everything that post-processing is told. At most one B-factor is used: the fitted or one's own."""

    RELION_MARKS: ClassVar[tuple[str, ...]] = ()
    """None; only behind its program's name does what is left away mean what it means for RELION."""

    randomise_at_fsc: Annotated[
        float,
        option(
            FSC,
            "Phases are randomised from the first shell whose FSC without mask is below this.",
            "--randomize_at_fsc",
            gt=0.0,
            lt=1.0,
            advanced=True,
        ),
    ] = 0.8
    randomise_from_A: Annotated[
        float,
        option(
            FSC,
            "Randomise phases from this resolution on instead.",
            "--randomize_at_A",
            zero_is_off=True,
            ge=0.0,
            le=1000.0,
            advanced=True,
        ),
    ] = 0.0
    force_mask: Annotated[
        bool,
        option(
            FSC,
            "Keep the curve inside the mask even where the one without mask reaches further.",
            "--force_mask",
            advanced=True,
        ),
    ] = False
    molecular_weight_kDa: Annotated[
        float,
        option(
            FSC,
            "Mass of the particle, for the FSC of the particle's volume.",
            "--molweight",
            zero_is_off=True,
            ge=0.0,
            le=1e7,
            advanced=True,
        ),
    ] = 0.0
    auto_b_factor: Annotated[
        bool,
        option(
            SHARPEN,
            "Find the B-factor from the Guinier plot of the map inside the mask (of the whole box without "
            "a mask), unless one of your own is given.",
            "--auto_bfac",
            absent=False,
        ),
    ] = True
    fit_lowest_resolution_A: Annotated[
        float,
        option(
            SHARPEN,
            "Lowest resolution of the line through the Guinier plot.",
            "--autob_lowres",
            gt=0.0,
            le=1000.0,
        ),
    ] = 10.0
    fit_highest_resolution_A: Annotated[
        float,
        option(
            SHARPEN,
            "Highest resolution of that line; 0 is the resolution that the FSC gives (without a mask, "
            "where the FSC ends).",
            "--autob_highres",
            ge=0.0,
            le=1000.0,
            advanced=True,
        ),
    ] = 0.0
    own_b_factor_A2: Annotated[
        float,
        option(
            SHARPEN,
            "B-factor of your own, instead of the fitted one; negative values sharpen.",
            "--adhoc_bfac",
            ge=-10000.0,
            le=10000.0,
        ),
    ] = 0.0
    skip_fsc_weighting: Annotated[
        bool,
        option(
            SHARPEN,
            "Leave the FSC weight out; use it with a low-pass filter only.",
            "--skip_fsc_weighting",
        ),
    ] = False
    lowpass_A: Annotated[
        float,
        option(
            SHARPEN,
            "Low-pass filter; 0 is none, below 0 is at the resolution that the FSC gives.",
            "--low_pass",
            ge=-1000.0,
            le=1000.0,
        ),
    ] = 0.0
    half_maps: Annotated[
        bool,
        option(
            SHARPEN,
            "Write the two half-maps as well, sharpened and filtered as the map.",
            "--half_maps",
            advanced=True,
        ),
    ] = False
    filter_edge_width_px: Annotated[
        float,
        option(
            SHARPEN,
            "Width of the filter's soft edge, in Fourier pixels.",
            "--filter_edge_width",
            ge=0.0,
            le=100.0,
            advanced=True,
        ),
    ] = 2.0
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

    @model_validator(mode="before")
    @classmethod
    def _own_b_factor_switches_the_fit_off(cls, values: Any) -> Any:
        if isinstance(values, dict) and "auto_b_factor" not in values:
            if "own_b_factor_A2" in values:
                return {**values, "auto_b_factor": False}
        return values

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> "PostprocessParams":
        if self.auto_b_factor and self.own_b_factor_A2 != 0:
            raise ValueError(
                "use the automatic B-factor (--auto_bfac) or one of your own (--adhoc_bfac), not both"
            )
        if self.mtf and self.mtf_pixel_size_A == 0:
            raise ValueError("the MTF (--mtf) needs the pixel size of the detector (--mtf_angpix)")
        if self.fit_highest_resolution_A >= self.fit_lowest_resolution_A:
            raise ValueError(
                f"the fit cannot run from {self.fit_lowest_resolution_A:g} Å (--autob_lowres) to "
                f"{self.fit_highest_resolution_A:g} Å (--autob_highres): the first must be larger"
            )
        return self
