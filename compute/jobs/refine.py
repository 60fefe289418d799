"""The refinement job: reads the inputs, leads the refinement, writes its files and says how it goes."""

import dataclasses
import shlex
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Literal

import numpy as np
import psutil
import torch

from compute.convergence import status
from compute.convergence.state import Settings, State
from compute.files import events
from compute.files.errors import InputError
from compute.files.log import Log
from compute.files.progress import ProgressWriter
from compute.files.relion import (
    IterationFiles,
    clear_markers,
    find_continuation,
    supersede,
    write_exit_marker,
)
from compute.files.star import Table
from compute.jobs.half import Half
from compute.jobs.refine_files import Writer, restore, rows_of
from compute.jobs.refine_inputs import MINIMUM_HALF, Inputs, read_inputs
from compute.jobs.refine_leader import Exchange, Progress, Refinement
from compute.jobs.refine_report import end_event, iteration_event, start_event
from compute.parallel import HalfTeam, PerHalf, Seat, Team
from compute.params.refine import RefineParams

# Images stay in memory where all of them together take less than this share of what is free.
PRELOAD_SHARE = 0.4


@dataclass(slots=True)
class Voice:
    """Where a running job speaks: run.out, run.err and progress.jsonl."""

    log: Log
    progress: ProgressWriter


def make_half(seat: Seat, team: HalfTeam, device: str = "cpu", threads: int = 1) -> Half:
    """A worker for a seat of the team."""
    return Half(seat, team, torch.device(device), threads)


def run(params: RefineParams, team: Team, exchange: Exchange | None = None) -> Progress:
    """Refine to the end, or continue a refinement; returns the final state with its maps.

    Every file is written as soon as what it holds is known. Raises InputError for input that cannot be used.
    """
    root, start_after = Path(params.output), None
    if params.continue_from:
        root, start_after = find_continuation(params.continue_from)
    files = IterationFiles(root)
    files.folder.mkdir(parents=True, exist_ok=True)
    clear_markers(files.folder)
    signal.signal(signal.SIGTERM, _stop)
    with (
        ProgressWriter(files.progress) as progress,
        Log(files.run_out, files.run_err, progress, sys.stdout) as log,
    ):
        voice = Voice(log, progress)
        try:
            done = _refine(params, files, start_after, team, voice, exchange)
        except BaseException as error:
            _report_failure(files, voice, error)
            raise
        write_exit_marker(files.folder, "success")
        return done


def _stop(number: int, frame: FrameType | None) -> None:
    """End the job on SIGTERM as on an error, so that its last record is written."""
    raise SystemExit(128 + number)


def _report_failure(files: IterationFiles, voice: Voice, error: BaseException) -> None:
    """The last record of a job that failed or was stopped."""
    is_stopped = isinstance(error, SystemExit | KeyboardInterrupt)
    sentence = "The job was stopped." if is_stopped else str(error) or type(error).__name__
    voice.log.error(sentence)
    code = error.code if isinstance(error, SystemExit) and isinstance(error.code, int) else 1
    reason: Literal["stopped", "failed"] = "stopped" if is_stopped else "failed"
    voice.progress.write(events.End(reason=reason, message=sentence, exit_status=code))
    write_exit_marker(files.folder, "aborted" if is_stopped else "failure")


def _refine(
    params: RefineParams,
    files: IterationFiles,
    start_after: int | None,
    team: Team,
    voice: Voice,
    exchange: Exchange | None,
) -> Progress:
    """All iterations from the start or from a checkpoint, to the final files."""
    started = time.perf_counter()
    attempt = 1
    resumed: tuple[Progress, dict[str, Any]] | None = None
    if start_after is not None:
        moved = supersede(files.root, start_after)
        attempt = 1 + len(list((files.folder / "superseded").glob("attempt*")))
        resumed = restore(files, start_after)
        params = _continued(params, resumed[1])
        voice.log.line(
            f" Continuing after iteration {start_after}; {len(moved)} later files were moved aside."
        )
    inputs = read_inputs(params)
    if resumed is not None:
        inputs = dataclasses.replace(
            inputs,
            seed=resumed[1]["seed"],
            rows=rows_of(resumed[1]),
        )
    for remark in inputs.remarks:
        voice.log.warning(remark)
    settings = settings_of(params, inputs)
    inputs = _load(params, inputs, team, voice)
    refinement = Refinement(params, inputs, team, settings, exchange)
    command = shlex.join(sys.argv)
    writer = Writer(files, params.model_copy(update={"random_seed": inputs.seed}), inputs, command)
    voice.progress.write(start_event(params, inputs, team, command, attempt, start_after))
    voice.progress.start_heartbeat()
    team.on_progress = voice.progress.advance
    if resumed is None:
        voice.progress.enter("estimating noise")
        progress = refinement.begin()
        writer.iteration(progress)
    else:
        progress = resumed[0]
        refinement.hand_out(progress.parameters, progress.maps)
    while not progress.state.is_finished:
        progress = _iterate(refinement, progress, writer, voice)
    for line in status.final_lines(progress.state, str(files.root), params.solvent_correct_fsc):
        voice.log.line(line)
    seconds = time.perf_counter() - started
    is_masked = params.solvent_correct_fsc
    voice.progress.write(end_event(progress.state, files, is_masked, seconds))
    return progress


def _continued(params: RefineParams, saved: dict[str, Any]) -> RefineParams:
    """The parameters of the earlier attempt, with those that were given anew."""
    given = params.model_dump(
        exclude_unset=True, exclude={"continue_from", "output", "mpi", "threads"}
    )
    return RefineParams(**{**saved["params"], **given})


def settings_of(params: RefineParams, inputs: Inputs) -> Settings:
    """The schedule's settings: particle pixels become Å."""
    pixel = inputs.pixel_size_A
    return Settings(
        box=inputs.box,
        pixel_size_A=pixel,
        particle_diameter_A=params.particle_diameter_A,
        initial_lowpass_A=params.initial_lowpass_A,
        healpix_order=params.healpix_order,
        local_order=params.local_search_order,
        offset_range_A=max(params.offset_range_px, 0.5 * params.offset_step_px) * pixel,
        offset_step_A=params.offset_step_px * pixel,
        oversampling=params.oversampling,
        padding=params.padding,
        ignore_angles=params.ignore_angles,
        resolution_angles=params.resolution_angles,
        low_resolution_join_A=params.low_resolution_join_A,
        has_correlation_iteration=not params.absolute_greyscale,
        minimum_shell=params.minimum_resolution_shells,
        maximum_iterations=params.maximum_iterations,
        cone_steps=3.0,
    )


def _load(params: RefineParams, inputs: Inputs, team: Team, voice: Voice) -> Inputs:
    """Give every worker its images; refuse or leave out those with values that are not finite, warn of odd ones."""
    voice.progress.enter("reading images", total=len(inputs.particles))
    preload = params.preread_images
    if preload is None:
        size = sum(
            group.image_size**2 * 4 * int((inputs.particles.optics_index == index).sum())
            for index, group in enumerate(inputs.particles.optics)
        )
        preload = size < PRELOAD_SHARE * psutil.virtual_memory().available
    replies = team.call(
        "load",
        particles=dataclasses.replace(inputs.particles, table=Table(inputs.particles.table.name)),
        params=params,
        box=inputs.box,
        pixel_size_A=inputs.pixel_size_A,
        rows=PerHalf(*inputs.rows),
        solvent_mask=inputs.mask,
        preload=preload,
        seed=inputs.seed,
    )
    scans = [scan for half in replies for scan in half]
    rows = np.concatenate([scan["indices"] for scan in scans])
    finite = np.concatenate([scan["is_finite"] for scan in scans])
    _warn_of_backgrounds(scans, finite, voice)
    bad = np.sort(rows[~finite])
    if not len(bad):
        return inputs
    first = inputs.particles.image_name(int(bad[0]))
    sentence = (
        f"{len(bad)} of {len(rows)} images hold values that are not finite, the first is {first}"
    )
    if params.bad_images == "refuse":
        raise InputError(
            f"{sentence}; leave them out with --bad-images exclude, or extract them again"
        )
    voice.log.warning(f"{sentence}; they are left out.", "E27")
    remaining = team.call("drop", rows=bad)
    if min(half[0] for half in remaining) < MINIMUM_HALF:
        raise InputError(
            f"{sentence}; without them a half-set has fewer than {MINIMUM_HALF} particles"
        )
    first_rows, second_rows = (one[~np.isin(one, bad)] for one in inputs.rows)
    return dataclasses.replace(inputs, rows=(first_rows, second_rows))


def _warn_of_backgrounds(scans: list[dict[str, Any]], finite: np.ndarray, voice: Voice) -> None:
    """Say so where images do not look normalised outside the mask diameter."""
    mean = np.concatenate([scan["background_mean"] for scan in scans])[finite]
    std = np.concatenate([scan["background_std"] for scan in scans])[finite]
    odd = ~((np.abs(mean) <= std / 2) & (std >= 0.5) & (std <= 2.0))
    if odd.mean() > 0.05:
        voice.log.warning(
            f"{int(odd.sum())} of {len(odd)} images are not normalised: outside the mask diameter the mean should be "
            "near 0 and the standard deviation near 1. Extract them again with normalisation, and check the mask "
            "diameter.",
            "E28",
        )


def _iterate(refinement: Refinement, before: Progress, writer: Writer, voice: Voice) -> Progress:
    """One iteration with its lines, files and record."""
    number = before.state.iteration + 1
    began = time.perf_counter()
    total = sum(len(rows) for rows in refinement.inputs.rows)
    voice.progress.enter("expectation", iteration=number, total=total)
    progress = refinement.iterate(before, on_plan=lambda state: _say_plan(state, voice))
    voice.progress.enter("writing", iteration=number)
    if progress.state.is_finished:
        names = writer.final(progress)
    else:
        names = writer.iteration(progress)
    seconds = time.perf_counter() - began
    voice.progress.write(iteration_event(refinement, progress, names, seconds))
    return progress


def _say_plan(state: State, voice: Voice) -> None:
    """The lines that announce an iteration."""
    for line in status.status_lines(state):
        voice.log.line(line)
    voice.log.line(f" Expectation iteration {state.iteration}")
