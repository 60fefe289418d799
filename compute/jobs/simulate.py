"""Simulated particle sets: a specimen, its images under the microscope, and the truth about them."""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from compute.files import events
from compute.files.stacks import StackWriter
from compute.files.star import write_star
from compute.files.table import Table
from compute.jobs.microscope import PIXELS_AT_ONCE, Microscope, build_microscope
from compute.jobs.plain import Result
from compute.jobs.simulate_micrographs import make_micrographs
from compute.jobs.simulate_parts import (
    Content,
    beside,
    device_of,
    diameter_of,
    named_table,
    optics_table,
    truth_columns,
    write_maps,
)
from compute.jobs.specimen import read_specimen
from compute.jobs.voice import Voice
from compute.params.simulate import SimulateParams
from compute.signal.simulation import PARTICLE


@dataclass(frozen=True, slots=True)
class SimulatedSet:
    """The files that were written, and what the images measure."""

    stacks: tuple[Path, ...]
    particles: Path
    truth_particles: Path
    truth_map: Path
    reference: Path
    pixel_size_A: float
    particle_diameter_A: float


def run(params: SimulateParams, voice: Voice) -> Result:
    """Make the set, or the micrographs, and say what was made for other jobs."""
    voice.progress.enter("simulating")
    if params.micrograph_size_px:
        return _result(params, make_micrographs(params, voice.log.line).outputs)
    made = make(params, voice.log.line)
    return _result(params, {made.particles: "particles", made.reference: "map"})


def _result(params: SimulateParams, made: Mapping[Path, Content]) -> Result:
    rows = {"map": None, "particles": params.particles}
    outputs = [
        events.Output(
            path=os.path.relpath(path, Path(params.output).parent),
            content=content,
            particles=rows.get(content, params.micrographs),
            box_size=params.box if content in ("map", "particles") else None,
            pixel_size_A=params.pixel_size_A,
        )
        for path, content in made.items()
    ]
    return Result(outputs=outputs)


def make(params: SimulateParams, log: Callable[[str], object] = print) -> SimulatedSet:
    """The files of a simulated particle set, written beside each other under `params.output`.

    The stack or stacks, `.star` (CTF as a fit would give it, no poses), `_truth.star` (poses,
    defocus with jitter, norm and scale, half; class 1 is a particle, 2 noise alone, 3
    contamination), `_truth.mrc` in the scale of the images, and `_reference.mrc`, the truth
    low-passed. Same parameters, same bytes.
    Raises InputError for input that cannot be used.
    """
    device = device_of(params.device)
    specimen = read_specimen(params, device)
    diameter_A = diameter_of(params, specimen)
    log(
        f" {specimen.description}: radius {specimen.radius_A:.1f} Å in a box of {params.box} pixels "
        f"of {params.pixel_size_A:g} Å; particle diameter {diameter_A:.1f} Å"
    )
    microscope, volume = build_microscope(params, specimen, diameter_A)
    root = Path(params.output)
    root.parent.mkdir(parents=True, exist_ok=True)
    truth_map, reference = write_maps(params, volume)
    stacks, names = _write_stacks(microscope, root, log)
    tables = _tables(microscope, names)
    files = (beside(root, ".star"), beside(root, "_truth.star"))
    for path, table in zip(files, tables, strict=True):
        write_star(path, [optics_table(params), table])
    junk = int((microscope.particles.kind != PARTICLE).sum())
    log(f" {params.particles} particles ({junk} of them junk) written to {files[0]}")
    return SimulatedSet(stacks, *files, truth_map, reference, params.pixel_size_A, diameter_A)


def _write_stacks(
    microscope: Microscope, root: Path, log: Callable[[str], object]
) -> tuple[tuple[Path, ...], list[str]]:
    """The stacks, and every image's name (number from 1 and stack)."""
    params = microscope.params
    image_bytes = params.box**2 * (2 if params.float16 else 4)
    most = max(1, int(params.stack_limit_GB * 1e9) // image_bytes)
    stacks, names = [], []
    for number, first in enumerate(range(0, params.particles, most), start=1):
        last = min(first + most, params.particles)
        only_one = params.particles <= most
        path = beside(root, ".mrcs" if only_one else f"_{number:04d}.mrcs")
        stack = StackWriter(path, params.box, params.pixel_size_A, float16=params.float16)
        with stack as writer:
            for ids in _batches(params):
                kept = (ids >= first) & (ids < last)
                if kept.any():
                    writer.append(microscope.images(ids).cpu().numpy()[kept])
                    log(f" {int(ids[kept][-1]) + 1} of {params.particles} images")
        stacks.append(path)
        names += [f"{n:06d}@{path}" for n in range(1, last - first + 1)]
    return tuple(stacks), names


def _batches(params: SimulateParams) -> Iterator[np.ndarray]:
    """Particle numbers of the images that are made together, whatever stacks they go to.

    Fixed by the box alone, because sums over a batch of another size round differently.
    """
    size = min(256, max(1, PIXELS_AT_ONCE // params.box**2))
    for first in range(0, params.particles, size):
        yield np.arange(first, min(first + size, params.particles))


def _tables(microscope: Microscope, names: list[str]) -> tuple[Table, Table]:
    """The particle table as it would come from extraction, and the same with the truth."""
    particles, count = microscope.particles, len(names)
    defocus = microscope.defocus.copy()
    defocus[:, :2] -= particles.defocus_jitter_A[:, None]
    known = {
        "image_name": np.array(names),
        "micrograph_name": np.array([f"micrograph_{m + 1:05d}.mrc" for m in particles.micrograph]),
        "optics_group": np.ones(count, dtype=np.int64),
        "defocus_u_A": defocus[:, 0],
        "defocus_v_A": defocus[:, 1],
        "defocus_angle_deg": defocus[:, 2],
        "phase_shift_deg": np.zeros(count),
    }
    truth = known | truth_columns(microscope)
    return named_table("particles", known), named_table("particles", truth)
