"""How the workers of a refinement get their images: from scratch where that is asked for, judged as they are read."""

import dataclasses
from pathlib import Path

import numpy as np

from compute.files.errors import InputError
from compute.files.table import Table
from compute.jobs.foresight import keeps_images
from compute.jobs.image_check import ImageReport, judge
from compute.jobs.refine_inputs import MINIMUM_HALF, Inputs
from compute.jobs.scratch import fill_scratch, folder_of
from compute.jobs.voice import Voice
from compute.parallel import PerHalf, Team
from compute.params.refine import RefineParams


def scratch_folder(
    params: RefineParams, inputs: Inputs, team: Team, job_id: str, voice: Voice
) -> Path | None:
    """The job's folder on the scratch disk; None where none is wanted or no image will be read twice."""
    if not params.scratch_dir:
        return None
    if keeps_images(params, inputs.particles, team):
        voice.log.line(" The images are kept in memory, so that they are not copied to scratch.")
        return None
    return folder_of(params.scratch_dir, job_id)


def load_images(
    params: RefineParams,
    inputs: Inputs,
    team: Team,
    voice: Voice,
    excluded: Path,
    scratch: Path | None,
) -> tuple[Inputs, ImageReport]:
    """Give every worker its images; refuse or leave out those with values that are not finite, warn of odd ones."""
    particles = dataclasses.replace(inputs.particles, table=Table(inputs.particles.table.name))
    copies = {}
    if scratch is not None:
        voice.progress.enter("copying images to scratch")
        copies = fill_scratch(scratch, particles, team, voice)
    voice.progress.enter("reading images", total=len(inputs.particles))
    replies = team.call(
        "load",
        particles=particles,
        params=params,
        box=inputs.box,
        pixel_size_A=inputs.pixel_size_A,
        rows=PerHalf(*inputs.rows),
        solvent_mask=inputs.mask,
        preload=keeps_images(params, inputs.particles, team),
        seed=inputs.seed,
        scratch=copies,
    )
    report = judge([scan for half in replies for scan in half])
    for sentence, code in report.warnings():
        voice.log.warning(sentence, code)
    if not len(report.bad):
        return inputs, report
    sentence = report.sentence(inputs.particles)
    if params.bad_images == "refuse":
        raise InputError(
            f"{sentence}. Leave them out with --bad-images exclude, or extract them again."
        )
    remaining = team.call("drop", rows=report.bad)
    if min(half[0] for half in remaining) < MINIMUM_HALF:
        raise InputError(
            f"{sentence}; without them a half-set has fewer than {MINIMUM_HALF} particles"
        )
    voice.log.warning(f"{sentence}. They are left out; {excluded} lists them.", "E27")
    first_rows, second_rows = (one[~np.isin(one, report.bad)] for one in inputs.rows)
    return dataclasses.replace(inputs, rows=(first_rows, second_rows)), report
