"""3D auto-refinement: two independent half-sets, refined until their agreement no longer improves.

This page is the algorithm; the leader runs it and the workers (`half.py`) answer. Only three things pass from one
half to the other: the low-resolution join, the FSC curve, and the schedule's few numbers.
"""

import dataclasses
import time
from collections.abc import Callable

import numpy as np
import torch

from compute.convergence import schedule
from compute.convergence.resolution import ssnr_from_fsc
from compute.convergence.state import Settings, State
from compute.jobs.devices import Desk
from compute.jobs.half_images import is_handed_out
from compute.jobs.half_records import Parameters
from compute.jobs.imaging import make_imagings
from compute.jobs.refine_fsc import Comparison
from compute.jobs.refine_inputs import Inputs
from compute.jobs.refine_maps import joined_map
from compute.jobs.refine_orders import image_parts, rescan_order, search_order
from compute.jobs.refine_progress import Exchange, Progress
from compute.jobs.refine_start import first_noise, first_parameters, first_ssnr, noise_sample
from compute.jobs.refine_update import HalfResults, check_found, merge, update_parameters
from compute.jobs.stopwatch import Stopwatch
from compute.parallel import PerHalf, SoloTeam, Team
from compute.params.refine import RefineParams
from compute.projection.reference import grid_shape
from compute.sampling.rotations import changes_in_angle
from compute.sampling.symmetry import parse_symmetry
from compute.signal.random import uniforms

ACCURACY_IMAGES = 100


class Refinement:
    """A refinement in progress, led from this process."""

    def __init__(
        self,
        params: RefineParams,
        inputs: Inputs,
        team: Team,
        settings: Settings,
        exchange: Exchange | None = None,
    ) -> None:
        self.params, self.inputs, self.team, self.settings = params, inputs, team, settings
        self.exchange = exchange or Exchange()
        self.desk = Desk(team.device, gives_back=not isinstance(team, SoloTeam))
        self.comparison = Comparison(params, inputs, team, settings, self.exchange, self.desk)
        self.group = parse_symmetry(params.symmetry)
        self.stopwatch = Stopwatch()
        self.stopwatch.add_start_up()
        self._coming: Callable[[], list[list[dict[str, np.ndarray]]]] | None = None
        self.imagings = make_imagings(
            inputs.particles, params, inputs.box, inputs.pixel_size_A, torch.device("cpu")
        )
        shells = inputs.box // 2 + 1
        self.shell_pixels = np.stack(
            [
                np.bincount(one.pixels.shell.numpy(), minlength=shells).astype(float)
                for one in self.imagings
            ]
        )

    # ---- start

    def begin(self) -> Progress:
        """Iteration 0: start maps, input poses, and the noise estimated from the images."""
        sigma_A = self.params.offset_sigma_A
        parameters = [first_parameters(self.inputs, half, sigma_A) for half in (1, 2)]
        self._estimate_noise(parameters)
        ssnr = self.desk.run(lambda device: first_ssnr(self.inputs, parameters, device))
        state = schedule.initial_state(self.settings, ssnr)
        maps = list(self.inputs.references)
        self.hand_out(parameters, maps)
        return Progress(state=state, parameters=parameters, maps=maps)

    def hand_out(self, parameters: list[Parameters], maps: list[np.ndarray] | None = None) -> None:
        """Give each half its own parameters, and its own map where one is given."""
        self.team.call("take", parameters=PerHalf(*parameters))
        if maps is not None:
            self.team.call("take_map", volume=PerHalf(*maps))

    def _estimate_noise(self, parameters: list[Parameters]) -> None:
        """Each half's first noise spectra, from a random sample of its own images of every optics group."""
        chosen = [noise_sample(self.inputs, half) for half in (1, 2)]
        norms = [
            one.norm[sample] / one.mean_norm for one, sample in zip(parameters, chosen, strict=True)
        ]
        replies = self.team.call("measure_power", chosen=PerHalf(*chosen), norm=PerHalf(*norms))
        for one, shards in zip(parameters, replies, strict=True):
            one.noise_power = first_noise(shards, self.imagings, self.shell_pixels)

    # ---- one iteration

    def look_ahead(self, state: State) -> None:
        """Let the workers estimate the accuracy that the next iteration begins with, while something else is done.

        Nothing may be asked of them until that iteration.
        """
        if state.is_finished:
            return
        coming = schedule.begin_iteration(state, self.settings)
        if not coming.is_correlation:
            self._coming = self._ask_accuracy(coming)

    def iterate(self, before: Progress, on_plan: Callable[[State], None] | None = None) -> Progress:
        """The next iteration: sampling, expectation, FSC, maximisation; the final one also joins the halves.

        on_plan hears of the sizes and sampling as soon as they are decided.
        """
        started = time.perf_counter()
        state, orientability = self._plan(before.state)
        if on_plan is not None:
            on_plan(state)
        order = search_order(state, self.params, self.inputs.seed)
        state, present = self._rescan(state, before.parameters)
        planned = time.perf_counter()
        ssnr = np.array(before.state.ssnr) if before.state.ssnr else None
        self._offer_images()
        replies = self.team.call("expect", order=order, ssnr=ssnr)
        results = [merge(shards) for shards in replies]
        check_found(results, state.iteration)
        expected = time.perf_counter()
        state = self._count_changes(state, before.parameters, results)
        progress = Progress(
            state=state,
            parameters=[],
            maps=[],
            results=results,
            orientability=orientability,
            rotation_offset=order.rotation_offset,
        )
        if state.has_converged:
            progress.unfiltered = self.team.call_heads("unfiltered_map")
        self._join_low_resolution(before.state)
        with self.stopwatch.measure("comparison of the halves"):
            self.comparison.compare(progress)
        with self.stopwatch.measure("parameters"):
            progress.parameters = self._updated(present, progress, ssnr)
        self.team.call("take", parameters=PerHalf(*progress.parameters))
        self._new_maps(progress)
        if progress.state.has_converged:
            self.comparison.judge_final_maps(progress)
            planes = grid_shape(self.params.padding, self.inputs.box // 2)[0]
            joined = joined_map(self.team, planes, np.array(progress.state.ssnr))
            progress.joined = joined.pop("map")
            progress.joined_spectra = joined
        self.team.call("release")
        progress.seconds = {
            "planning": planned - started,
            "expectation": expected - planned,
            "maximisation": time.perf_counter() - expected,
        }
        return progress

    def _offer_images(self) -> None:
        """Where images go to whichever worker is free: let the workers of each half take them during the next call."""
        members = self.team.seats()[0].members
        if is_handed_out(self.params, members):
            optics = self.inputs.particles.optics_index
            parts = [image_parts(optics[rows], members) for rows in self.inputs.rows]
            self.team.offer(PerHalf(*parts))

    def _plan(self, before: State) -> tuple[State, list[np.ndarray]]:
        """Sizes, expected accuracy and sampling of the next iteration."""
        state = schedule.begin_iteration(before, self.settings)
        orientability: list[np.ndarray] = []
        if not state.is_correlation:
            angle, offset, orientability = self._accuracy(state)
            state = schedule.update_sampling(state, self.settings, angle, offset)
        return self.exchange.state(state.iteration, "plan", state), orientability

    def _ask_accuracy(self, state: State) -> Callable[[], list[list[dict[str, np.ndarray]]]]:
        """Ask for the expected errors of random images of both halves."""
        chosen = []
        for half, rows in enumerate(self.inputs.rows, 1):
            draws = uniforms(self.inputs.seed, f"accuracy {half} {state.iteration}", rows)[:, 0]
            chosen.append(np.sort(np.argsort(draws, kind="stable")[:ACCURACY_IMAGES]))
        return self.team.ask("accuracy", chosen=PerHalf(*chosen), size=state.current_size)

    def _accuracy(self, state: State) -> tuple[float, float, list[np.ndarray]]:
        """Mean expected errors of random images of both halves, and each half's shares of the shells in noticing a
        rotation.
        """
        asked, self._coming = self._coming or self._ask_accuracy(state), None
        replies = asked()
        angle, offset = (
            float(np.concatenate([shard[name] for half in replies for shard in half]).mean())
            for name in ("angle", "offset")
        )
        shares = [
            np.concatenate([shard["sensitivity"] for shard in half]).mean(0) for half in replies
        ]
        return angle, offset, shares

    def _rescan(self, state: State, parameters: list[Parameters]) -> tuple[State, list[Parameters]]:
        """Before a local search: move images that fit a pose far from theirs clearly better, where that is due."""
        if not schedule.needs_rescan(state, self.settings):
            return state, parameters
        order = rescan_order(state, self.settings, self.params, self.inputs.seed)
        self._offer_images()
        replies = self.team.call("rescan", order=order)
        moved = []
        for old, shards in zip(parameters, replies, strict=True):
            new = dataclasses.replace(
                old, rotation=old.rotation.copy(), origin_A=old.origin_A.copy()
            )
            for shard in shards:
                new.rotation[shard["rows"]] = shard["rotation"]
                new.origin_A[shard["rows"]] = shard["origin_A"]
            moved.append(new)
        switched = sum(len(shard["rows"]) for half in replies for shard in half)
        fraction = switched / sum(len(rows) for rows in self.inputs.rows)
        self.hand_out(moved)
        state = dataclasses.replace(state, switched_fraction=fraction)
        return self.exchange.state(state.iteration, "rescan", state), moved

    def _count_changes(
        self, state: State, before: list[Parameters], results: list[HalfResults]
    ) -> State:
        """How far the poses of both halves have moved, and how sure they are."""
        angles, squares, pmax = [], [], []
        for old, new in zip(before, results, strict=True):
            moved = new.weight > 0
            angles.append(
                changes_in_angle(
                    old.rotation[moved].astype(float),
                    new.rotation[moved].astype(float),
                    self.group.operators,
                )
            )
            squares.append(np.square(new.origin_A[moved] - old.origin_A[moved]).sum(1))
            pmax.append(new.maximum_probability[moved])
        offset = float(np.sqrt(np.concatenate(squares).mean() / 2))
        angle, mean_pmax = float(np.concatenate(angles).mean()), float(np.concatenate(pmax).mean())
        state = schedule.after_expectation(state, self.settings, angle, offset, mean_pmax)
        return self.exchange.state(state.iteration, "changes", state)

    # ---- maps

    def _join_low_resolution(self, before: State) -> None:
        """Average the halves' sums at low resolution, so that they keep one frame."""
        shell = min(schedule.join_shell(before, self.settings), before.current_size // 2 or 10**9)
        if shell > 0:
            first, second = self.team.call_heads("low_resolution_part", shell=shell)
            self.team.call_heads("join", average=(first + second) / 2)

    def _new_maps(self, progress: Progress) -> None:
        """Each half's next reference, or in the final iteration its filtered half-map."""
        ssnr = np.array(progress.state.ssnr)
        if progress.state.has_converged:
            ssnr = ssnr_from_fsc(np.array(progress.state.fsc))
        known_A = {"resolution_A": progress.state.resolution_A, "limit_A": progress.limit_A}
        replies = self.team.call("maximise", ssnr=ssnr, **known_A)
        progress.spectra = [half[0] for half in replies]
        progress.maps = [spectra.pop("map") for spectra in progress.spectra]

    def _updated(
        self, present: list[Parameters], progress: Progress, ssnr: np.ndarray | None
    ) -> list[Parameters]:
        """Each half's parameters from its own results."""
        determined = np.zeros(len(self.shell_pixels))
        if ssnr is not None:
            shells = min(progress.state.current_size // 2, len(ssnr) - 1) + 1
            determined = self.shell_pixels[:, 1:shells] @ (ssnr[1:shells] > 3.0)
        return [
            update_parameters(
                old,
                new,
                rows,
                self.inputs.particles,
                self.params,
                self.shell_pixels,
                determined,
                self.group,
                progress.state.sampling.order,
                progress.state.is_correlation,
            )
            for old, new, rows in zip(
                present, progress.results or [], self.inputs.rows, strict=True
            )
        ]
