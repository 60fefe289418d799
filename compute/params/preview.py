"""What can be asked of the preview worker (`python -m compute preview`)."""

from typing import Annotated, Literal

from pydantic import Field

from compute.params.mask import MaskParams
from compute.params.option import JobParams
from compute.params.refine import RefineParams

Axis = Literal["x", "y", "z"]
_OF_JOB = MaskParams.model_fields


class SliceChoice(JobParams):
    """Which slices of a map: voxel index along each axis (None: the centre), and their contrast.

    Slices are grey values 0 to 255 between two densities: `low` and `high` where given, else the
    percentiles of the map. `axes` x, y, z are the slices at one x (rows z, columns y), at one y (z, x)
    and at one z (y, x).
    """

    axes: tuple[Axis, ...] = ("x", "y", "z")
    x: Annotated[int | None, Field(ge=0)] = None
    y: Annotated[int | None, Field(ge=0)] = None
    z: Annotated[int | None, Field(ge=0)] = None
    low: float | None = None
    high: float | None = None
    low_percentile: Annotated[float, Field(ge=0.0, le=100.0)] = 0.5
    high_percentile: Annotated[float, Field(ge=0.0, le=100.0)] = 99.8

    def index(self, axis: Axis, box: int) -> int:
        """The voxel index along an axis; ValueError where the box does not reach so far."""
        chosen = {"x": self.x, "y": self.y, "z": self.z}[axis]
        if chosen is not None and chosen >= box:
            raise ValueError(f"slice {chosen} along {axis} is outside the box of {box} voxels")
        return box // 2 if chosen is None else chosen


class SlicesRequest(SliceChoice):
    """Slices of a map."""

    what: Literal["slices"] = "slices"
    map: str


class HistogramRequest(JobParams):
    """How often densities occur in a map."""

    what: Literal["histogram"] = "histogram"
    map: str
    bins: Annotated[int, Field(ge=2, le=10_000)] = 256


class MaskRecipe(JobParams):
    """What a mask job would make of a threshold: its parameters, with their meaning and their defaults."""

    map: str
    threshold: float
    lowpass_A: Annotated[float, Field(ge=0.0)] = _OF_JOB["lowpass_A"].default
    smallest_piece_percent: Annotated[float, Field(ge=0.0, le=100.0)] = _OF_JOB[
        "smallest_piece_percent"
    ].default
    largest_hole_A3: Annotated[float, Field(ge=0.0)] = _OF_JOB["largest_hole_A3"].default
    extend_px: Annotated[float, Field(ge=-50.0, le=50.0)] = _OF_JOB["extend_px"].default
    soft_edge_px: Annotated[float, Field(ge=0.0, le=50.0)] = _OF_JOB["soft_edge_px"].default
    pixel_size_A: Annotated[float, Field(ge=0.0)] = 0.0


class MaskRequest(SliceChoice):
    """Slices of a mask that would be made from a map (255 is 1), what it encloses, and, with
    `volume_box`, the whole mask on so many voxels."""

    what: Literal["mask"] = "mask"
    mask: MaskRecipe
    volume_box: Annotated[int, Field(ge=0, le=256)] = 0


class SharpenedRequest(SliceChoice):
    """Slices of a map, or of the mean of two half-maps, after FSC weight, B-factor and low-pass.

    `fsc` is the curve to weight by, one value for each shell; empty: no weight.
    """

    what: Literal["sharpened"] = "sharpened"
    map: str
    second_map: str = ""
    b_factor_A2: Annotated[float, Field(ge=-10_000.0, le=10_000.0)] = 0.0
    lowpass_A: Annotated[float, Field(ge=0.0)] = 0.0
    fsc: tuple[float, ...] = ()
    mtf: str = ""
    mtf_pixel_size_A: Annotated[float, Field(ge=0.0)] = 0.0
    pixel_size_A: Annotated[float, Field(ge=0.0)] = 0.0


class GuinierRequest(JobParams):
    """ln of the mean amplitude of each shell through the steps of sharpening, and the line for the B-factor.

    The map is `map`, or the mean of it and `second_map`. `fsc` is the curve to weight by; empty: no
    weight. The line is fitted to the map inside the mask (a file, or one that is made), or to the whole
    box where there is none. Without `b_factor_A2` the map is sharpened by the line's B-factor.
    """

    what: Literal["guinier"] = "guinier"
    map: str
    second_map: str = ""
    mask: str = ""
    made_mask: MaskRecipe | None = None
    fsc: tuple[float, ...] = ()
    mtf: str = ""
    mtf_pixel_size_A: Annotated[float, Field(ge=0.0)] = 0.0
    fit_lowest_resolution_A: Annotated[float, Field(gt=0.0)] = 10.0
    fit_highest_resolution_A: Annotated[float, Field(ge=0.0)] = 0.0
    b_factor_A2: Annotated[float | None, Field(ge=-10_000.0, le=10_000.0)] = None
    pixel_size_A: Annotated[float, Field(ge=0.0)] = 0.0


class LevelsRequest(JobParams):
    """The levels of solvent and molecule in a map, the threshold they suggest, and the volume above each density."""

    what: Literal["levels"] = "levels"
    map: str
    lowpass_A: Annotated[float, Field(ge=0.0)] = 15.0
    pixel_size_A: Annotated[float, Field(ge=0.0)] = 0.0


class ParticleRequest(JobParams):
    """An image of a stack (counted from 0) as it is, and with its phases flipped by the CTF and low-passed.

    Without a voltage the phases stay as they are.
    """

    what: Literal["particle"] = "particle"
    stack: str
    index: Annotated[int, Field(ge=0)]
    pixel_size_A: Annotated[float, Field(gt=0.0)]
    voltage_kV: Annotated[float, Field(ge=0.0)] = 0.0
    spherical_aberration_mm: float = 0.0
    amplitude_contrast: float = 0.0
    defocus_u_A: float = 0.0
    defocus_v_A: float = 0.0
    defocus_angle_deg: float = 0.0
    phase_shift_deg: float = 0.0
    lowpass_A: Annotated[float, Field(ge=0.0)] = 20.0


class FscRequest(JobParams):
    """FSC curves of two half-maps, inside a mask (a file, or one that is made) if there is one.

    Without `random_phases` only the unmasked and the masked curves are made, which takes half the time.
    """

    what: Literal["fsc"] = "fsc"
    half1: str
    half2: str
    mask: str = ""
    made_mask: MaskRecipe | None = None
    random_phases: bool = True
    random_seed: Annotated[int, Field(ge=0)] = 0
    pixel_size_A: Annotated[float, Field(ge=0.0)] = 0.0


class VolumeRequest(JobParams):
    """A map on at most `box` voxels, for display in three dimensions."""

    what: Literal["volume"] = "volume"
    map: str
    box: Annotated[int, Field(ge=8, le=256)] = 128


class ForecastRequest(JobParams):
    """The memory that a refinement with these parameters would need, by its processes and its GPUs.

    `box` and `pixel_size_A` are those of the particles; `ranks` and `threads` what the launcher would start.
    """

    what: Literal["forecast"] = "forecast"
    params: RefineParams
    particles: Annotated[int, Field(ge=1)]
    box: Annotated[int, Field(ge=2)]
    pixel_size_A: Annotated[float, Field(gt=0.0)]
    ranks: Annotated[int, Field(ge=1)]
    threads: Annotated[int, Field(ge=1)]
    gpus: Annotated[int, Field(ge=0)] = 0


PreviewRequest = Annotated[
    SlicesRequest
    | HistogramRequest
    | LevelsRequest
    | MaskRequest
    | SharpenedRequest
    | GuinierRequest
    | FscRequest
    | VolumeRequest
    | ParticleRequest
    | ForecastRequest,
    Field(discriminator="what"),
]
