"""A job that is to be started: its file, its command, and its start on this machine or at Slurm."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from webapp.launch import keeper, local
from webapp.launch.profiles import Profile, engine_words, in_shell
from webapp.launch.slurm import NAME, Slurm
from webapp.launch.slurm_text import TEMPLATE, Demand, file_pattern, script


@dataclass(frozen=True, slots=True)
class Order:
    """One launch of a job, in words that do not depend on where it runs.

    `directory` is where relative paths of the parameters start, `root` the first part of the names of the job's files.
    """

    launch_id: str
    job: str
    params: Mapping[str, object]
    directory: Path
    folder: Path
    root: str
    share: local.Share
    gpus: int = 0


def library_threads(order: Order) -> int:
    """The threads of libraries in each process of an ordered job."""
    return local.library_threads(order.job, order.share.threads)


def prepared(profile: Profile, order: Order) -> tuple[list[str], list[str]]:
    """The words of the kept job and those of one of its processes, after its file has been written."""
    share = order.share
    job_file = local.write_job(order.folder, order.job, dict(order.params), order.launch_id)
    job = engine_words(profile, job_file, share.ranks)
    python = profile.interpreter
    kept = keeper.words(order.folder, order.root, order.launch_id, job, python)
    return kept, local.rank_command(job_file, share.ranks, python)


def start_here(
    profile: Profile, order: Order, variables: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """The keeper of a job that runs on this machine from now on, whoever else ends."""
    base = dict(os.environ if variables is None else variables)
    kept, _ = prepared(profile, order)
    return keeper.start(
        in_shell(profile, kept),
        {**local.environment(base, order.launch_id, library_threads(order)), **profile.environment},
        order.directory,
        order.folder / keeper.PRINTED,
    )


def submit(slurm: Slurm, profile: Profile, order: Order) -> int:
    """Slurm's number of a job, which is submitted unless it already was."""
    known = slurm.find(order.launch_id)
    if known is not None:
        return known.number
    kept, rank = prepared(profile, order)
    try:
        template = profile.template.read_text() if profile.template else TEMPLATE
    except OSError as error:
        raise local.LaunchError(
            f"the submission template {profile.template} cannot be read: {error.strerror}"
        ) from None
    demand = Demand(order.share.ranks, order.share.threads, order.gpus)
    printed = file_pattern(str(order.folder / keeper.PRINTED))
    names = {"name": NAME.format(order.launch_id), "outfile": printed, "errfile": printed}
    text = script(profile, demand, kept, rank, template, names)
    threads = local.environment({}, order.launch_id, library_threads(order))
    return slurm.submit(profile, order.launch_id, order.folder, order.directory, text, threads)
