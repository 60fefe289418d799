"""`python -m compute job.json`: one job, on one process or on every rank of an MPI launch; or `preview`, the worker."""

import contextlib
import ctypes
import importlib
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from pydantic import BaseModel, ValidationError

from compute import handover
from compute.startup import importing, shorten_import_of_torch

if TYPE_CHECKING:
    from compute.parallel import Team
    from compute.params.refine import RefineParams

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
UNUSABLE = 2
PLAIN_JOBS: tuple[str, ...] = (
    "importing",
    "extract",
    "postprocess",
    "rescale",
    "mask",
    "select",
    "simulate",
    "local_resolution",
    "directional_fsc",
)
"""Jobs of one process with a folder of their own: modules of this name in `compute.params` and `compute.jobs`."""
TOOLS = ("compare",)
"""What runs without a job folder."""
Params = TypeVar("Params", bound=BaseModel)


def main(arguments: list[str]) -> int:
    """The exit status of the job that a file describes: 0 done, 1 failed, 2 unusable input, 128 + n stopped by n."""
    shorten_import_of_torch()
    if arguments[:1] == ["preview"]:
        with importing():
            from compute import preview

        return preview.main(arguments[1:])
    if len(arguments) != 1:
        print("usage: python -m compute job.json, or python -m compute preview", file=sys.stderr)
        return UNUSABLE
    handover.die_with_parent()
    for number in STOPS:
        signal.signal(number, _stop)
    try:
        description = read_job(Path(arguments[0]))
        is_plain = description.get("job") in PLAIN_JOBS
        return _run_plain(description) if is_plain else run_job(description)
    except ValueError as error:
        print(f" ERROR: {error}", file=sys.stderr)
        return UNUSABLE


def fall_silent() -> None:
    """Let nothing more be printed as an error: all has been said, and MPI would add its own words to a failure."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def leave(status: int, arguments: list[str]) -> NoReturn:
    """End this process; a job without taking the modules apart, which takes half a second: all its files are closed.

    A failure among several processes is left to mpi4py, which ends the others. To launchers that we cannot speak to the
    MPI library says good-bye when the C library ends the process.
    """
    handover.tell(status)
    if arguments[:1] == ["preview"]:
        sys.exit(status)
    mpi = sys.modules.get("mpi4py.MPI")
    is_among_others = mpi is not None and mpi.Is_initialized() and not mpi.Is_finalized()
    if mpi is not None and is_among_others:
        if status:
            sys.exit(status)
        mpi.Finalize()
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    if is_among_others and not handover.say_goodbye():
        ctypes.CDLL(None).exit(status)
    os._exit(status)


def _stop(number: int, frame: FrameType | None) -> None:
    """End this process as on an error, so that the job's last record is written."""
    raise SystemExit(128 + number)


def read_job(path: Path) -> dict[str, Any]:
    """What a job file says; ValueError where it cannot be read or is no job."""
    try:
        description = json.loads(path.read_text())
    except OSError as error:
        raise ValueError(f"the job file {path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ValueError(f"the job file {path} is not JSON: {error}") from None
    if not isinstance(description, dict) or not isinstance(description.get("params", {}), dict):
        raise ValueError(f'the job file {path} must hold {{"job": …, "params": {{…}}}}')
    return description


def run_job(description: dict[str, Any]) -> int:
    """Run the job on this rank; ValueError for parameters that cannot be used, and what a job of one process raises."""
    job, values = description.get("job"), description.get("params", {})
    if job == "refine":
        return _refine(values, str(description.get("job_id") or ""))
    if job in TOOLS:
        importlib.import_module(f"compute.jobs.{job}").run(_parameters(job, values))
        return 0
    if job in PLAIN_JOBS:
        from compute.jobs import plain

        plain.run(job, _parameters(job, values))
        return 0
    known = ", ".join(["refine", *PLAIN_JOBS, *TOOLS])
    raise ValueError(f"the job '{job}' is not known: use one of {known}")


def _parameters(job: str, values: dict[str, Any]) -> Any:
    """The parameters of a job, from the module of its name."""
    name = job.replace("_", " ").title().replace(" ", "") + "Params"
    return checked(getattr(importlib.import_module(f"compute.params.{job}"), name), values)


def _run_plain(description: dict[str, Any]) -> int:
    """The exit status of a job of one process, which says and records itself why it fails once it has its folder."""
    from compute.jobs import plain, voice

    job, values = description["job"], description.get("params", {})
    plain.check_folder(job, _parameters(job, values))
    try:
        return run_job(description)
    except BaseException as error:
        return voice.exit_status(error)


def checked(model: type[Params], values: dict[str, Any]) -> Params:
    """The parameters; ValueError with one sentence for all that is wrong with them."""
    try:
        return model(**values)
    except ValidationError as error:
        problems = []
        for problem in error.errors():
            name = ".".join(str(part) for part in problem["loc"])
            message = str(problem["msg"]).removeprefix("Value error, ")
            problems.append(f"{name}: {message}" if name else message)
        raise ValueError("; ".join(problems)) from None


def _refine(values: dict[str, Any], job_id: str) -> int:
    """A refinement: this rank leads, works, or does everything alone."""
    with importing():
        import mpi4py

        mpi4py.rc(initialize=False, finalize=True)
        from mpi4py import MPI

        from compute import parallel, parallel_mpi
        from compute.expectation.rehearsal import rehearse
        from compute.files.relion import IterationFiles
        from compute.jobs.devices import assigned
        from compute.jobs.half import make_half
        from compute.jobs.memory import SURELY_KEPT_BYTES, keep_freed
        from compute.params.launched import is_foreign, launched_as
        from compute.params.refine import RefineParams

        parallel.limit_threads(1)
        handover.branch_off(values.get("gpu") is None, rehearse)
    launched_rank, launched_size = launched_as(os.environ) or (0, 0)
    try:
        params = checked(RefineParams, values)
    except ValueError:
        if launched_rank == 0:
            raise
        return 0  # the first process says it, and its status counts
    folder = IterationFiles(Path(params.output)).job
    world, counted = MPI.COMM_WORLD, 1
    if not is_foreign(os.environ, MPI.Get_library_version()):
        if not MPI.Is_initialized():
            MPI.Init_thread(MPI.THREAD_MULTIPLE)
        counted = world.Get_size()
    try:
        parallel.check_launch(counted, params.mpi, launched_size)
    except ValueError as error:
        if launched_rank:
            return 0
        from compute.jobs import voice

        voice.refuse(folder, str(error))
        return UNUSABLE
    size, rank = counted, world.Get_rank()
    devices, problem = assigned(params.gpu, world if size > 1 else None)
    if problem:
        if rank == 0:
            from compute.jobs import voice

            voice.refuse(folder, problem)
        return UNUSABLE
    threads = parallel.usable_threads(params.threads, size, os.cpu_count() or 1)
    keep_freed(SURELY_KEPT_BYTES)

    def make(seat: parallel.Seat, team: parallel.HalfTeam) -> parallel.Worker:
        return make_half(seat, team, devices[seat.half - 1], threads)

    if rank > 0:
        for number in STOPS:
            signal.signal(number, signal.SIG_IGN)  # the leader ends the job, and with it this rank
        parallel_mpi.serve(world, make)
        return 0

    def abort(status: int) -> None:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
            parallel_mpi.wait_until_read(stream.fileno())
        fall_silent()
        world.Abort(status)

    if size > 1:
        return _lead(params, job_id, parallel_mpi.MpiTeam(world, devices[0]), abort)
    return _lead(params, job_id, parallel.SoloTeam(make, threads, devices[0]), lambda status: None)


def _lead(params: "RefineParams", job_id: str, team: "Team", abort: Callable[[int], None]) -> int:
    """Run a refinement with its team; `abort` ends the other ranks. What workers never need is imported here."""
    with importing():
        from compute.jobs import refine, voice

    try:
        refine.run(params, team, job_id=job_id)
    except BaseException as error:
        status = voice.exit_status(error)
        abort(status)
        return status
    team.close()
    return 0


if __name__ == "__main__":
    exit_status = main(sys.argv[1:])
    if exit_status:
        fall_silent()
    leave(exit_status, sys.argv[1:])
