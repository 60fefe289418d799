"""What a refinement knows about its own progress, as frozen records.

The functions of `schedule` return new records; nothing here changes in place. A state survives
JSON exactly, so that a continued run takes the decisions of an uninterrupted one.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

UNKNOWN = 999.0
"""Value of a change or an accuracy that has not been measured yet (degrees or Å)."""


def coarse_step_deg(order: int) -> float:
    """The angular step of HEALPix order `order`: 360 / (6 2^order) degrees."""
    return 60.0 / 2**order


@dataclass(frozen=True, slots=True)
class Settings:
    """Sizes and user choices that stay the same for a whole refinement.

    Lengths in Å, angles in degrees. `offset_step_A` is the coarse step, twice the fine one.
    `scan_order` is the HEALPix order at which all orientations are looked at during local searches.
    `initial_lowpass_A` 0.0 means that the reference is used unfiltered.
    """

    box: int
    pixel_size_A: float
    particle_diameter_A: float
    initial_lowpass_A: float
    healpix_order: int = 2
    local_order: int = 4
    scan_order: int = 2
    offset_range_A: float = 10.0
    offset_step_A: float = 4.0
    oversampling: int = 1
    padding: int = 2
    ignore_angles: bool = False
    resolution_angles: bool = False
    low_resolution_join_A: float = 40.0
    has_correlation_iteration: bool = True
    minimum_shell: int = 5
    maximum_iterations: int = 999
    maximum_order: int = 9
    cone_steps: float = 2.0
    tau2_fudge: float = 1.0
    symmetry_order: int = 1

    def __post_init__(self) -> None:
        """Refuse values for which the schedule has no meaning.

        Raises ValueError that names the value and what would be right.
        """
        for name in ("pixel_size_A", "particle_diameter_A", "offset_range_A", "offset_step_A"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} is {getattr(self, name)} but must be above 0")
        if self.box < 16 or self.box % 2:
            raise ValueError(f"box is {self.box} but must be even and at least 16")
        if self.maximum_iterations < 1:
            raise ValueError(
                f"maximum_iterations is {self.maximum_iterations} but must be at least 1"
            )
        if self.oversampling not in (0, 1):
            raise ValueError(f"oversampling is {self.oversampling} but must be 0 or 1")

    @property
    def extent_A(self) -> float:
        """The edge of the model box in Å; shell i is the frequency i / extent."""
        return self.box * self.pixel_size_A

    @property
    def last_shell(self) -> int:
        """The last whole shell, one before Nyquist: the finest resolution that is reported."""
        return self.box // 2 - 1


@dataclass(frozen=True, slots=True)
class Sampling:
    """The grid of orientations and offsets of one iteration.

    `offset_range_A` and `offset_step_A` describe the coarse offset grid. `oversample` says
    whether the second pass looks at children of the coarse points or at these points again.
    """

    order: int
    is_local: bool
    offset_range_A: float
    offset_step_A: float
    oversample: bool = True
    oversampling: int = 1
    cone_steps: float = 2.0

    @property
    def coarse_step_deg(self) -> float:
        """The angular step of the first pass: 360 / (6 2^order) degrees."""
        return 60.0 / 2.0**self.order

    @property
    def fine_step_deg(self) -> float:
        """The angular step of the second pass when it is oversampled, degrees."""
        return self.coarse_step_deg / 2.0**self.oversampling

    @property
    def fine_offset_step_A(self) -> float:
        """The offset step of the second pass when it is oversampled, Å."""
        return self.offset_step_A / 2.0**self.oversampling

    @property
    def local_sigma_deg(self) -> float:
        """Width of the Gaussian prior of a local search: the cone ends at three widths."""
        return self.coarse_step_deg * self.cone_steps / 3.0


@dataclass(frozen=True, slots=True)
class State:
    """The progress of a refinement after any of its decisions.

    `resolution_A` is the working resolution: the first crossing of FSC 0.5; `resolution_0143_A`
    that of 0.143. `current_size` is the image size (px of the model box) for alignment,
    `coarse_size` that of the first pass, `accumulation_size` that of back-projection and FSC.
    `sized_resolution_A` is the resolution for which `current_size` was chosen.
    `gain_measure` is the integrated FSC of the last iteration and `best_gain_measure` the
    largest one of all; `iterations_without_gain` counts against it.
    `has_resolution_gain` says whether the first crossing moved past the best one.
    `reported_*` are the counters as they stood when the iteration began: the sampling update
    clears the counters themselves. `stop_reason` is empty,
    "converged", "maximum_iterations", "poor_accuracy" or "asked".
    """

    sampling: Sampling
    resolution_A: float
    iteration: int = 0
    resolution_0143_A: float = UNKNOWN
    rises_again_A: float | None = None
    gain_measure: float = 0.0
    best_gain_measure: float = 0.0
    best_resolution_A: float = UNKNOWN
    has_resolution_gain: bool = True
    iterations_without_gain: int = 0
    iterations_without_changes: int = 0
    iterations_at_level: int = 0
    reported_without_gain: int = 0
    reported_without_changes: int = 0
    smallest_angle_change_deg: float = UNKNOWN
    smallest_offset_change_A: float = UNKNOWN
    angle_change_deg: float = UNKNOWN
    offset_change_A: float = UNKNOWN
    accuracy_angle_deg: float = UNKNOWN
    accuracy_offset_A: float = UNKNOWN
    is_fine_enough: bool = False
    has_converged: bool = False
    is_finished: bool = False
    stop_reason: str = ""
    current_size: int = 0
    coarse_size: int = 0
    accumulation_size: int = 0
    sized_resolution_A: float = 0.0
    size_increment: int = 10
    has_high_fsc: bool = False
    mean_pmax: float = 0.0
    fsc: tuple[float, ...] = ()
    ssnr: tuple[float, ...] = ()
    switched_fraction: float = 1.0
    has_normal_iteration: bool = False
    is_correlation: bool = False


def to_dict(state: State) -> dict[str, object]:
    """The state as plain JSON values; every float keeps its exact value."""
    values: dict[str, object] = asdict(state)
    values["fsc"] = list(state.fsc)
    values["ssnr"] = list(state.ssnr)
    return values


def from_dict(values: Mapping[str, object]) -> State:
    """The state that `to_dict` described.

    Raises ValueError that names missing or unknown entries.
    """
    arguments = _checked(values, State, "state")
    sampling = arguments["sampling"]
    if not isinstance(sampling, Mapping):
        raise ValueError(f"state.sampling is {sampling!r} but must be a table of values")
    arguments["sampling"] = Sampling(**_checked(sampling, Sampling, "state.sampling"))
    arguments |= {name: _curve(arguments[name], name) for name in ("fsc", "ssnr")}
    return State(**arguments)


def _checked(values: Mapping[str, Any], record: type, where: str) -> dict[str, Any]:
    """The values as arguments, if they have exactly the entries of the record."""
    expected = {field.name for field in fields(record)}
    if missing := sorted(expected - set(values)):
        raise ValueError(f"{where} lacks {', '.join(missing)}; it is not a whole checkpoint")
    if unknown := sorted(set(values) - expected):
        raise ValueError(f"{where} has unknown entries {', '.join(unknown)}")
    return dict(values)


def _curve(value: object, name: str) -> tuple[float, ...]:
    """A JSON list of numbers as a curve."""
    if not isinstance(value, list):
        raise ValueError(f"state.{name} is {value!r} but must be a list of numbers")
    return tuple(float(entry) for entry in value)
