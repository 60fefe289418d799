"""The parameters of a 3D auto-refinement."""

import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import field_validator, model_validator

from compute.params.option import JobParams, option, symmetry_name

IO, REFERENCE, CTF = "Input and output", "Reference", "CTF"
OPTIMISATION, SAMPLING, COMPUTE = "Optimisation", "Auto-sampling", "Compute"


class RefineParams(JobParams):
    """Everything that a refinement can be asked for. Distances are in Å unless a name says px."""

    SHORTHANDS: ClassVar[dict[str, dict[str, Any]]] = {
        "faster": {"ignore_angles": True, "resolution_angles": True},
    }

    # fmt: off
    # A table: one option after the other, with group, help, RELION's names and bounds.
    particles: Annotated[str, option(IO, "STAR file of the particle images.", "--i")] = ""
    output: Annotated[str, option(IO,
        "Folder and first part of the names of all files: OUT/run. Those of an earlier run are moved "
        "to superseded/.", "--o")] = ""
    solvent_mask: Annotated[str, option(IO,
        "Map, 0 to 1, that is 1 where the molecule is. Without one, a soft sphere of the mask "
        "diameter is used.",
        "--solvent_mask")] = ""
    continue_from: Annotated[str, option(IO,
        "Continue after this iteration: a run_itNNN_optimiser.star. Later files are moved to "
        "superseded/, options that are not given keep their values.",
        "--continue")] = ""
    bad_images: Annotated[Literal["refuse", "exclude"], option(IO,
        "What to do with images that hold NaN or infinite pixels, or are a thousand times as strong as "
        "the others; those excluded are listed in OUT/run_excluded.star.", advanced=True)] = "refuse"

    reference: Annotated[str, option(REFERENCE,
        "The map to start from, of any box and pixel size.", "--ref")] = ""
    reference_half1: Annotated[str, option(REFERENCE,
        "A start map of its own for half 1.", advanced=True)] = ""
    reference_half2: Annotated[str, option(REFERENCE,
        "A start map of its own for half 2.", advanced=True)] = ""
    reference_pixel_size_A: Annotated[float | None, option(REFERENCE,
        "Pixel size of the reference, where its header is wrong.",
        "--ref_angpix", gt=0.0, le=100.0)] = None
    absolute_greyscale: Annotated[bool, option(REFERENCE,
        "The map was reconstructed from these very images at this scaling. If not, the first "
        "iteration scores by cross-correlation.",
        off=("--firstiter_cc",), absent=True)] = False
    initial_lowpass_A: Annotated[float, option(REFERENCE,
        "Blur the start map to this resolution, so that no fine feature is inherited.",
        "--ini_high", absent=0.0, zero_is_off=True, ge=0.0, le=1000.0)] = 60.0
    symmetry: Annotated[str, option(REFERENCE,
        "Point group: Cn, Dn, T, O, I or I1 to I4; the map must lie on the group's axes.",
        "--sym")] = "C1"
    relax_symmetry: Annotated[str, option(REFERENCE,
        "Cyclic group whose mates are searched around each particle's pose without being "
        "imposed on the map.",
        "--relax_sym", advanced=True)] = ""

    correct_ctf: Annotated[bool, option(CTF,
        "Multiply projections with each image's CTF.", "--ctf", absent=False)] = True
    ctf_intact_first_peak: Annotated[bool, option(CTF,
        "Take the CTF as 1 below its first peak; only for poor low-frequency models.",
        "--ctf_intact_first_peak")] = False
    ctf_phase_flipped: Annotated[bool, option(CTF,
        "The images have been phase-flipped.", "--ctf_phase_flipped")] = False

    particle_diameter_A: Annotated[float, option(OPTIMISATION,
        "Mask diameter: circle for the images, sphere for the map; slightly larger than the "
        "particle.",
        "--particle_diameter", absent_text="the whole box", gt=0.0, le=10000.0)] = 200.0
    mask_edge_px: Annotated[float, option(OPTIMISATION,
        "Width of the soft edge of the masks.",
        "--maskedge", advanced=True, ge=0.0, le=100.0)] = 5.0
    zero_mask: Annotated[bool, option(OPTIMISATION,
        "Fill images with zeros outside the mask diameter; if not, with coloured noise.",
        "--zero_mask", absent=False)] = True
    flatten_solvent: Annotated[bool, option(OPTIMISATION,
        "Mask the references between iterations.",
        "--flatten_solvent", advanced=True, absent=False)] = True
    adaptive_solvent: Annotated[
        bool,
        option(
            OPTIMISATION,
            "Find the molecule's own outline, widened by 10 Å: without a mask of yours the solvent outside is "
            "flattened, in each half by its own outline, and the FSC is that inside it, corrected for the mask. "
            "If not, the mask diameter bounds the solvent, and the FSC is unmasked.",
            advanced=True,
        ),
    ] = True
    solvent_correct_fsc: Annotated[bool, option(OPTIMISATION,
        "Use FSC curves corrected for the solvent outside the mask; needs a mask.",
        "--solvent_correct_fsc")] = False
    low_resolution_join_A: Annotated[float, option(OPTIMISATION,
        "Share the two halves' signal up to this resolution, so that they keep one orientation.",
        "--low_resol_join_halves", absent=0.0, zero_is_off=True, advanced=True, ge=0.0, le=1000.0)] = 40.0
    norm_correction: Annotated[bool, option(OPTIMISATION,
        "Refine the noise amplitude of each image.", "--norm", absent=False, advanced=True)] = True
    scale_correction: Annotated[bool, option(OPTIMISATION,
        "Refine the signal amplitude of each group of images.",
        "--scale", absent=False, advanced=True)] = True
    minimum_resolution_shells: Annotated[int, option(OPTIMISATION,
        "Fourier shells below which no regularisation acts.",
        "--minres_map", advanced=True, ge=0, le=1000)] = 5
    score_divisor: Annotated[float, option(OPTIMISATION,
        "Divides log-likelihoods, for pixels that are not independent.",
        advanced=True, ge=1.0, le=1000.0)] = 1.0
    maximum_iterations: Annotated[int, option(OPTIMISATION,
        "Iterations after which the final one is made in any case.",
        "--auto_iter_max", advanced=True, ge=1, le=999)] = 100
    random_seed: Annotated[int, option(OPTIMISATION,
        "Seed of all random choices; -1 draws one, which is recorded.",
        "--random_seed", advanced=True, ge=-1, le=2 ** 31 - 1)] = -1

    healpix_order: Annotated[int, option(SAMPLING,
        "Order of the first angular sampling, before oversampling: 1 is 30, 2 is 15, 3 is 7.5 "
        "degrees.",
        "--healpix_order", ge=0, le=8)] = 2
    oversampling: Annotated[int, option(SAMPLING,
        "Halvings of the sampling in the second pass.",
        "--oversampling", advanced=True, ge=0, le=1)] = 1
    local_search_order: Annotated[int, option(SAMPLING,
        "Order from which only the neighbourhood of each pose is searched: 3 is 7.5, 4 is 3.75 "
        "degrees.",
        "--auto_local_healpix_order", absent=4, ge=0, le=8)] = 3
    offset_range_px: Annotated[float, option(SAMPLING,
        "First search range of the offsets, in particle pixels.",
        "--offset_range", absent=6.0, ge=0.0, le=100.0)] = 5.0
    offset_step_px: Annotated[float, option(SAMPLING,
        "First step of the offsets, before oversampling, in particle pixels.",
        "--offset_step", gt=0.0, le=50.0)] = 2.0
    offset_sigma_A: Annotated[float, option(SAMPLING,
        "Standard deviation of the offsets to start from.",
        "--offset", advanced=True, gt=0.0, le=1000.0)] = 10.0
    ignore_angles: Annotated[bool, option(SAMPLING,
        "Refine the sampling although orientations still change.", "--auto_ignore_angles")] = False
    resolution_angles: Annotated[bool, option(SAMPLING,
        "Refine the sampling as soon as the resolution asks for it.",
        "--auto_resol_angles")] = False
    perturbation: Annotated[float, option(SAMPLING,
        "Random shift of the sampling grid, as a fraction of its step.",
        "--perturb", advanced=True, ge=0.0, le=1.0)] = 0.5
    adaptive_fraction: Annotated[float, option(SAMPLING,
        "Share of the probability that goes on to the second pass.",
        "--adaptive_fraction", advanced=True, gt=0.0, le=1.0)] = 0.999
    maximum_significant: Annotated[int, option(SAMPLING,
        "Most samples of one particle that go on to the second pass.",
        "--maxsig", zero_is_off=True, advanced=True, ge=0)] = 0

    mpi: Annotated[int, option(COMPUTE,
        "Processes: 1, or an odd number from 3; 0 chooses.", ge=0, le=1025)] = 0
    threads: Annotated[int, option(COMPUTE,
        "Threads of each process; 0 chooses.", "--j", ge=0, le=1024)] = 0
    gpu: Annotated[str | None, option(COMPUTE,
        "GPUs, as numbers with : or , between them; empty for all; without it, the CPU.",
        "--gpu", pattern=r"^[0-9]*([,:][0-9]+)*$")] = None
    padding: Annotated[int, option(COMPUTE,
        "Padding of the transforms of the map.", "--pad", ge=1, le=4)] = 2
    preread_images: Annotated[bool | None, option(COMPUTE,
        "Keep all images in memory; without it, where they fit easily.",
        "--preread_images")] = None
    scratch_dir: Annotated[str, option(COMPUTE,
        "Copy the images to this fast disk first.", "--scratch_dir")] = ""
    dynamic_handout: Annotated[bool, option(COMPUTE,
        "Hand out images to whichever worker is free, where workers differ in speed; needs 5 processes "
        "or more. A repeat then agrees within rounding, not bit for bit.",
        advanced=True)] = False
    memory_limit_GB: Annotated[float | None, option(COMPUTE,
        "Memory that each process may use; without it, its share of the machine.",
        advanced=True, gt=0.0)] = None
    # fmt: on

    @model_validator(mode="before")
    @classmethod
    def _fill_output(cls, values: Any) -> Any:
        """Values with the output root completed: always that of a continued run, `run` in a folder."""
        if not isinstance(values, dict):
            return values
        output = str(values.get("output") or "")
        source = str(values.get("continue_from") or "")
        found = re.fullmatch(r"(.+?)(_it\d{3,})?_optimiser\.star", source)
        if found:
            output = found.group(1)
        if output.endswith("/"):
            output += "run"
        return {**values, "output": output} if output else values

    @field_validator("symmetry")
    @classmethod
    def _known_symmetry(cls, value: str) -> str:
        return symmetry_name(value)

    @field_validator("relax_symmetry")
    @classmethod
    def _cyclic_symmetry(cls, value: str) -> str:
        name = symmetry_name(value) if value.strip() else ""
        if name and not name.startswith("C"):
            raise ValueError(f"symmetry can be relaxed only for cyclic groups C2, C3 …, not {name}")
        return name

    @field_validator("mpi")
    @classmethod
    def _possible_ranks(cls, value: int) -> int:
        if value and value % 2 == 0:
            raise ValueError(
                f"{value} processes cannot be shared out: use 1, or 3, 5, 7 …: "
                "one leader plus the same number for each half"
            )
        return value

    @model_validator(mode="after")
    def _agree(self) -> "RefineParams":
        if not self.output:
            raise ValueError("no output is named: give a folder and a first part, --o OUT/run")
        if not self.continue_from:
            if not self.particles:
                raise ValueError("no particles are named: give their STAR file (--i)")
            if not (self.reference or self.reference_half1):
                raise ValueError("no reference is named: give the map to start from (--ref)")
        if bool(self.reference_half1) != bool(self.reference_half2):
            raise ValueError("a start map is named for one half only: name both halves' or neither")
        if self.solvent_correct_fsc and not self.solvent_mask and not self.continue_from:
            raise ValueError("solvent-corrected FSC needs a mask: give one with --solvent_mask")
        return self
