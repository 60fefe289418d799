"""The agreement of a refinement's two halves: where it is measured, and what is said of it at the end."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from compute.convergence import schedule
from compute.convergence.limits import (
    claims_beyond,
    reported_A,
    sees_beyond,
    shared_limit_A,
    without_claims,
)
from compute.convergence.state import Settings, State
from compute.jobs.devices import Desk
from compute.jobs.refine_inputs import Inputs
from compute.jobs.refine_progress import Exchange, Progress
from compute.maximisation.reconstruct import fsc_of_halves
from compute.maximisation.solvent import molecular_envelope
from compute.parallel import Team
from compute.params.refine import RefineParams
from compute.signal.fsc import corrected_fsc, fsc
from compute.signal.random_phases import MOST_DRAWS

DRAWS_ON_THE_WAY = 2
"""Draws of random phases in iterations whose curve only steers the next one."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Compares the halves of a refinement."""

    params: RefineParams
    inputs: Inputs
    team: Team
    settings: Settings
    exchange: Exchange
    desk: Desk

    def compare(self, progress: Progress) -> None:
        """The FSC of the two halves, and what the schedule makes of it.

        Until the halves agree beyond what they share, nothing beyond it is believed, and no envelope is looked for.
        """
        transforms = self.team.call_heads("unpadded_transform")
        maps = self._coming_maps(progress)
        curve = self.desk.run(lambda device: self._between(_on(device, transforms)))
        del transforms  # the maps need no room beside them
        self._set_unmasked(progress, curve)
        is_seen = sees_beyond(curve, self.settings)
        progress.curves |= self._masked(progress, maps(), has_shape=is_seen)
        curve = progress.curves.get("corrected", curve)
        if not is_seen:
            curve = without_claims(curve, self.settings)
        iteration = progress.state.iteration
        curve = self.exchange.fsc(iteration, curve)
        progress.limit_A = (
            0.0 if claims_beyond(curve, self.settings) else shared_limit_A(self.settings)
        )
        state = schedule.after_fsc(progress.state, self.settings, curve)
        progress.state = self.exchange.state(iteration, "fsc", state)

    def judge_final_maps(self, progress: Progress) -> None:
        """What is reported at the end: the FSC of the half-maps that are written, which know nothing of the join.

        A curve corrected for a mask is that of these maps already.
        """
        curve = self.desk.run(lambda device: self._unmasked(_on(device, progress.unfiltered)))
        self._set_unmasked(progress, curve)
        state = progress.state
        if "corrected" not in progress.curves:
            if not sees_beyond(curve, self.settings):
                curve = without_claims(curve, self.settings)
            state = schedule.after_final_maps(state, self.settings, curve)
        progress.state = self.exchange.state(state.iteration, "final maps", state)

    def _between(self, transforms: list[Tensor]) -> np.ndarray:
        first, second = transforms
        return fsc_of_halves(first, second, self.inputs.box // 2 + 1).cpu().numpy()

    def _unmasked(self, maps: list[Tensor]) -> np.ndarray:
        first, second = (torch.fft.rfftn(one) for one in maps)
        return fsc(first, second, self.inputs.box // 2 + 1).cpu().numpy()

    def _set_unmasked(self, progress: Progress, curve: np.ndarray) -> None:
        progress.curves["unmasked"] = curve
        is_seen = sees_beyond(curve, self.settings)
        believed = curve if is_seen else without_claims(curve, self.settings)
        progress.resolution_unmasked_A = reported_A(believed, 0.143, self.settings)

    @property
    def _is_mask_given(self) -> bool:
        """Whether the halves are compared inside the user's mask."""
        return self.params.solvent_correct_fsc and self.inputs.mask is not None

    def _coming_maps(self, progress: Progress) -> Callable[[], list[np.ndarray]]:
        """What gives the halves' unfiltered maps when they are needed, none where they never are.

        In the final iteration they are those that are written. On the CPU workers make them while the leader compares
        transforms; on a GPU that would need the room of both.
        """
        known = progress.unfiltered
        if known or not (self._is_mask_given or self.params.adaptive_solvent):
            return lambda: known
        if self.team.device.type == "cpu":
            return self.team.ask_heads("unfiltered_map")
        return lambda: self.team.call_heads("unfiltered_map")

    def _masked(
        self, progress: Progress, maps: list[np.ndarray], has_shape: bool
    ) -> dict[str, np.ndarray]:
        """The FSC inside the user's mask if that is wished, else inside the molecule's envelope; none without either.

        Without a shape there is no envelope. maps: unfiltered ones; nothing but the curves is used further.
        """
        is_given = self._is_mask_given
        if not is_given and not (self.params.adaptive_solvent and has_shape):
            return {}
        if is_given:
            progress.unfiltered = maps
        return self.desk.run(lambda device: self._inside(_on(device, maps), is_given, progress))

    def _inside(
        self, maps: list[Tensor], is_given: bool, progress: Progress
    ) -> dict[str, np.ndarray]:
        """The curves inside the given mask or the envelope; none where there is no envelope."""
        if is_given and self.inputs.mask is not None:
            mask: Tensor | None = torch.from_numpy(self.inputs.mask).to(maps[0].device)
        else:
            mask = self._envelope(maps, progress.state)
        if mask is None:
            return {}
        progress.fsc_mask = "given" if is_given else "envelope"
        is_written = not is_given and progress.state.has_converged
        progress.envelope = mask.cpu().numpy() if is_written else None
        return self._curves_inside(maps, mask, progress.state)

    def _envelope(self, maps: list[Tensor], state: State) -> Tensor | None:
        """The molecule's envelope in the mean of both halves' maps; None where nothing stands out."""
        mean = (maps[0] + maps[1]) / 2
        diameter_A, edge_px = self.params.particle_diameter_A, self.params.mask_edge_px
        pixel_A = self.inputs.pixel_size_A
        return molecular_envelope(mean, pixel_A, state.resolution_A, diameter_A, edge_px)

    def _curves_inside(
        self, maps: list[Tensor], mask: Tensor, state: State
    ) -> dict[str, np.ndarray]:
        """FSC of the maps within the mask: masked, phase-randomised, and corrected by it.

        The corrected curve is 0 in the shells where no image was put back. Before the final maps, few draws of random
        phases do.
        """
        shells = state.accumulation_size // 2 + 1
        draws = MOST_DRAWS if state.has_converged else DRAWS_ON_THE_WAY
        pixel_A, seed = self.inputs.pixel_size_A, self.inputs.seed
        found = corrected_fsc(
            maps[0],
            maps[1],
            mask,
            pixel_A,
            seed,
            most_draws=draws,
            threads=min(2, self.team.idle_threads()),
        )
        corrected = found.corrected.cpu().numpy().copy()
        corrected[shells:] = 0.0
        return {
            "masked": found.masked.cpu().numpy(),
            "randomised": found.randomised.cpu().numpy(),
            "corrected": corrected,
        }


def _on(device: torch.device, arrays: list[np.ndarray]) -> list[Tensor]:
    """Arrays on a device."""
    return [torch.from_numpy(one).to(device) for one in arrays]
