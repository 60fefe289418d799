"""The refinement job: reads the inputs, leads the refinement, writes its files and says how it goes."""

import dataclasses
import shlex
import socket
import sys
import time
import uuid
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from compute.convergence import status
from compute.convergence.decision import POOR_ACCURACY_DEG
from compute.convergence.state import UNKNOWN, State
from compute.files import events
from compute.files.continuation import find_continuation
from compute.files.errors import InputError
from compute.files.progress import read_progress
from compute.files.relion import IterationFiles, is_abort_requested, supersede
from compute.files.timing import add_timing
from compute.jobs.device_foresight import record_device_peaks, say_outlooks, told_of_devices
from compute.jobs.devices import wake_aside
from compute.jobs.foresight import foresee, foresee_last, record_peaks, say_foresight
from compute.jobs.gpu_load import gpu_loads
from compute.jobs.image_check import write_excluded
from compute.jobs.lost_particles import lost_sentence, write_lost
from compute.jobs.particle_report import particle_sentences
from compute.jobs.refine_account import account_of, peak_memory_GB, time_of_leader
from compute.jobs.refine_checkpoint import restore, rows_of
from compute.jobs.refine_files import Writer
from compute.jobs.refine_inputs import Inputs, read_inputs
from compute.jobs.refine_leader import Refinement
from compute.jobs.refine_load import load_images, scratch_folder
from compute.jobs.refine_progress import Exchange, Progress
from compute.jobs.refine_report import end_event, iteration_event, start_event
from compute.jobs.refine_settings import settings_of
from compute.jobs.scratch import cleaned_up
from compute.jobs.voice import StopAsked, Voice, speaking
from compute.parallel import SoloTeam, Team
from compute.params.refine import RefineParams


def run(
    params: RefineParams, team: Team, exchange: Exchange | None = None, job_id: str = ""
) -> Progress:
    """Refine to the end, or continue a refinement; returns the final state with its maps.

    Every file is written as soon as what it holds is known. Raises InputError for input that cannot be used, after
    the sentence has been shown and recorded. job_id names the job's folder on the scratch disk.
    """
    wake_aside(team.device)
    job_id = job_id or str(uuid.uuid4())
    files = IterationFiles(Path(params.output))
    with speaking(files.job) as voice:
        if params.continue_from:
            root, start_after = find_continuation(params.continue_from)
            return _refine(params, IterationFiles(root), start_after, team, voice, exchange, job_id)
        return _refine(params, files, None, team, voice, exchange, job_id)


def _refine(
    params: RefineParams,
    files: IterationFiles,
    start_after: int | None,
    team: Team,
    voice: Voice,
    exchange: Exchange | None,
    job_id: str,
) -> Progress:
    """All iterations from the start or from a checkpoint, to the final files."""
    started = time.perf_counter()
    resumed: tuple[Progress, dict[str, Any]] | None = None
    if start_after is not None:
        resumed = restore(files, start_after)
        params = _continued(params, resumed[1], files)
    inputs = read_inputs(params)
    if resumed is not None:
        inputs = dataclasses.replace(
            inputs,
            seed=resumed[1]["seed"],
            rows=rows_of(resumed[1]),
        )
    for remark in inputs.remarks:
        voice.log.warning(remark)
    settings = settings_of(params, inputs.box, inputs.pixel_size_A)
    command, attempt = shlex.join(sys.argv), 1 + _earlier_attempts(files)
    foresight = foresee(params, inputs, settings, team, resumed[0].state if resumed else None)
    record = start_event(params, inputs, team, command, attempt, start_after, foresight.largest_GB)
    voice.progress.write(record)
    here = [one.device for one in foresight.devices if one.host == socket.gethostname()]
    voice.progress.start_heartbeat(gpus=partial(gpu_loads, here))
    say_foresight(foresight, params, voice)
    scratch = scratch_folder(params, inputs, team, job_id, voice)
    with cleaned_up(scratch, team):
        inputs, report = load_images(params, inputs, team, voice, files.excluded(), scratch)
        _make_room(files, start_after, voice)
        if len(report.bad):
            write_excluded(files.excluded(), inputs.particles, report)
        refinement = Refinement(params, inputs, team, settings, exchange)
        _say_start(params, inputs, team, voice)
        recorded = params.model_copy(update={"random_seed": inputs.seed})
        writer = Writer(files, recorded, inputs, command)
        progress = _all_iterations(refinement, writer, resumed[0] if resumed else None, voice)
    record_peaks(foresight, peak_memory_GB(team), voice)
    record_device_peaks(foresight.devices, told_of_devices(team), voice)
    unmasked_A, fsc_mask = progress.resolution_unmasked_A, progress.fsc_mask
    for line in status.final_lines(progress.state, str(files.root), unmasked_A, fsc_mask):
        voice.log.line(line)
    _judge_alignment(progress, voice)
    _judge_particles(progress, voice)
    seconds = time.perf_counter() - started
    voice.progress.write(end_event(progress, inputs, files, seconds))
    return progress


def _all_iterations(
    refinement: Refinement, writer: Writer, resumed: Progress | None, voice: Voice
) -> Progress:
    """Every iteration with its files, from the start or from where an earlier attempt was."""
    refinement.team.on_progress = voice.progress.advance
    if resumed is None:
        voice.progress.enter("estimating noise")
        progress = refinement.begin()
        refinement.look_ahead(progress.state)
        writer.iteration(progress)
        with writer.checkpoint(progress):
            pass
    else:
        progress = resumed
        refinement.hand_out(progress.parameters, progress.maps)
    while not progress.state.is_finished:
        progress.maps = []  # written, and with the workers: nobody here needs them any more
        progress = _iterate(refinement, progress, writer, voice)
        if is_abort_requested(writer.files.folder) and not progress.state.is_finished:
            number = progress.state.iteration
            raise StopAsked(
                f"The job was stopped after iteration {number}, as asked. Go on with "
                f"--continue {writer.files.optimiser(number)}."
            )
    return progress


def _earlier_attempts(files: IterationFiles) -> int:
    """How often a job has been started in this folder before; 0 where its events cannot be read."""
    try:
        told = read_progress(files.job.progress)
    except InputError:
        return 0
    return sum(isinstance(event, events.Start) for event in told)


def _make_room(files: IterationFiles, start_after: int | None, voice: Voice) -> None:
    """Move what an earlier attempt left behind the starting point aside."""
    moved = supersede(files.root, -1 if start_after is None else start_after)
    where = f"{moved[0].parent}" if moved else ""
    if start_after is not None:
        voice.log.line(f" Continuing {files.root} after iteration {start_after}.")
    if moved:
        kind = "Later files" if start_after is not None else "Files of an earlier run"
        voice.log.line(f" {kind} of this name ({len(moved)}) were moved to {where}.")


def _say_start(params: RefineParams, inputs: Inputs, team: Team, voice: Voice) -> None:
    """One line on what is refined."""
    first, second = (len(rows) for rows in inputs.rows)
    workers = len(team.seats())
    shared = "one process" if isinstance(team, SoloTeam) else f"{workers} workers and a leader"
    voice.log.line(
        f" {first + second} particles ({first} in half 1, {second} in half 2), {inputs.box} pixels of "
        f"{inputs.pixel_size_A:.5g} A, symmetry {params.symmetry}, seed {inputs.seed}, {shared}"
    )


def _judge_alignment(progress: Progress, voice: Voice) -> None:
    """Warn at the end where the particles could not be aligned."""
    state = progress.state
    if progress.limit_A > 0:
        voice.log.warning(
            f"The two halves do not agree beyond {progress.limit_A:g} Å, where they share the reference or the "
            "low-resolution join: no signal was found, and the final map holds nothing finer. "
            "Check the particles, the reference and the CTFs.",
            "no signal",
        )
    if POOR_ACCURACY_DEG < state.accuracy_angle_deg < UNKNOWN:
        voice.log.warning(
            f"The angular accuracy at the end is {state.accuracy_angle_deg:.1f} degrees, worse than "
            f"{POOR_ACCURACY_DEG:g}: the particles were not aligned and the resolution cannot be trusted. "
            "Check the reference, the mask diameter and the CTFs, or remove bad particles.",
            "E45",
        )


def _judge_particles(progress: Progress, voice: Voice) -> None:
    """Say at the end what looks odd among the particles."""
    results = progress.results or []

    def pooled(name: str) -> np.ndarray:
        return np.concatenate([getattr(one, name) for one in results]).astype(np.float64)

    power = pooled("model_power")
    contrast = np.where(power > 0, pooled("cross") / np.maximum(power, 1e-30), 1.0)
    for sentence in particle_sentences(
        pooled("maximum_probability"),
        np.concatenate([one.norm for one in progress.parameters]),
        contrast / max(float(np.median(contrast)), 1e-9),
        np.concatenate([one.scale for one in progress.parameters]),
        pooled("weight"),
    ):
        voice.log.warning(sentence, "particles")


def _continued(params: RefineParams, saved: dict[str, Any], files: IterationFiles) -> RefineParams:
    """The parameters of the earlier attempt with those that were given anew, in the folder where its files are now."""
    given = params.model_dump(exclude_unset=True, exclude={"continue_from"})
    return RefineParams(**{**saved["params"], **given, "output": str(files.root)})


def _iterate(refinement: Refinement, before: Progress, writer: Writer, voice: Voice) -> Progress:
    """One iteration with its lines, files and record."""
    number = before.state.iteration + 1
    began = time.perf_counter()
    total = sum(len(rows) for rows in refinement.inputs.rows)
    voice.progress.enter("expectation", iteration=number, total=total)
    progress = refinement.iterate(before, on_plan=lambda state: _say_plan(state, refinement, voice))
    for note in dict.fromkeys(note for one in progress.results or [] for note in one.notes):
        voice.log.warning(note, "E38")
    _warn_of_lost(refinement.inputs, progress, writer.files, voice)
    voice.progress.enter("writing", iteration=number)
    account = account_of(refinement.team)
    refinement.look_ahead(progress.state)
    with ExitStack() as recorded:
        with refinement.stopwatch.measure("writing"):
            if progress.state.is_finished:
                names = writer.final(progress)
            else:
                names = writer.iteration(progress)
                recorded.enter_context(writer.checkpoint(progress))
        times = [time_of_leader(refinement.stopwatch), *account.workers]
        add_timing(writer.files.root, number, times)
        seconds = time.perf_counter() - began
        voice.progress.write(iteration_event(refinement, progress, account, names, seconds))
    return progress


def _warn_of_lost(inputs: Inputs, progress: Progress, files: IterationFiles, voice: Voice) -> None:
    """Say how many particles had no orientation with a finite score and why, and name all of them in a file."""
    results = progress.results or []
    lost = {
        int(rows[position]): reason
        for rows, one in zip(inputs.rows, results, strict=False)
        for position, reason in one.lost.items()
    }
    if not lost:
        return
    rows = sorted(lost)
    reasons = [lost[row] for row in rows]
    total, number = sum(len(one) for one in inputs.rows), progress.state.iteration
    path = files.unscored(None if progress.state.is_finished else number)
    write_lost(path, inputs.particles, np.array(rows), reasons)
    voice.log.warning(
        f"{len(rows)} of {total} particles had no orientation with a finite score in iteration {number}: "
        f"{lost_sentence(reasons)}. They keep their pose and do not count in the maps. The first is "
        f"{inputs.particles.image_name(rows[0])}; {path.name} lists all with their reasons. They have 0 significant "
        "samples in the data file.",
        "E44",
    )


def _say_plan(state: State, refinement: Refinement, voice: Voice) -> None:
    """The lines that announce an iteration; for the last one also what it will take of the devices' memory."""
    if state.has_converged:
        found = foresee_last(
            refinement.params, refinement.inputs, refinement.settings, refinement.team, state
        )
        say_outlooks(found, voice, state.iteration)
    for line in status.status_lines(state):
        voice.log.line(line)
    voice.log.line(f" Expectation iteration {state.iteration}")
