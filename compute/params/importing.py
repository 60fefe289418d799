"""The parameters of an import."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import field_validator, model_validator

from compute.params.option import JobParams, option
from compute.params.output import output_root

IO, OPTICS, PARTICLES = "Input and output", "Optics", "Particles"
NEUTRAL_ROOT = "import"
"""The last part of an output that gives no name of its own: files keep their names."""


class ImportingParams(JobParams):
    """Files from outside that become part of a project: what they are, and what they do not say themselves."""

    SHORTHANDS: ClassVar[dict[str, dict[str, Any]]] = {
        "do_micrographs": {"kind": "raw"},
        "do_coordinates": {"kind": "coordinates"},
        "do_halfmaps": {"kind": "halfmaps"},
        "do_particles": {"kind": "particles"},
        "do_other": {"kind": "auto"},
    }

    # fmt: off
    # A table: one option after the other, with group, help, RELION's names and bounds.
    files: Annotated[str, option(IO,
        "File, or pattern with * for raw micrographs and coordinates, as in \"Micrographs/*.mrc\". Full "
        "paths may be used.", "--i")] = ""
    output: Annotated[str, option(IO,
        "Folder and first part of the names: Import/job001/particles. With / at the end, the files "
        "keep their names.", "--o", "--odir")] = ""
    file_name: Annotated[str, option(IO,
        "Name of the STAR file that is written; without it, particles.star, micrographs.star or "
        "coordinates.star.", "--ofile", advanced=True)] = ""
    kind: Annotated[
        Literal["auto", "raw", "micrographs", "particles", "coordinates", "map", "mask", "halfmaps"],
        option(IO,
        "What the files are: raw micrographs, a STAR file of micrographs, particles (a STAR file or "
        "cryoSPARC's .cs), coordinates, a map, a mask, or one of two half-maps (the other is found by "
        "its name); auto looks.")] = "auto"
    append: Annotated[bool, option(IO,
        "Add raw micrographs to those that the folder holds.", "--continue")] = False
    micrographs_star: Annotated[str, option(IO,
        "STAR file of the micrographs that coordinates belong to.", "--micrographs")] = ""
    allow_missing: Annotated[bool, option(IO,
        "Import a list of micrographs although some do not exist.")] = False
    path_map: Annotated[str, option(IO,
        "Beginning of paths in the file that is another one here: OLD=NEW, several with commas.",
        advanced=True)] = ""

    optics_group_name: Annotated[str, option(OPTICS,
        "Name of the optics group of raw micrographs.",
        "--optics_group_name", pattern=r"^[0-9A-Za-z-]+$")] = "opticsGroup1"
    mtf: Annotated[str, option(OPTICS,
        "STAR file with the MTF of the detector.", "--optics_group_mtf")] = ""
    pixel_size_A: Annotated[float | None, option(OPTICS,
        "Pixel size; without it, what the headers say. A map gets it into its header.",
        "--angpix", gt=0.0, le=1000.0)] = None
    voltage_kV: Annotated[float, option(OPTICS,
        "Acceleration voltage.", "--kV", gt=0.0, le=3000.0)] = 300.0
    spherical_aberration_mm: Annotated[float, option(OPTICS,
        "Spherical aberration.", "--Cs", ge=0.0, le=20.0)] = 2.7
    amplitude_contrast: Annotated[float, option(OPTICS,
        "Amplitude contrast.", "--Q0", ge=0.0, lt=1.0)] = 0.1
    beam_tilt_x_mrad: Annotated[float, option(OPTICS,
        "Beam tilt in x (mrad).", "--beamtilt_x", ge=-100.0, le=100.0)] = 0.0
    beam_tilt_y_mrad: Annotated[float, option(OPTICS,
        "Beam tilt in y (mrad).", "--beamtilt_y", ge=-100.0, le=100.0)] = 0.0

    particles_optics_group_name: Annotated[str, option(PARTICLES,
        "New name of the particles' optics group, where there is one.",
        "--particles_optics_group_name", pattern=r"^[0-9A-Za-z-]*$")] = ""
    passthrough: Annotated[str, option(PARTICLES,
        "cryoSPARC's passthrough files with more about the same particles; several with commas.")] = ""
    flip_coordinates: Annotated[bool, option(PARTICLES,
        "Count cryoSPARC's coordinates from the other end of y, as the same micrographs need it; "
        "not for micrographs corrected by another program.", advanced=True)] = True
    # fmt: on

    @field_validator("output")
    @classmethod
    def _complete(cls, value: str) -> str:
        """The output with a neutral name where it is only a folder."""
        return output_root(value, NEUTRAL_ROOT, "")

    @model_validator(mode="after")
    def _agree(self) -> "ImportingParams":
        if not self.files:
            raise ValueError("no files are named: give them (--i)")
        if not self.output:
            raise ValueError("no output is named: give a folder, --o Import/job001/")
        if "/" in self.file_name:
            raise ValueError(f"the file name {self.file_name} must not have a folder")
        if self.append and self.kind not in ("raw", "auto"):
            raise ValueError("only raw micrographs can be added to an earlier import")
        if self.passthrough and self.kind not in ("particles", "auto"):
            raise ValueError("passthrough files belong to particles of cryoSPARC")
        if self.kind == "coordinates" and not self.micrographs_star:
            raise ValueError("coordinates need the list of their micrographs (--micrographs)")
        return self
