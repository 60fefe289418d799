"""Small refinements for tests: in this process or under MPI, in a folder of their own, and what they leave there."""

import contextlib
import os
import re
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch

from compute.files import events
from compute.files.mrc import read_map
from compute.files.progress import read_progress
from compute.files.relion import IterationFiles
from compute.files.star import read_star
from compute.jobs import refine
from compute.jobs.half import make_half
from compute.jobs.refine_progress import Exchange, Progress
from compute.jobs.simulate import SimulatedSet
from compute.parallel import HalfTeam, Message, Seat, SoloTeam, Worker
from compute.params.refine import RefineParams
from compute.sampling.rotations import angle_between, euler_to_matrix
from compute.sampling.symmetry import parse_symmetry
from compute.signal.fsc import fsc
from tests.data import particle_set
from webapp.launch import local

# What says when and by which command it was written, and so never repeats.
DATED = re.compile(r"run\.out|run\.err|progress\.jsonl|job(_\d+)?\.json")
ITERATIONS = 5
"""Of a short refinement, the final one included."""
LABELS = ("AngleRot", "AngleTilt", "AnglePsi")


@dataclass(frozen=True, slots=True)
class Run:
    """A refinement that has ended: its folder, its last state, and what the halves were told."""

    folder: Path
    params: RefineParams
    progress: Progress
    messages: list[Message]

    @property
    def files(self) -> IterationFiles:
        """The names of its files."""
        return IterationFiles(self.folder / "out" / "run")


def make_set(folder: Path, **options: Any) -> SimulatedSet:
    """A phantom set in a new folder, whose files name each other without that folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.chdir(folder):
        return particle_set(".", **options)


def copy_inputs(source: Path, target: Path) -> Path:
    """A new folder with the particle set of another, without its results."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("out"))
    return target


def options_of(made: SimulatedSet, **options: Any) -> dict[str, Any]:
    """Parameters of a refinement of a set from `make_set`, run in its folder; any can be given."""
    return {
        "particles": "set.star",
        "reference": "set_reference.mrc",
        "output": "out/run",
        "particle_diameter_A": round(made.particle_diameter_A, 1),
        "initial_lowpass_A": 50.0,
        "ignore_angles": True,
        "resolution_angles": True,
        "random_seed": 1,
        "threads": 1,
    } | options


def short_options(made: SimulatedSet) -> dict[str, Any]:
    """A refinement of a small set that soon searches locally and is cut off."""
    return options_of(
        made,
        symmetry="D2",
        maximum_iterations=ITERATIONS,
        local_search_order=2,
        healpix_order=1,
        initial_lowpass_A=25.0,
    )


def refine_here(
    folder: Path,
    options: dict[str, Any],
    threads: int = 1,
    exchange: Exchange | None = None,
    device: str = "cpu",
) -> Run:
    """A refinement by this process in a folder, both halves after one another unless there are more threads."""

    def make(seat: Seat, half: HalfTeam) -> Worker:
        return make_half(seat, half, device, max(1, threads // 2))

    team = SoloTeam(make, threads, device)
    params = RefineParams(**options)
    with contextlib.chdir(folder):
        progress = refine.run(params, team, exchange)
    team.close()
    return Run(folder, params, progress, team.messages)


def start_ranks(folder: Path, options: dict[str, Any], ranks: int) -> tuple[subprocess.Popen, str]:
    """A refinement started by mpiexec in a folder, and the job's id in its processes' environment."""
    job_id = f"test-{uuid.uuid4()}"
    local.write_job(folder, "refine", options | {"mpi": ranks}, job_id)
    process = subprocess.Popen(
        local.command(Path("job.json"), ranks),
        cwd=folder,
        env=local.environment(dict(os.environ), job_id, 1),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    return process, job_id


def refine_ranks(folder: Path, options: dict[str, Any], ranks: int) -> None:
    """A refinement by several processes, which must end well."""
    process, _ = start_ranks(folder, options, ranks)
    assert process.wait(timeout=300) == 0


def processes_of(job_id: str) -> list[int]:
    """The processes that carry this id in their environment and still run."""
    wanted = f"HALFMAP_JOB_ID={job_id}".encode()
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            is_dead = path.joinpath("stat").read_text().rpartition(")")[2].split()[0] == "Z"
            if not is_dead and wanted in path.joinpath("environ").read_bytes().split(b"\0"):
                found.append(int(path.name))
    return found


def result_files(folder: Path) -> dict[str, Path]:
    """The files of a job folder that hold results, by name."""
    paths = sorted(path for path in folder.iterdir() if path.is_file())
    return {
        path.name: path
        for path in paths
        if not DATED.fullmatch(path.name) and not path.name.endswith("_timing.jsonl")
    }


def content(path: Path) -> bytes:
    """What a result file holds: a map's voxels, a table without its comments, else its bytes."""
    if path.suffix == ".mrc":
        return read_map(path).volume.tobytes()
    if path.suffix == ".star":
        lines = path.read_bytes().splitlines()
        return b"\n".join(line for line in lines if not line.startswith(b"#"))
    return path.read_bytes()


def differing(first: Path, second: Path) -> list[str]:
    """The result files of two job folders that one of them lacks or that hold something else, bit for bit."""
    one, other = result_files(first), result_files(second)
    both = [name for name in one if name in other]
    assert both, f"{first} and {second} share no file"
    odd = set(one) ^ set(other) | {n for n in both if content(one[n]) != content(other[n])}
    return sorted(odd)


def curve(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """FSC per shell of two maps."""
    transforms = (torch.fft.rfftn(torch.from_numpy(one.copy())) for one in (first, second))
    return fsc(*(one.to(torch.complex64) for one in transforms), len(first) // 2 + 1).numpy()


def shells_above(values: np.ndarray, threshold: float = 0.5) -> int:
    """The last shell before the curve first falls below a threshold."""
    below = np.flatnonzero(values[1:] < threshold)
    return int(below[0]) if len(below) else len(values) - 1


def particle_columns(path: Path) -> dict[str, np.ndarray]:
    """The columns of the particle table of a STAR file."""
    columns = read_star(path)["particles"].columns
    return {label.removeprefix("rln"): values for label, values in columns.items()}


def pose_errors(found: Path, truth: Path, symmetry: str = "D2") -> tuple[np.ndarray, np.ndarray]:
    """Differences of orientations in degrees and of offsets in Å, particle by particle, up to the point group."""
    one, other = particle_columns(found), particle_columns(truth)
    angles = [euler_to_matrix(np.stack([t[n] for n in LABELS], 1)) for t in (one, other)]
    turned = angle_between(angles[0], angles[1], parse_symmetry(symmetry).operators)
    names = ("OriginXAngst", "OriginYAngst")
    moved = np.hypot(*(one[name] - other[name] for name in names))
    return turned, moved


def check_close(first: Path, second: Path, map_part: float = 2e-2, angle_deg: float = 0.4) -> None:
    """Equal halves, and maps and poses within some four times what rounding was measured to do."""
    files = [IterationFiles(folder / "out" / "run") for folder in (first, second)]
    halves = [particle_columns(one.data(None))["RandomSubset"] for one in files]
    assert np.array_equal(*halves)
    maps = [read_map(one.joined_map()).volume for one in files]
    assert np.abs(maps[0] - maps[1]).max() < map_part * maps[0].std()
    turned, moved = pose_errors(*(one.data(None) for one in files))
    assert turned.max() < angle_deg
    assert moved.max() < 0.04


def wait_until(is_reached: Callable[[], bool], process: subprocess.Popen, limit_s: float) -> bool:
    """Whether a condition came true in time; looks twenty times a second."""
    end_s = time.monotonic() + limit_s
    while not is_reached():
        if time.monotonic() > end_s:
            return False
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.05)
            return is_reached()
    return True


def iterations_in(folder: Path) -> list[int]:
    """The iterations that a running job has finished."""
    path = folder / "out" / "progress.jsonl"
    told = read_progress(path) if path.exists() else []
    return [one.iteration for one in told if isinstance(one, events.Iteration)]


def wait_until_gone(job_id: str) -> bool:
    """Whether no process of the job is left within five seconds."""
    left = [psutil.Process(pid) for pid in processes_of(job_id) if psutil.pid_exists(pid)]
    psutil.wait_procs(left, timeout=5.0)
    return not processes_of(job_id)
