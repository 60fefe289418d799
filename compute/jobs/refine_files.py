"""What a refinement leaves on disk: the files of every iteration, of the end, and the checkpoint to continue from."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from compute.convergence.state import UNKNOWN
from compute.files.checkpoint import prepared_checkpoint
from compute.files.iteration import (
    FscCurves,
    ModelRecord,
    OptimiserRecord,
    SamplingRecord,
    write_angular_distribution,
    write_fsc_star,
    write_fsc_xml,
    write_model,
    write_optimiser,
    write_sampling,
)
from compute.files.mrc import write_map
from compute.files.particles import ParticleResults, write_particles
from compute.files.relion import IterationFiles
from compute.jobs.refine_checkpoint import checkpoint_of
from compute.jobs.refine_inputs import Inputs
from compute.jobs.refine_progress import Progress
from compute.params.refine import RefineParams
from compute.sampling.healpix import direction_angles, direction_count, nearest_direction, step_deg
from compute.sampling.rotations import matrix_to_euler

# Views are counted on the grid of this order at most: 3072 directions, 3.75 degrees.
HISTOGRAM_ORDER = 4


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes the files of one refinement; command is the line that started it."""

    files: IterationFiles
    params: RefineParams
    inputs: Inputs
    command: str

    def iteration(self, progress: Progress) -> list[str]:
        """Write all files of an iteration but its checkpoint; returns the names of all."""
        number = progress.state.iteration
        for half in (1, 2):
            write_map(
                self.files.half_map(number, half), progress.maps[half - 1], self.inputs.pixel_size_A
            )
            self._model(progress, half, number)
        if self.params.solvent_correct_fsc:
            for half, volume in enumerate(progress.unfiltered, 1):
                write_map(
                    self.files.half_map_unfiltered(number, half), volume, self.inputs.pixel_size_A
                )
        self._common(progress, number)
        self._optimiser(progress, number)
        pattern = f"{self.files.root.name}_it{number:03d}_*"
        written = {path.name for path in self.files.folder.glob(pattern)}
        return sorted(written | {self.files.checkpoint(number).name})

    @contextmanager
    def checkpoint(self, progress: Progress) -> Iterator[None]:
        """Write what a continuation needs, and let it count when the block, which records the iteration, has ended."""
        arrays, state = checkpoint_of(progress)
        state["seed"] = self.inputs.seed
        state["rows"] = [rows.tolist() for rows in self.inputs.rows]
        state["params"] = self.params.model_dump()
        path = self.files.checkpoint(progress.state.iteration)
        with prepared_checkpoint(path, arrays, state):
            yield

    def final(self, progress: Progress) -> list[str]:
        """Write the joined map, the unfiltered half-maps, and the tables of the finished run."""
        pixel = self.inputs.pixel_size_A
        if progress.joined is None:
            raise ValueError("the final files need the joined map of a converged iteration")
        write_map(self.files.joined_map(), progress.joined, pixel)
        for half, volume in enumerate(progress.unfiltered, 1):
            write_map(self.files.half_map_unfiltered(None, half), volume, pixel)
        if progress.envelope is not None:
            write_map(self.files.envelope(), progress.envelope, pixel)
        self._model(progress, 1, None)
        self._common(progress, None)
        self._optimiser(progress, None)
        curves = fsc_curves(progress, self.inputs.box * pixel)
        halves = [str(self.files.half_map_unfiltered(None, half)) for half in (1, 2)]
        resolution_A = progress.state.resolution_0143_A
        write_fsc_star(self.files.fsc_star(), curves, resolution_A, halves)
        write_fsc_xml(self.files.fsc_xml(), curves)
        names = [self.files.joined_map(), self.files.data(None), self.files.fsc_star()]
        names += [self.files.final_angdist()]
        names += [self.files.half_map_unfiltered(None, half) for half in (1, 2)]
        return [path.name for path in names]

    def _common(self, progress: Progress, number: int | None) -> None:
        """The particle table, the sampling, and the distribution of views."""
        order, counts = view_counts(progress)
        directions = direction_angles(order, np.arange(direction_count(order)))
        extent_A = self.inputs.box * self.inputs.pixel_size_A
        if number is None:
            targets = [(self.files.final_angdist(), counts.sum(0))]
        else:
            targets = [(self.files.half_angdist(number, half), counts[half - 1]) for half in (1, 2)]
        for path, weights in targets:
            write_angular_distribution(
                path, directions, weights.astype(float), extent_A, step_deg(order)
            )
        sampling, pixel = progress.state.sampling, self.inputs.pixel_size_A
        record = SamplingRecord(
            healpix_order=sampling.order,
            symmetry=self.params.symmetry,
            offset_range_A=sampling.offset_range_A,
            offset_step_A=sampling.offset_step_A,
            perturbation=float(np.degrees(np.linalg.norm(progress.rotation_offset)))
            / sampling.coarse_step_deg,
            perturbation_factor=self.params.perturbation,
            first_healpix_order=self.params.healpix_order,
            first_offset_range_A=self.params.offset_range_px * pixel,
            first_offset_step_A=self.params.offset_step_px * pixel,
            directions_deg=directions,
        )
        write_sampling(self.files.sampling(number), record)
        particles, results = self._particle_results(progress)
        write_particles(self.files.data(number), particles, results)

    def _particle_results(self, progress: Progress) -> tuple[Any, ParticleResults]:
        """The result columns of all particles that take part, in the order of the input."""
        rows = np.concatenate(self.inputs.rows)
        order = np.argsort(rows, kind="stable")
        half = np.concatenate(
            [np.full(len(one), h, dtype=np.int8) for h, one in enumerate(self.inputs.rows, 1)]
        )

        def column(name: str, source: list[Any] | None, empty: float = 0.0) -> np.ndarray:
            if source is None:
                return np.full(len(rows), empty)
            return np.concatenate([getattr(one, name) for one in source])[order]

        results = progress.results
        particles = self.inputs.particles.subset(rows[order])
        return particles, ParticleResults(
            angles_deg=matrix_to_euler(column("rotation", progress.parameters).astype(float)),
            origin_A=column("origin_A", progress.parameters),
            class_number=np.ones(len(rows), dtype=np.int64),
            norm_correction=column("norm", progress.parameters),
            log_likelihood=column("log_evidence", results),
            max_probability=column("maximum_probability", results),
            significant_samples=column("significant_samples", results).astype(np.int64),
            half=half[order],
            group_number=particles.group_index + 1,
        )

    def _model(self, progress: Progress, half: int, number: int | None) -> None:
        """The model file of a half, or the final one: half 1's noise and scales, and the joined map's spectra."""
        state, parameters = progress.state, progress.parameters[half - 1]
        resolution_A = state.resolution_0143_A if number is None else state.resolution_A
        shells = self.inputs.box // 2 + 1
        spectra = progress.spectra[half - 1] if progress.spectra else {}
        if number is None:
            spectra = progress.joined_spectra
        empty = np.zeros(shells)
        order, counts = view_counts(progress)
        rows = (
            self.inputs.rows[half - 1] if number is not None else np.concatenate(self.inputs.rows)
        )
        weights = counts[half - 1] if number is not None else counts.sum(0)
        curve = np.array(state.fsc) if state.fsc else empty
        target = (
            self.files.half_map(number, half) if number is not None else self.files.joined_map()
        )
        record = ModelRecord(
            map_file=str(target),
            box_size=self.inputs.box,
            pixel_size_A=self.inputs.pixel_size_A,
            current_size=state.current_size or self.inputs.box,
            resolution_A=resolution_A,
            estimated_resolution_A=resolution_A,
            padding=self.params.padding,
            regularisation=1.0,
            mean_norm_correction=parameters.mean_norm,
            sigma_offset_A=parameters.offset_sigma_A,
            is_local_search=state.sampling.is_local,
            sigma_angle_deg=state.sampling.local_sigma_deg if state.sampling.is_local else 0.0,
            log_likelihood=log_likelihood(progress, (half,) if number is not None else (1, 2)),
            mean_pmax=state.mean_pmax,
            accuracy_angles_deg=known(state.accuracy_angle_deg),
            accuracy_offsets_A=known(state.accuracy_offset_A),
            overall_fourier_completeness=float(spectra.get("coverage", empty).mean()),
            fsc=curve,
            ssnr=np.array(state.ssnr) if state.ssnr else empty,
            fourier_completeness=spectra.get("coverage", empty),
            map_noise_power=spectra.get("noise", empty),
            signal_power=spectra.get("signal", empty),
            orientability=progress.orientability[half - 1] if progress.orientability else None,
            group_names=tuple(self.inputs.particles.group_names),
            group_particles=np.bincount(
                self.inputs.particles.group_index[rows],
                minlength=len(self.inputs.particles.group_names),
            ),
            group_scale=parameters.scale,
            noise_power=parameters.noise_power,
            direction_probability=weights / max(1, int(weights.sum())),
        )
        path = self.files.final_model() if number is None else self.files.half_model(number, half)
        write_model(path, record)

    def _optimiser(self, progress: Progress, number: int | None) -> None:
        """The settings and the state of the schedule."""
        state, params, files = progress.state, self.params, self.files
        is_final = number is None
        record = OptimiserRecord(
            root=str(files.root),
            model_file=str(files.final_model() if number is None else files.half_model(number, 1)),
            model_half2_file="" if number is None else str(files.half_model(number, 2)),
            data_file=str(files.data(number)),
            sampling_file=str(files.sampling(number)),
            iteration=state.iteration,
            iteration_limit=params.maximum_iterations,
            join_halves_A=params.low_resolution_join_A or None,
            oversampling=params.oversampling,
            adaptive_fraction=params.adaptive_fraction,
            seed=self.inputs.seed,
            particle_diameter_A=params.particle_diameter_A,
            mask_edge_pixels=round(params.mask_edge_px),
            is_zero_masked=params.zero_mask,
            is_solvent_flattened=params.flatten_solvent,
            is_fsc_solvent_corrected=params.solvent_correct_fsc,
            solvent_mask_file=params.solvent_mask or None,
            size_increment=state.size_increment,
            local_search_order=params.local_search_order,
            iterations_without_gain=state.iterations_without_gain,
            best_resolution_A=known(state.best_resolution_A),
            iterations_without_change=state.iterations_without_changes,
            accuracy_angles_deg=known(state.accuracy_angle_deg),
            accuracy_offsets_A=known(state.accuracy_offset_A),
            change_angles_deg=known(state.angle_change_deg),
            change_offsets_A=known(state.offset_change_A),
            smallest_change_angles_deg=known(state.smallest_angle_change_deg),
            smallest_change_offsets_A=known(state.smallest_offset_change_A),
            has_converged=is_final,
            has_high_fsc=state.has_high_fsc,
            is_norm_corrected=params.norm_correction,
            is_scale_corrected=params.scale_correction,
            is_ctf_corrected=params.correct_ctf,
            is_first_peak_intact=params.ctf_intact_first_peak,
            are_data_phase_flipped=params.ctf_phase_flipped,
            are_phases_only_flipped=False,
            pooled_particles=1,
        )
        write_optimiser(files.optimiser(number), record, self.command)


def known(value: float) -> float | None:
    """The value, or None where it stands for one that was never measured."""
    return None if value >= UNKNOWN else value


def log_likelihood(progress: Progress, halves: tuple[int, ...] = (1, 2)) -> float:
    """Sum of the log-evidence over the images of the halves."""
    chosen = [one for half, one in enumerate(progress.results or [], 1) if half in halves]
    return float(sum(one.log_evidence.sum() for one in chosen))


def view_counts(progress: Progress) -> tuple[int, np.ndarray]:
    """HEALPix order, and the number of best views of each half in every direction of it: [half, direction]."""
    order = min(progress.state.sampling.order, HISTOGRAM_ORDER)
    counts = [
        np.bincount(
            nearest_direction(order, one.rotation[:, 2, :].astype(float)),
            minlength=direction_count(order),
        )
        for one in progress.parameters
    ]
    return order, np.stack(counts)


def fsc_curves(progress: Progress, extent_A: float) -> FscCurves:
    """The FSC curves of the last iteration."""
    return FscCurves(extent_A=extent_A, **progress.curves)
