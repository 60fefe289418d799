"""Jobs as processes of this machine: how many, with which environment, and their signals."""

import ctypes
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from compute.files.atomic import write_whole
from compute.params.launched import launched_as
from webapp.launch import processes

LARGEST_DEFAULT_WORKERS = 8
"""More processes each hold a map of their own; further cores are used as their threads."""
PR_SET_PDEATHSIG = 1
"""From <linux/prctl.h>: the signal that a process gets when its parent dies."""
PATIENCE_S, LIMIT_S = 3.0, 10.0
"""What is left of a job whose command has failed may end by itself for so long, and must be gone after so long."""


WITH_THREADS_OF_ITS_OWN = {"extract"}
"""Jobs that share their cores out themselves: two extraction threads with two library threads each took 1.8 times as
long as with one each (two cores, 24 micrographs of 4096 pixels)."""


class LaunchError(RuntimeError):
    """A job that cannot be started; the message says why."""


@dataclass(frozen=True, slots=True)
class Share:
    """How a job is spread: processes, and threads of each."""

    ranks: int
    threads: int


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0))


def gpus_asked(gpu: str | None, present: int) -> int:
    """How many GPUs a `--gpu` text means: none without one, all present ones when it is empty."""
    if gpu is None:
        return 0
    named = {number for number in gpu.replace(":", ",").split(",") if number}
    return len(named) or present


def gpus_present() -> int:
    """The number of NVIDIA GPUs of this machine."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return 0
    try:
        return int(pynvml.nvmlDeviceGetCount())
    finally:
        pynvml.nvmlShutdown()


def share(ranks: int, threads: int, available_cores: int, gpus: int = 0) -> Share:
    """Processes and threads, those that are 0 chosen from the cores and the GPUs asked for.

    GPUs: one leader and an even number of workers, at least two and one for each GPU. Cores: one
    worker for each, up to eight, and a leader that computes nothing; one process on a single core.
    """
    if not ranks:
        if gpus:
            ranks = 1 + max(2, gpus + gpus % 2)
        elif available_cores < 2:
            ranks = 1
        else:
            workers = min(available_cores, LARGEST_DEFAULT_WORKERS)
            ranks = 1 + workers - workers % 2
    workers = max(1, ranks - 1)
    return Share(ranks, threads or max(1, available_cores // workers))


def write_job(folder: Path, job: str, params: dict[str, object], job_id: str) -> Path:
    """The job file in its folder; another one that is there already is kept under the next free number.

    The same launch may be ordered again while its processes read the file, which is there all the time.
    """
    text = json.dumps({"job": job, "params": params, "job_id": job_id}, indent=2)
    content = (text + "\n").encode()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "job.json"
        if path.exists():
            if path.read_bytes() == content:
                return path
            number = 1
            while (kept := folder / f"job_{number:03d}.json").exists():
                number += 1
            shutil.copy2(path, kept)
        write_whole(path, content)
    except OSError as error:
        raise LaunchError(f"the folder {folder} cannot be written: {error.strerror}") from None
    return path


def check_plain_start(variables: Mapping[str, str]) -> None:
    """Raise LaunchError where an MPI launcher has started the command itself several times.

    The message is empty on all but the first process, so that it is said once.
    """
    launched = launched_as(variables)
    if launched is None or launched[1] == 1:
        return
    rank, size = launched
    if rank:
        raise LaunchError("")
    raise LaunchError(
        f"halfmap starts its processes itself: leave mpirun away and say --mpi {size + 1 - size % 2}"
    )


def new_job_id() -> str:
    """A name for a job that no other has."""
    return str(uuid.uuid4())


def command(job_file: Path, ranks: int, python: str = "") -> list[str]:
    """The words that start a job: one plain process, or the mpiexec of its own environment.

    `-launcher fork`, because a scheduler then counts the memory of the processes as the job's.
    """
    python = python or sys.executable
    if ranks == 1:
        return rank_command(job_file, ranks, python)
    mpiexec = Path(python).parent / "mpiexec"
    if python == sys.executable and not mpiexec.exists():
        raise LaunchError(
            f"there is no mpiexec beside {python}: install Halfmap with its extra mpi-runtime, name the "
            "site's MPI in a profile, or use --mpi 1"
        )
    start = [str(mpiexec), "-launcher", "fork", "-n", str(ranks)]
    if python != sys.executable:
        return [*start, *rank_command(job_file, ranks, python)]
    return [*start, python, "-S", "-P", _handover(), str(job_file)]


def _handover() -> str:
    """The engine's file by which several processes of a machine start as one: see there."""
    found = importlib.util.find_spec("compute.handover")
    if found is None or found.origin is None:
        raise LaunchError("the engine is not beside the dashboard: install Halfmap anew")
    return found.origin


def rank_command(job_file: Path, ranks: int, python: str) -> list[str]:
    """The words that one process of a job runs; several must be started by MPI.

    `-P`, because folders of a project may be called like our packages.
    """
    module = ["-m", "mpi4py.run"] if ranks > 1 else []
    return [python, "-P", *module, "-m", "compute", str(job_file)]


def library_threads(job: str, threads: int) -> int:
    """The threads that libraries may use in each process of a job that has `threads`."""
    return 1 if job in WITH_THREADS_OF_ITS_OWN else threads


def environment(base: dict[str, str], job_id: str, threads: int) -> dict[str, str]:
    """The variables of a job's processes: their threads and the job's name."""
    limits = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
    return {**base, **dict.fromkeys(limits, str(threads)), processes.VARIABLE: job_id}


def run(words: list[str], variables: dict[str, str]) -> int:
    """Exit status of a command that shares our terminal; stop signals are handed on to it.

    A command that a signal ended gives 128 plus the signal's number, as in a shell. After a failure none of the job's
    processes is left: what they would still do nobody would wait for.
    """
    prctl, ours = ctypes.CDLL(None, use_errno=True).prctl, os.getpid()

    def die_with_parent() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != ours:  # gone before the kernel knew
            os.kill(os.getpid(), signal.SIGTERM)

    # Its own session, so that a Ctrl-C reaches it once: from us.
    child = subprocess.Popen(
        words,
        env=variables,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=die_with_parent,
    )

    def hand_on(number: int, _frame: FrameType | None) -> None:
        child.send_signal(number)

    stops = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, hand_on) for number in stops}
    try:
        status = child.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if status and processes.VARIABLE in variables:
        processes.end_rest(variables[processes.VARIABLE], PATIENCE_S, LIMIT_S)
    return status if status >= 0 else 128 - status
