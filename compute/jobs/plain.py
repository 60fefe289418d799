"""Jobs of a single process: the folder, records and ending that they have in common."""

import importlib
import os
import shlex
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

from compute.files import events
from compute.files.errors import InputError
from compute.files.progress import read_progress
from compute.files.relion import JobFolder
from compute.jobs.memory import keep_freed, peak_GB
from compute.jobs.voice import speaking
from compute.params.option import JobParams
from compute.startup import importing


@dataclass(frozen=True, slots=True)
class Result:
    """What a job has made, and what there is to say about it in one sentence."""

    outputs: Sequence[events.Output] = ()
    message: str = ""
    resolution_A: float | None = None
    resolution_criterion: str | None = None


def run(job: str, params: JobParams) -> None:
    """Run the job `compute.jobs.<job>` in the folder of its output; raises what the job raises, after it is recorded.

    The job's module has `run(params, voice) -> Result`. It starts to write only when its input has been checked.
    """
    folder = check_folder(job, params)
    module = _module(job)
    started = time.perf_counter()
    keep_freed()
    with speaking(folder) as voice:
        voice.progress.write(_start(job, params, folder))
        voice.progress.start_heartbeat()
        result: Result = module.run(params, voice)
        if result.message:
            voice.log.line(f" {result.message}")
        voice.progress.write(
            events.End(
                reason="finished",
                message=result.message,
                resolution_A=result.resolution_A,
                resolution_criterion=result.resolution_criterion,
                seconds=time.perf_counter() - started,
                peak_memory_GB=[peak_GB()],
                files=[one.path for one in result.outputs],
                outputs=list(result.outputs),
            )
        )


def _module(job: str) -> ModuleType:
    """The module of a job."""
    with importing():
        return importlib.import_module(f"compute.jobs.{job}")


def check_folder(job: str, params: JobParams) -> JobFolder:
    """The folder of a job's output; InputError where it belongs to a job of another kind."""
    folder = JobFolder(Path(str(params.model_dump()["output"])).parent)
    if owner := foreign_owner(folder, job):
        sentence = f"the folder {folder.path} holds a job of another kind ({owner}): give this one a folder of its own"
        raise InputError(sentence)
    return folder


def foreign_owner(folder: JobFolder, job: str) -> str:
    """The kind of the job that has left its records in a folder, where it is another one than `job`; else nothing."""
    owners = [one.job for one in _told(folder) if isinstance(one, events.Start)]
    return owners[-1] if owners and owners[-1] != job else ""


def _told(folder: JobFolder) -> list[events.AnyEvent]:
    """The events of earlier jobs of a folder; none where there are none that can be read."""
    try:
        return read_progress(folder.progress)
    except InputError:
        return []


def _start(job: str, params: JobParams, folder: JobFolder) -> events.Start:
    """The record of a job that begins."""
    earlier = sum(isinstance(one, events.Start) for one in _told(folder))
    process = events.Rank(
        rank=0,
        role="alone",
        host=socket.gethostname(),
        pid=os.getpid(),
        device="cpu",
        threads=len(os.sched_getaffinity(0)),
    )
    return events.Start(
        job=job,
        program_version=version("halfmap"),
        command=shlex.join(sys.argv),
        parameters=params.model_dump(mode="json"),
        attempt=1 + earlier,
        ranks=[process],
    )
