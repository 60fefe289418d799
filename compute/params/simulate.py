"""The parameters of a simulated particle set."""

from typing import Annotated, Literal

from pydantic import field_validator, model_validator

from compute.params.coefficients import parse_coefficients, parse_magnification
from compute.params.option import JobParams, option, symmetry_name

SPECIMEN, IMAGES, MICROSCOPE = "Specimen", "Images", "Microscope"
VARIATION, IO, COMPUTE = "Variation", "Input and output", "Compute"


class SimulateParams(JobParams):
    """Everything that a simulated particle set is made of; its truth is written beside it."""

    model: Annotated[
        str,
        option(SPECIMEN, "Atomic model (PDB or mmCIF, first assembly) or map (MRC).", "--i"),
    ] = ""
    phantom: Annotated[
        bool,
        option(SPECIMEN, "Use the built-in phantom with the given symmetry, not a model."),
    ] = False
    output: Annotated[
        str, option(IO, "Folder and first part of the names of all files: OUT/set.", "--o")
    ] = ""
    symmetry: Annotated[
        str, option(SPECIMEN, "Point group: Cn, Dn, T, O, I or I1 to I4.", "--sym")
    ] = "C1"
    resolution_A: Annotated[
        float,
        option(
            SPECIMEN,
            "Resolution to which the map is made; 0 is two pixels.",
            ge=0.0,
            le=1000.0,
        ),
    ] = 0.0
    particle_diameter_A: Annotated[
        float,
        option(
            SPECIMEN,
            "Diameter inside which the signal to noise ratio is meant; 0 takes the model's.",
            "--particle_diameter",
            ge=0.0,
            le=10000.0,
        ),
    ] = 0.0

    particles: Annotated[int, option(IMAGES, "Number of images.", ge=1, le=10_000_000)] = 2000
    box: Annotated[
        int, option(IMAGES, "Box of the images in pixels, even.", "--box", ge=16, le=4096)
    ] = 64
    pixel_size_A: Annotated[
        float, option(IMAGES, "Pixel size of the images.", "--angpix", gt=0.0, le=100.0)
    ] = 3.54
    snr: Annotated[
        float,
        option(
            IMAGES,
            "Signal variance over noise variance inside the particle's mask; 0 leaves the noise "
            "out.",
            ge=0.0,
        ),
    ] = 0.05
    noise: Annotated[Literal["white", "coloured"], option(IMAGES, "Spectrum of the noise.")] = (
        "coloured"
    )
    reference_resolution_A: Annotated[
        float,
        option(
            IO,
            "Resolution of the start map that is written: the truth, low-passed.",
            gt=0.0,
            le=1000.0,
        ),
    ] = 50.0
    stack_limit_GB: Annotated[
        float, option(IO, "Largest size of one stack; more images go to a next one.", gt=0.0)
    ] = 8.0
    float16: Annotated[bool, option(IMAGES, "Write the stack in half precision.")] = False

    micrographs: Annotated[
        int, option(MICROSCOPE, "Micrographs that the images are shared out over.", ge=1)
    ] = 20
    micrograph_size_px: Annotated[
        int,
        option(
            MICROSCOPE,
            "Side of whole micrographs, which are made with coordinates instead of a stack of images; "
            "0 makes images.",
            ge=0,
            le=16384,
        ),
    ] = 0
    spacing_A: Annotated[
        float,
        option(
            MICROSCOPE,
            "Smallest distance between particles of a micrograph; 0 takes their diameter, so that "
            "they do not overlap.",
            ge=0.0,
            le=10000.0,
        ),
    ] = 0.0
    ice_gradient: Annotated[
        float,
        option(
            MICROSCOPE,
            "Standard deviation of the smooth background of a micrograph, in that of the noise.",
            ge=0.0,
            le=100.0,
            advanced=True,
        ),
    ] = 0.0
    ctf_table: Annotated[
        str,
        option(
            MICROSCOPE,
            "CSV table of CTF parameters, one row for each micrograph, instead of the defocus "
            "range.",
        ),
    ] = ""
    defocus_minimum_A: Annotated[
        float, option(MICROSCOPE, "Smallest defocus.", ge=0.0, le=200_000.0)
    ] = 8_000.0
    defocus_maximum_A: Annotated[
        float, option(MICROSCOPE, "Largest defocus.", ge=0.0, le=200_000.0)
    ] = 25_000.0
    astigmatism_A: Annotated[
        float,
        option(MICROSCOPE, "Standard deviation of the astigmatism (U − V).", ge=0.0, le=20_000.0),
    ] = 200.0
    defocus_jitter_A: Annotated[
        float,
        option(
            MICROSCOPE,
            "Standard deviation of the particles' defocus about their micrograph's.",
            ge=0.0,
            le=20_000.0,
        ),
    ] = 0.0
    voltage_kV: Annotated[float, option(MICROSCOPE, "Acceleration voltage.", gt=0.0, le=3000.0)] = (
        300.0
    )
    spherical_aberration_mm: Annotated[
        float, option(MICROSCOPE, "Spherical aberration.", ge=0.0, le=20.0)
    ] = 2.7
    amplitude_contrast: Annotated[
        float, option(MICROSCOPE, "Share of amplitude contrast.", ge=0.0, le=1.0)
    ] = 0.1
    b_factor_A2: Annotated[
        float,
        option(MICROSCOPE, "B-factor that damps the images.", ge=0.0, le=2000.0),
    ] = 0.0
    beam_tilt_x_mrad: Annotated[
        float, option(MICROSCOPE, "Beam tilt along x.", ge=-100.0, le=100.0, advanced=True)
    ] = 0.0
    beam_tilt_y_mrad: Annotated[
        float, option(MICROSCOPE, "Beam tilt along y.", ge=-100.0, le=100.0, advanced=True)
    ] = 0.0
    odd_zernike: Annotated[
        str,
        option(
            MICROSCOPE,
            "Odd aberrations: coefficients of Zernike polynomials in 1/Å, as `rlnOddZernike` lists "
            "them, separated by commas.",
            advanced=True,
        ),
    ] = ""
    even_zernike: Annotated[
        str,
        option(
            MICROSCOPE,
            "Even aberrations, as `rlnEvenZernike` lists them, separated by commas.",
            advanced=True,
        ),
    ] = ""
    magnification: Annotated[
        str,
        option(
            MICROSCOPE,
            "Uneven magnification: the matrix xx, xy, yx, yy that takes frequencies of the image to "
            "those of the specimen.",
            advanced=True,
        ),
    ] = ""
    premultiply_ctf: Annotated[
        bool,
        option(MICROSCOPE, "Multiply each finished image, noise too, by its CTF.", advanced=True),
    ] = False

    offset_sigma_A: Annotated[
        float, option(VARIATION, "Standard deviation of the offsets.", ge=0.0, le=1000.0)
    ] = 5.0
    norm_variation: Annotated[
        float,
        option(
            VARIATION, "Relative spread of the images' grey-scale.", ge=0.0, le=0.5, advanced=True
        ),
    ] = 0.0
    scale_variation: Annotated[
        float,
        option(
            VARIATION,
            "Relative spread of the micrographs' signal.",
            ge=0.0,
            le=0.5,
            advanced=True,
        ),
    ] = 0.0
    junk_fraction: Annotated[
        float,
        option(VARIATION, "Share of images without a particle.", ge=0.0, le=1.0, advanced=True),
    ] = 0.0
    random_seed: Annotated[
        int, option(VARIATION, "Seed of all random choices.", "--random_seed", ge=0, le=2**31 - 1)
    ] = 0

    device: Annotated[
        str, option(COMPUTE, "Where to compute.", pattern=r"^(cpu|cuda(:[0-9]+)?)$")
    ] = "cpu"

    @field_validator("symmetry")
    @classmethod
    def _known_symmetry(cls, value: str) -> str:
        return symmetry_name(value)

    @field_validator("odd_zernike", "even_zernike")
    @classmethod
    def _coefficients(cls, value: str) -> str:
        parse_coefficients(value)
        return value

    @field_validator("magnification")
    @classmethod
    def _matrix(cls, value: str) -> str:
        parse_magnification(value)
        return value

    @field_validator("box")
    @classmethod
    def _even_box(cls, value: int) -> int:
        if value % 2:
            raise ValueError(f"the box is {value} but must be even: use {value - 1} or {value + 1}")
        return value

    @model_validator(mode="after")
    def _agree(self) -> "SimulateParams":
        if not self.output:
            raise ValueError("no output is named: give a folder and a first part, --o OUT/set")
        if bool(self.model) == self.phantom:
            raise ValueError(
                "name a model or a map (--i), or ask for the --phantom: one of the two"
            )
        if self.defocus_maximum_A < self.defocus_minimum_A:
            raise ValueError(
                f"the largest defocus, {self.defocus_maximum_A:g} Å, is below the smallest, "
                f"{self.defocus_minimum_A:g} Å"
            )
        if self.micrograph_size_px:
            self._check_micrographs()
        return self

    def _check_micrographs(self) -> None:
        """Raise ValueError for what micrographs cannot have."""
        if (
            self.beam_tilt_x_mrad
            or self.beam_tilt_y_mrad
            or self.odd_zernike
            or self.even_zernike
            or self.magnification
            or self.premultiply_ctf
        ):
            raise ValueError(
                "aberrations, uneven magnification and multiplication by the CTF are made in images of particles, "
                "not in whole micrographs: leave these options away"
            )
        if self.micrograph_size_px % 2 or self.micrograph_size_px < self.box:
            raise ValueError(
                f"micrographs of {self.micrograph_size_px} pixels: the side must be even and at least the "
                f"box, {self.box}"
            )
        if self.particles < self.micrographs:
            raise ValueError(
                f"{self.particles} particles are fewer than {self.micrographs} micrographs: each needs one"
            )
        if self.defocus_jitter_A or self.norm_variation:
            raise ValueError(
                "the particles of a micrograph share its defocus and grey-scale: leave --defocus-jitter and "
                "--norm-variation away"
            )
