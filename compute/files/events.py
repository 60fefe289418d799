"""The events of a running job: the schema of the records in `progress.jsonl`."""

import math
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

SCHEMA_VERSION = 1


def _known(value: Any) -> Any:
    """The value, or None where it is a float that is not finite (JSON has no such numbers)."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


Figure = Annotated[float | None, BeforeValidator(_known)]
"""A number, or None where it is not (yet) known."""


def _now() -> datetime:
    return datetime.now(UTC)


class Event(BaseModel):
    """What every record carries: its kind (in the subclasses) and when it was written (UTC)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    time: AwareDatetime = Field(default_factory=_now)


class Rank(BaseModel):
    """One process of the job."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rank: int
    role: Literal["leader", "half 1", "half 2", "both halves", "alone"]
    host: str
    pid: int
    device: str
    threads: int


class Start(Event):
    """A job, or its continuation, has begun: what it works on and with what."""

    kind: Literal["start"] = "start"
    schema_version: int = SCHEMA_VERSION
    job: str
    program_version: str
    command: str
    parameters: dict[str, Any] = {}
    attempt: int = 1
    continued_after_iteration: int | None = None
    ranks: list[Rank] = []
    seed: int | None = None
    particles: int | None = None
    half_sizes: list[int] = []
    optics_groups: list[str] = []
    box_size: int | None = None
    pixel_size_A: Figure = None
    particle_diameter_A: Figure = None
    symmetry: str | None = None
    initial_lowpass_A: Figure = None
    join_halves_A: Figure = None
    memory_forecast_GB: Figure = None


class NoiseSpectrum(BaseModel):
    """Noise power per shell of one optics group in one half."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    half: int
    optics_group: str
    power: list[Figure]


class OrientationHistogram(BaseModel):
    """How many particles have their best view in each HEALPix direction (nested), per half."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    healpix_order: int
    counts: list[list[int]]


class Iteration(Event):
    """Every figure of one finished iteration: a row of the cockpit table, and its curves.

    Resolutions in Å are first crossings of the half-map FSC. `resolution_fsc05_A` is the working
    value that the schedule goes by, `resolution_fsc0143_A` the one to report. Where the curve
    falls below 0.5 and rises again, `resolution_after_dip_A` names the later crossing. Where the
    curve is solvent-corrected, `fsc_mask` tells for which mask: the user's, or the molecule's
    envelope found in the maps; `fsc_unmasked` is the curve without any, and
    `resolution_unmasked_A` its crossing of 0.143. Curves have one value per shell i, at the
    frequency i / `extent_A`.
    """

    kind: Literal["iteration"] = "iteration"
    iteration: int
    is_final: bool = False

    resolution_fsc05_A: Figure = None
    resolution_fsc0143_A: Figure = None
    best_resolution_A: Figure = None
    is_solvent_corrected: bool = False
    fsc_mask: Literal["none", "given", "envelope"] = "none"
    resolution_unmasked_A: Figure = None
    has_dip: bool = False
    resolution_after_dip_A: Figure = None
    iterations_without_gain: int = 0

    change_angles_deg: Figure = None
    change_offsets_A: Figure = None
    iterations_without_change: int = 0
    accuracy_angles_deg: Figure = None
    accuracy_offsets_A: Figure = None

    healpix_order: int | None = None
    coarse_step_deg: Figure = None
    fine_step_deg: Figure = None
    required_step_deg: Figure = None
    is_local_search: bool = False
    offset_range_A: Figure = None
    coarse_offset_step_A: Figure = None
    fine_offset_step_A: Figure = None
    oversampling: int | None = None
    coarse_orientations: int | None = None
    coarse_translations: int | None = None
    fine_orientations: int | None = None
    fine_translations: int | None = None
    current_size: int | None = None
    coarse_size: int | None = None

    mean_pmax: Figure = None
    median_significant_samples: Figure = None
    mean_norm_correction: Figure = None
    scale_min: Figure = None
    scale_max: Figure = None
    sigma_offset_A: list[Figure] = []
    log_likelihood: Figure = None

    is_fine_enough: bool = False
    has_converged: bool = False
    explanation: str = ""

    seconds: Figure = None
    phase_seconds: dict[str, Figure] = {}
    peak_memory_GB: list[Figure] = []
    peak_gpu_memory_GB: list[Figure] = []

    extent_A: Figure = None
    fsc: list[Figure] = []
    fsc_unmasked: list[Figure] = []
    ssnr: list[Figure] = []
    noise_power: list[NoiseSpectrum] = []
    orientability: list[Figure] = []
    orientations: OrientationHistogram | None = None
    orientation_files: list[str] = []
    files: list[str] = []


class Phase(Event):
    """The job has entered another phase."""

    kind: Literal["phase"] = "phase"
    phase: str
    iteration: int | None = None
    total: int = 0


class GpuLoad(BaseModel):
    """How busy a GPU is and how much of its memory is in use, by this job and by others."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    device: str
    percent: Figure = None
    memory_GB: Figure = None


class Heartbeat(Event):
    """A sign of life of one process: how far its phase is and what it uses."""

    kind: Literal["heartbeat"] = "heartbeat"
    phase: str
    iteration: int | None = None
    done: int = 0
    total: int = 0
    seconds_left: Figure = None
    memory_GB: Figure = None
    cpu_percent: Figure = None
    gpus: list[GpuLoad] = []


class Warn(Event):
    """Something that the user should know; `code` names the situation, such as E30."""

    kind: Literal["warning"] = "warning"
    message: str
    code: str | None = None
    iteration: int | None = None


class Memory(Event):
    """Memory that a step was forecast to need, and what it took where that was measured."""

    kind: Literal["memory"] = "memory"
    what: str
    forecast_GB: Figure = None
    measured_GB: Figure = None
    available_GB: Figure = None
    device: str = "cpu"
    rank: int | None = None
    iteration: int | None = None


class Output(BaseModel):
    """A file that a job has made for other jobs: its path relative to the job folder, and what it holds.

    `particles` counts the rows of a table of particles, micrographs or coordinates.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    content: Literal[
        "particles",
        "micrographs",
        "coordinates",
        "map",
        "half map",
        "mask",
        "local resolution map",
        "FSC",
        "post-processing",
        "optimiser",
        "report",
    ]
    particles: int | None = None
    box_size: int | None = None
    pixel_size_A: Figure = None


class End(Event):
    """The job is over, and why."""

    kind: Literal["end"] = "end"
    reason: Literal["converged", "iteration limit", "finished", "stopped", "failed"]
    message: str = ""
    exit_status: int = 0
    iteration: int | None = None
    resolution_A: Figure = None
    resolution_criterion: str | None = None
    seconds: Figure = None
    peak_memory_GB: list[Figure] = []
    files: list[str] = []
    outputs: list[Output] = []


AnyEvent = Annotated[
    Start | Iteration | Phase | Heartbeat | Warn | Memory | End, Field(discriminator="kind")
]
