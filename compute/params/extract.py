"""The parameters of an extraction of particles from micrographs."""

from typing import Annotated, Any

from pydantic import field_validator, model_validator

from compute.params.option import JobParams, option

IO, REFINED, BOXES = "Input and output", "Refined particles", "Boxes"
PIXELS, CTF, COMPUTE = "Grey values", "CTF", "Compute"
BACKGROUND_SHARE = 0.75
"""Diameter of the background circle, as a share of the box, where none is given."""


class ExtractParams(JobParams):
    """Everything that an extraction can be asked for: boxes around coordinates, or around refined particles."""

    # fmt: off
    # A table: one option after the other, with group, help, RELION's names and bounds.
    micrographs: Annotated[str, option(IO, "STAR file of the micrographs.", "--i")] = ""
    coordinates: Annotated[str, option(IO,
        "Coordinates of the particles: a list of files (RELION 4 and 5) or a suffix file (3.1).",
        "--coord_list")] = ""
    coordinates_folder: Annotated[str, option(IO,
        "Folder of the coordinate files, where they are given by their suffix.", "--coord_dir", advanced=True)] = ""
    coordinates_suffix: Annotated[str, option(IO,
        "End of the names of the coordinate files, as in _pick.star, behind the micrograph's name.",
        "--coord_suffix", advanced=True)] = ""
    particles: Annotated[str, option(IO,
        "Refined particles to extract anew, instead of coordinates.", "--reextract_data_star")] = ""
    output: Annotated[str, option(IO,
        "Folder and first part of the names: Extract/job018/particles. Stacks get the micrographs' names.",
        "--o", "--part_star")] = ""
    part_dir: Annotated[str, option(IO,
        "Folder of the stacks; without one, that of the output.", advanced=True)] = ""
    pick_star: Annotated[str, option(IO,
        "List of the new coordinates, for later jobs; without a name, extractpick.star in the output folder.",
        advanced=True)] = ""
    float16: Annotated[bool, option(IO,
        "Write half-precision numbers: half the disk, three digits, read by RELION from version 4.",
        "--float16", absent=False)] = True
    path_map: Annotated[str, option(IO,
        "OLD=NEW, several with commas: what to replace at the start of the particles' micrograph names (at their "
        "end, where OLD begins with a dot) so that they are those of the micrograph file.", advanced=True)] = ""
    optics_map: Annotated[str, option(IO,
        "OLD=NEW, several with commas: optics groups of the particles that have another name among the micrographs.",
        advanced=True)] = ""
    allow_missing: Annotated[bool, option(IO,
        "Leave out particles whose micrograph is not listed or not there; they are written to rejected.star.",
        advanced=True)] = False

    reset_offsets: Annotated[bool, option(REFINED,
        "Forget the refined offsets and keep the boxes where they were.", "--reset_offsets")] = False
    recenter: Annotated[bool, option(REFINED,
        "Move the boxes by the refined offsets, so that the particle is in the middle.", "--recenter")] = False
    recenter_x: Annotated[float, option(REFINED,
        "Point of the map to centre on, in its pixels from its middle: x.", ge=-10000.0, le=10000.0)] = 0.0
    recenter_y: Annotated[float, option(REFINED, "The same: y.", ge=-10000.0, le=10000.0)] = 0.0
    recenter_z: Annotated[float, option(REFINED, "The same: z.", ge=-10000.0, le=10000.0)] = 0.0
    reference_pixel_size_A: Annotated[float | None, option(REFINED,
        "Pixel size of that map; without it, that of the particles.", "--ref_angpix",
        advanced=True, gt=0.0, le=100.0)] = None
    micrograph_pixel_size_A: Annotated[float | None, option(REFINED,
        "Pixel size of the micrographs, where their file gives none (legacy input).", "--set_angpix",
        gt=0.0, le=100.0)] = None

    box: Annotated[int, option(BOXES,
        "Box in micrograph pixels, even.", "--extract_size", ge=2, le=8192)] = 128
    rescale_box: Annotated[int | None, option(BOXES,
        "Bring the images to this box, even; without it, they keep their pixels.", "--scale", ge=2, le=8192)] = None
    window_box: Annotated[int | None, option(BOXES,
        "Cut the rescaled images to this box.", "--window", advanced=True, ge=2, le=8192)] = None
    extract_bias_x: Annotated[int, option(BOXES,
        "Added to each x coordinate, in micrograph pixels.", advanced=True, ge=-8192, le=8192)] = 0
    extract_bias_y: Annotated[int, option(BOXES,
        "Added to each y coordinate, in micrograph pixels.", advanced=True, ge=-8192, le=8192)] = 0
    maximum_padding_percent: Annotated[float, option(BOXES,
        "Leave out particles of whose box more than this lies beyond the micrograph's edge.",
        advanced=True, ge=0.0, le=100.0)] = 100.0
    minimum_pick_fom: Annotated[float | None, option(BOXES,
        "Keep only particles with a greater figure of merit of the picking.", "--minimum_pick_fom")] = None

    invert_contrast: Annotated[bool, option(PIXELS,
        "Make dark particles bright.", "--invert_contrast", absent=False)] = True
    normalise: Annotated[bool, option(PIXELS,
        "Bring the background to mean 0 and standard deviation 1.", "--norm", absent=False)] = True
    background_diameter_px: Annotated[float, option(PIXELS,
        "Circle outside which is background, in micrograph pixels; 0 takes 75 % of the box.",
        "--bg_diameter", zero_is_off=True, ge=0.0, le=8192.0)] = 0.0
    background_radius_px: Annotated[int | None, option(PIXELS,
        "The same as a radius in pixels of the finished image.", "--bg_radius",
        advanced=True, ge=1, le=4096)] = None
    ramp: Annotated[bool, option(PIXELS,
        "Take a sloping plane off the background, not only its mean.", off=("--no_ramp",), advanced=True)] = True
    white_dust: Annotated[float, option(PIXELS,
        "Replace pixels brighter than this many standard deviations by noise.",
        "--white_dust", zero_is_off=True, ge=0.0, le=1000.0)] = 0.0
    black_dust: Annotated[float, option(PIXELS,
        "Replace pixels darker than this many standard deviations by noise.",
        "--black_dust", zero_is_off=True, ge=0.0, le=1000.0)] = 0.0
    random_seed: Annotated[int, option(PIXELS,
        "Seed of that noise.", advanced=True, ge=0, le=2 ** 31 - 1)] = 0

    keep_ctfs_micrographs: Annotated[bool, option(CTF,
        "Take CTF and optics from the micrographs although the particles have them.", advanced=True)] = False
    premultiply_ctf: Annotated[bool, option(CTF,
        "Multiply each image by its CTF.", advanced=True)] = False
    phase_flip: Annotated[bool, option(CTF,
        "Multiply each image by the sign of its CTF.", advanced=True)] = False
    ctf_intact_first_peak: Annotated[bool, option(CTF,
        "In that, take the CTF as 1 below its first peak.", advanced=True)] = False
    ctf_box: Annotated[int | None, option(CTF,
        "Larger box in which the CTF is applied, in micrograph pixels.",
        "--premultiply_extract_size", advanced=True, ge=2, le=8192)] = None

    threads: Annotated[int, option(COMPUTE,
        "Micrographs that are worked on at once; 0 chooses.", "--j", ge=0, le=1024)] = 0
    # fmt: on

    @property
    def final_box(self) -> int:
        """Side of the finished images in pixels."""
        return self.window_box or self.rescale_box or self.box

    @property
    def background_radius(self) -> int:
        """Radius of the background circle in pixels of the finished images, rounded down."""
        if self.background_radius_px is not None:
            return self.background_radius_px
        diameter = self.background_diameter_px or BACKGROUND_SHARE * self.box
        return int(0.5 * diameter * (self.rescale_box or self.box) / self.box)

    @model_validator(mode="before")
    @classmethod
    def _fill_output(cls, values: Any) -> Any:
        """Values with the output's first part completed, and without the `.star` that RELION's option has."""
        if not isinstance(values, dict) or not values.get("output"):
            return values
        output = str(values["output"]).removesuffix(".star")
        return {**values, "output": output + "particles" if output.endswith("/") else output}

    @field_validator("rescale_box", "window_box", "ctf_box", mode="before")
    @classmethod
    def _none_below_zero(cls, value: Any) -> Any:
        """None for the -1 that RELION writes."""
        return None if str(value).strip() in ("-1", "-1.0") else value

    @field_validator("box", "rescale_box", "window_box", "ctf_box")
    @classmethod
    def _even(cls, value: int | None) -> int | None:
        if value is not None and value % 2:
            raise ValueError(f"{value} is odd but must be even: use {value - 1} or {value + 1}")
        return value

    @model_validator(mode="after")
    def _agree(self) -> "ExtractParams":
        for sentence in (*_input_problems(self), *_box_problems(self), *_ctf_problems(self)):
            raise ValueError(sentence)
        return self


def _input_problems(params: ExtractParams) -> list[str]:
    """What does not fit together in the input and in the choices about offsets."""
    by_suffix = bool(params.coordinates_suffix)
    sources = [bool(params.particles), bool(params.coordinates), by_suffix]
    target = (params.recenter_x, params.recenter_y, params.recenter_z)
    problems = [
        (not params.output, "no output is named: give a folder and a first part, --o Extract/job018/particles"),
        (not params.micrographs, "no micrographs are named: give their STAR file (--i)"),
        (sum(sources) == 0, "nothing says where the particles are: give coordinates (--coord_list) or refined "
         "particles (--reextract_data_star)"),
        (sum(sources) > 1, "coordinates and refined particles are both named: give one of them"),
        (params.reset_offsets and params.recenter, "offsets cannot be reset and used for recentring: choose one"),
        (not params.particles and (params.reset_offsets or params.recenter),
         "only refined particles have offsets: name them (--reextract_data_star), or leave reset and recentre away"),
        (any(target) and not params.recenter, "a point to centre on (X, Y, Z) needs recentring (--recenter)"),
    ]  # fmt: skip
    return [sentence for is_wrong, sentence in problems if is_wrong]


def _box_problems(params: ExtractParams) -> list[str]:
    """What is wrong with the boxes and the background circle."""
    problems = []
    scaled, final, radius = (
        params.rescale_box or params.box,
        params.final_box,
        params.background_radius,
    )
    if final > scaled:
        problems.append(f"the window is {final} pixels but the images have only {scaled}")
    if params.normalise and not 1 <= radius <= final // 2:
        problems.append(
            f"the background circle has a radius of {radius} pixels in images of {final}: it must be from 1 to "
            f"{final // 2}"
        )
    return problems


def _ctf_problems(params: ExtractParams) -> list[str]:
    """What does not fit together in the treatment of the CTF."""
    is_applied = params.premultiply_ctf or params.phase_flip
    problems = []
    if params.premultiply_ctf and params.phase_flip:
        problems.append("images are either multiplied by their CTF or phase-flipped: choose one")
    if not is_applied and (params.ctf_box is not None or params.ctf_intact_first_peak):
        problems.append("a box or first peak for the CTF needs --premultiply_ctf or --phase_flip")
    if params.ctf_box is not None and params.ctf_box < params.box:
        problems.append(
            f"the box for the CTF, {params.ctf_box}, is smaller than the particles' box, {params.box}"
        )
    return problems
