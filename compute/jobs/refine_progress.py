"""What the leader of a refinement knows after an iteration, and what it lets pass from one half to the other."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from compute.convergence.state import UNKNOWN, State
from compute.jobs.half_records import Parameters
from compute.jobs.refine_update import HalfResults


class Exchange:
    """What passes between the halves besides the join; a test may replay a recorded run through it."""

    def fsc(self, iteration: int, curve: np.ndarray) -> np.ndarray:
        """The FSC curve that both halves use."""
        return curve

    def state(self, iteration: int, stage: str, state: State) -> State:
        """The schedule that both halves follow."""
        return state


@dataclass(slots=True)
class Progress:
    """Everything that the leader knows after an iteration, for files, reports and continuation."""

    state: State
    parameters: list[Parameters]
    maps: list[np.ndarray]
    results: list[HalfResults] | None = None
    spectra: list[dict[str, np.ndarray]] = field(default_factory=list)
    orientability: list[np.ndarray] = field(default_factory=list)
    curves: dict[str, np.ndarray] = field(default_factory=dict)
    resolution_unmasked_A: float = UNKNOWN
    envelope: np.ndarray | None = None
    limit_A: float = 0.0
    fsc_mask: Literal["none", "given", "envelope"] = "none"
    joined: np.ndarray | None = None
    joined_spectra: dict[str, np.ndarray] = field(default_factory=dict)
    unfiltered: list[np.ndarray] = field(default_factory=list)
    rotation_offset: np.ndarray = field(default_factory=lambda: np.zeros(3))
    seconds: dict[str, float] = field(default_factory=dict)
