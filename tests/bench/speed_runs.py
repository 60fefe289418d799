"""Runs of the speed benchmark: ours and the peer's, on the same files and cores."""

import os
import resource
import shlex
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from compute import compiled
from compute.files.events import End, Iteration
from compute.files.labels import star_label
from compute.files.mrc import read_map
from compute.files.progress import read_progress
from compute.files.stacks import StackReader, StackWriter
from compute.files.star import read_star, write_star
from compute.files.timing import read_timing
from tests.bench.cases import Case
from tests.bench.floor import COUNTED, floor_of
from tests.bench.machine import Peak
from tests.bench.quality import judge

RANKS = 3
PEER = "relion_refine_mpi"


def our_command(case: Case, root: Path) -> list[str]:
    """The refinement with the options of both programs."""
    words = [sys.executable, "-m", "webapp.cli", "refine"]
    words += ["--i", str(case.particles), "--ref", str(case.reference), "--o", str(root)]
    words += ["--sym", case.symmetry, "--particle_diameter", str(case.diameter_A)]
    words += ["--ini_high", "50", "--firstiter_cc", "--auto_ignore_angles", "--auto_resol_angles"]
    words += ["--mpi", str(RANKS), "--random_seed", "1"]
    return words + (["--gpu", ""] if case.is_gpu else [])


def peer_command(case: Case, root: Path, reference: Path, threads: int) -> list[str]:
    """The same for the peer, whose leader yields its core when idle."""
    words = [
        "mpirun",
        "--allow-run-as-root",
        "--oversubscribe",
        "--mca",
        "mpi_yield_when_idle",
        "1",
    ]
    words += ["-n", str(RANKS), PEER, "--i", str(case.particles), "--ref", str(reference)]
    words += ["--o", str(root), "--auto_refine", "--split_random_halves", "--firstiter_cc"]
    words += ["--ini_high", "50", "--dont_combine_weights_via_disc", "--pool", "30", "--pad", "2"]
    words += ["--skip_gridding", "--ctf", "--ctf_corrected_ref", "--flatten_solvent", "--zero_mask"]
    words += ["--particle_diameter", str(case.diameter_A), "--sym", case.symmetry]
    words += ["--oversampling", "1", "--healpix_order", "2", "--auto_local_healpix_order", "4"]
    words += ["--offset_range", "5", "--offset_step", "2", "--low_resol_join_halves", "40"]
    words += ["--norm", "--scale", "--auto_ignore_angles", "--auto_resol_angles"]
    return [*words, "--j", str(threads), "--random_seed", "42"]


def told(command: list[str]) -> str:
    """A command as it is recorded: files by their names, wherever they lay."""
    return shlex.join([Path(word).name if word.startswith("/") else word for word in command])


def timed(command: list[str], folder: Path, log: Path) -> tuple[float, float]:
    """Wall and processor seconds of a command and its processes; CalledProcessError where it fails."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    with log.open("w") as out:
        subprocess.run(command, check=True, cwd=folder, stdout=out, stderr=out, env=environment)
    wall_s, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall_s, used


def timed_compiled(command: list[str], output: Path, log: Path) -> tuple[float, float]:
    """Seconds of a run into an empty folder that found its functions compiled, as all but the first after an update."""
    while True:
        before = set(compiled.folder().rglob("*.nbc"))
        shutil.rmtree(output, ignore_errors=True)
        output.mkdir(parents=True)
        seconds = timed(command, log.parent, log)
        if set(compiled.folder().rglob("*.nbc")) == before:
            return seconds


def run_ours(case: Case, folder: Path, peak: Peak) -> dict[str, Any]:
    """Our figures, start-up included: in all, per phase, and against the floor."""
    root = folder / "ours" / "run"
    command = our_command(case, root)
    wall_s, cpu_s = timed_compiled(command, root.parent, folder / "ours.log")
    events = read_progress(root.parent / "progress.jsonl")
    iterations = [one for one in events if isinstance(one, Iteration)]
    end = next(one for one in events if isinstance(one, End))
    peaks = zip(*(one.peak_memory_GB for one in iterations if one.peak_memory_GB), strict=True)
    return {
        "command": told(command),
        "wall_s": round(wall_s, 1),
        "cpu_s": round(cpu_s, 1),
        "iterations": len(iterations),
        "peak_memory_GB": [round(max(one or 0.0 for one in process), 2) for process in peaks],
        "resolution_A": end.resolution_A,
        "against_truth": quality_of(case, root.parent),
        "phases": phases_of(root, peak),
    }


def quality_of(case: Case, output: Path) -> dict[str, float]:
    """How a result agrees with the true map and poses of a simulated set; nothing for a real one."""
    if case.truth is None:
        return {}
    true = {
        "truth": read_map(case.truth.with_suffix(".mrc")),
        "poses": case.truth.with_suffix(".star"),
        "group": case.symmetry,
        "diameter_A": case.diameter_A,
    }
    return {key: round(value, 4) for key, value in judge(true, output).items()}


def phases_of(root: Path, peak: Peak) -> dict[str, dict[str, float]]:
    """Seconds of every phase: wall time of the slowest process, processor time of all; with rates and the floor."""
    walls: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    cpu: dict[str, float] = defaultdict(float)
    work: dict[str, float] = defaultdict(float)
    for processes in read_timing(root).values():
        for one in processes:
            who = f"{one['role']} {one.get('member', '')}"
            for phase, seconds in one["wall_s"].items():
                walls[phase][who] += seconds
                cpu[phase] += one["cpu_s"][phase]
            for name, number in one["work"].items():
                work[name] += number
    found = {}
    for phase in walls:
        found[phase] = {"wall_s": max(walls[phase].values()), "cpu_s": cpu[phase]}
        if phase in COUNTED:
            floor, seconds = floor_of(phase, work, peak), max(cpu[phase], 1e-9)
            found[phase] |= {
                "floor_s": floor.seconds,
                "share_of_floor": floor.seconds / seconds,
                "GFLOPs": floor.flops / seconds / 1e9,
                "GBs": floor.bytes / seconds / 1e9,
                "Mposes_per_s": work.get(f"{phase} poses", 0.0) / seconds / 1e6,
                "Msamples_per_s": _samples(phase, work) / seconds / 1e6,
            }
    return {
        phase: {name: round(value, 4) for name, value in one.items()}
        for phase, one in sorted(found.items(), key=lambda pair: -pair[1]["cpu_s"])
    }


def _samples(phase: str, work: dict[str, float]) -> float:
    return work.get("inserted samples" if phase == "insertion" else f"{phase} samples", 0.0)


def single_precision(particles: Path, folder: Path) -> Path:
    """The particle file with its stacks copied as 32-bit floats: version 3.1 of the peer cannot read 16-bit ones."""
    tables, label = read_star(particles), star_label("image_name")
    column = next(one.columns for one in tables.values() if label in one.columns)
    names = [name.partition("@")[::2] for name in column[label]]
    copies = {
        stack: folder / f"{number:03d}" / Path(stack).name
        for number, stack in enumerate(dict.fromkeys(stack for _, stack in names))
    }
    for stack, copy in copies.items():
        copy.parent.mkdir(exist_ok=True)
        with StackReader(particles.parent / stack) as reader:
            images = reader.read(np.arange(reader.count))
            with StackWriter(copy, reader.box, 1.0) as writer:
                writer.append(images.astype(np.float32))
    column[label] = np.array([f"{n}@{copies[stack]}" for n, stack in names], dtype=object)
    path = folder / "particles.star"
    write_star(path, list(tables.values()))
    return path


def run_peer(case: Case, folder: Path, threads: int) -> dict[str, Any]:
    """The peer's run with so many threads; its reference is the one that ours began with, of the particles' box."""
    reference = folder / "ours" / "run_it000_half1_class001.mrc"
    case = replace(case, particles=single_precision(case.particles, folder))
    root = folder / f"peer{threads}" / "run"
    root.parent.mkdir(parents=True, exist_ok=True)
    command = peer_command(case, root, reference, threads)
    wall_s, cpu_s = timed(command, case.particles.parent, folder / f"peer{threads}.log")
    return {
        "command": told(command),
        "wall_s": round(wall_s, 1),
        "cpu_s": round(cpu_s, 1),
        "iterations": len(list(root.parent.glob("run_it*_half1_model.star"))) - 1,
        "against_truth": quality_of(case, root.parent),
    }
