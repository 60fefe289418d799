"""The records of a refinement for the pages that watch it: start, iterations, end."""

import os
import socket
from importlib.metadata import version
from typing import Literal

import numpy as np

from compute.convergence import status
from compute.convergence.sizes import needed_step_deg
from compute.files import events
from compute.files.relion import IterationFiles
from compute.jobs.refine_account import Account
from compute.jobs.refine_files import known, log_likelihood, view_counts
from compute.jobs.refine_inputs import Inputs
from compute.jobs.refine_leader import Refinement
from compute.jobs.refine_progress import Progress
from compute.parallel import Team
from compute.params.refine import RefineParams

MASKING = {
    "none": "unmasked",
    "given": "inside the mask given, corrected for it",
    "envelope": "inside the molecule's envelope, corrected for it",
}
END_REASONS: dict[str, Literal["converged", "iteration limit"]] = {
    "converged": "converged",
    "maximum_iterations": "iteration limit",
}


def start_event(
    params: RefineParams,
    inputs: Inputs,
    team: Team,
    command: str,
    attempt: int,
    start_after: int | None,
    memory_GB: float,
) -> events.Start:
    """The first record of an attempt."""
    return events.Start(
        job="refine",
        program_version=version("halfmap"),
        command=command,
        parameters=params.model_dump(),
        attempt=attempt,
        continued_after_iteration=start_after,
        ranks=ranks_of(team),
        seed=inputs.seed,
        particles=sum(len(rows) for rows in inputs.rows),
        half_sizes=[len(rows) for rows in inputs.rows],
        optics_groups=[group.name for group in inputs.particles.optics],
        box_size=inputs.box,
        pixel_size_A=inputs.pixel_size_A,
        particle_diameter_A=params.particle_diameter_A,
        symmetry=params.symmetry,
        initial_lowpass_A=params.initial_lowpass_A or None,
        join_halves_A=params.low_resolution_join_A or None,
        memory_forecast_GB=memory_GB,
    )


def ranks_of(team: Team) -> list[events.Rank]:
    """The processes of the job: the leader and the workers, or a single one that does everything."""
    workers = [one for half in team.call("describe") for one in half]
    own = {"host": socket.gethostname(), "pid": os.getpid()}
    if all(one["pid"] == own["pid"] and one["host"] == own["host"] for one in workers):
        return [events.Rank(rank=0, role="both halves", **workers[0])]
    ranks = [events.Rank(rank=0, role="leader", device="cpu", threads=1, **own)]
    seats = [seat for half in (1, 2) for seat in team.seats() if seat.half == half]
    for seat, one in zip(seats, workers, strict=True):
        role: Literal["half 1", "half 2"] = "half 1" if seat.half == 1 else "half 2"
        ranks.append(events.Rank(rank=1 + team.seats().index(seat), role=role, **one))
    return sorted(ranks, key=lambda one: one.rank)


def phase_seconds(progress: Progress) -> dict[str, float]:
    """Seconds of each phase, and of each half in it."""
    of_halves = {
        f"half {half} {name}": value
        for half, one in enumerate(progress.results or [], 1)
        for name, value in one.seconds.items()
    }
    return {**progress.seconds, **of_halves}


def iteration_event(
    refinement: Refinement,
    progress: Progress,
    account: Account,
    names: list[str],
    seconds: float,
) -> events.Iteration:
    """The record of a finished iteration: every figure of the cockpit."""
    state, sampling = progress.state, progress.state.sampling
    inputs, results = refinement.inputs, progress.results or []
    order, counts = view_counts(progress)
    scales = np.concatenate([one.scale for one in progress.parameters])
    norms = np.concatenate([one.norm for one in progress.parameters])
    pooled = np.concatenate([one.significant_samples for one in results])
    children = (8, 4) if sampling.oversample else (1, 1)
    return events.Iteration(
        iteration=state.iteration,
        is_final=state.is_finished,
        resolution_fsc05_A=state.resolution_A,
        resolution_fsc0143_A=known(state.resolution_0143_A),
        best_resolution_A=known(state.best_resolution_A),
        is_solvent_corrected="corrected" in progress.curves,
        fsc_mask=progress.fsc_mask,
        resolution_unmasked_A=known(progress.resolution_unmasked_A),
        has_dip=state.rises_again_A is not None,
        resolution_after_dip_A=state.rises_again_A,
        iterations_without_gain=state.iterations_without_gain,
        change_angles_deg=known(state.angle_change_deg),
        change_offsets_A=known(state.offset_change_A),
        iterations_without_change=state.iterations_without_changes,
        accuracy_angles_deg=known(state.accuracy_angle_deg),
        accuracy_offsets_A=known(state.accuracy_offset_A),
        healpix_order=sampling.order,
        coarse_step_deg=sampling.coarse_step_deg,
        fine_step_deg=sampling.fine_step_deg,
        required_step_deg=needed_step_deg(
            state.resolution_A, refinement.params.particle_diameter_A
        ),
        is_local_search=sampling.is_local,
        offset_range_A=sampling.offset_range_A,
        coarse_offset_step_A=sampling.offset_step_A,
        fine_offset_step_A=sampling.fine_offset_step_A,
        oversampling=1 if sampling.oversample else 0,
        coarse_orientations=results[0].orientations,
        coarse_translations=results[0].translations,
        fine_orientations=results[0].orientations * children[0],
        fine_translations=results[0].translations * children[1],
        current_size=state.current_size,
        coarse_size=state.coarse_size,
        mean_pmax=state.mean_pmax,
        median_significant_samples=float(np.median(pooled)),
        mean_norm_correction=float(norms.mean()),
        scale_min=float(scales.min()),
        scale_max=float(scales.max()),
        sigma_offset_A=[one.offset_sigma_A for one in progress.parameters],
        log_likelihood=log_likelihood(progress),
        is_fine_enough=state.is_fine_enough,
        has_converged=state.has_converged,
        explanation=status.explain(state, refinement.settings),
        seconds=seconds,
        phase_seconds=phase_seconds(progress),
        peak_memory_GB=account.peak_memory_GB,
        peak_gpu_memory_GB=account.peak_gpu_memory_GB,
        extent_A=inputs.box * inputs.pixel_size_A,
        fsc=list(state.fsc),
        fsc_unmasked=progress.curves["unmasked"].tolist() if progress.curves else [],
        ssnr=list(state.ssnr),
        noise_power=[
            events.NoiseSpectrum(half=half, optics_group=group.name, power=power.tolist())
            for half, one in enumerate(progress.parameters, 1)
            for group, power in zip(inputs.particles.optics, one.noise_power, strict=True)
        ],
        orientability=(
            np.mean(progress.orientability, axis=0).tolist() if progress.orientability else []
        ),
        orientations=events.OrientationHistogram(healpix_order=order, counts=counts.tolist()),
        orientation_files=[name for name in names if name.endswith("_angdist.bild")],
        files=names,
    )


def end_event(
    progress: Progress, inputs: Inputs, files: IterationFiles, seconds: float
) -> events.End:
    """The record of a finished refinement."""
    state, masking = progress.state, MASKING[progress.fsc_mask]
    return events.End(
        reason=END_REASONS.get(state.stop_reason, "finished"),
        message=status.ending(state),
        iteration=state.iteration,
        resolution_A=state.resolution_0143_A,
        resolution_criterion=f"half-map FSC 0.143, {masking}",
        seconds=seconds,
        files=[path.name for path in (files.joined_map(), files.data(None), files.fsc_star())],
        outputs=_outputs(progress, inputs, files),
    )


def _outputs(progress: Progress, inputs: Inputs, files: IterationFiles) -> list[events.Output]:
    """What other jobs can go on with."""
    images = {"box_size": inputs.box, "pixel_size_A": inputs.pixel_size_A}
    maps = [events.Output(path=files.joined_map().name, content="map", **images)]
    for half in (1, 2):
        name = files.half_map_unfiltered(None, half).name
        maps.append(events.Output(path=name, content="half map", **images))
    if progress.envelope is not None:
        maps.append(events.Output(path=files.envelope().name, content="mask", **images))
    count = sum(len(rows) for rows in inputs.rows)
    return [
        events.Output(path=files.data(None).name, content="particles", particles=count, **images),
        *maps,
        events.Output(path=files.fsc_star().name, content="FSC"),
    ]
