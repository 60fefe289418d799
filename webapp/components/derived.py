"""What follows from a refinement's form while it is typed: pixels, Nyquist, processes, memory and disk."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from webapp.components.headers import MapHeader, ParticleHeader
from webapp.launch.local import Share

SAME_PIXEL = 1e-3
WORKER_BASE_GB = 0.62
WORKER_BYTES_PER_VOXEL = 9.6
"""A worker's memory is about this base and this per voxel of the padded map: measured 0.65 GB at 64 pixels
and 1.9 GB at 256, padding 2. The job itself makes the exact forecast when it starts."""
BYTES_PER_PARTICLE = 330
CHECKPOINT_MAPS = 4
USUAL_ITERATIONS = 20


@dataclass(frozen=True, slots=True)
class Fact:
    """A sentence below a field; `kind` is empty, "good" or "bad"."""

    text: str
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Machine:
    """What the machine has: cores, memory, GPUs, and free disk space where the project is."""

    cores: int
    memory_GB: float
    gpus: int
    disk_free_GB: float


def number(value: Any) -> float | None:
    """A field's number, or None while it is none."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def refine_facts(
    values: Mapping[str, Any],
    particles: ParticleHeader | None,
    reference: MapHeader | None,
    share: Share | None,
    machine: Machine,
) -> dict[str, Fact]:
    """The sentences for a refinement, by the field below which they stand."""
    facts: dict[str, Fact] = {}
    if particles is not None:
        facts["particles"] = Fact(particles.sentence(), "good")
        facts |= _with_particles(values, particles)
    if reference is not None:
        facts["reference"] = _reference(values, particles, reference)
    if share is not None:
        facts["mpi"] = _processes(share, machine)
        if particles is not None:
            facts["memory_limit_GB"] = _memory(values, particles, share, machine)
            facts["threads"] = _disk(particles, machine)
    return facts


def _with_particles(values: Mapping[str, Any], particles: ParticleHeader) -> dict[str, Fact]:
    pixel, box = particles.pixel_size_A, particles.box_size
    facts = {}
    diameter = number(values.get("particle_diameter_A"))
    if diameter:
        share = diameter / (box * pixel)
        text = f"{diameter / pixel:.0f} of {box} pixels, {share:.0%} of the box"
        too_wide = share > 1.0
        facts["particle_diameter_A"] = Fact(
            f"{text}: wider than the box ({box * pixel:.0f} Å)" if too_wide else text,
            "bad" if too_wide else "",
        )
    lowpass = number(values.get("initial_lowpass_A"))
    if lowpass:
        shell = box * pixel / lowpass
        facts["initial_lowpass_A"] = Fact(
            f"Keeps {shell:.0f} of {box // 2} Fourier shells at first"
        )
    offset_range, step = number(values.get("offset_range_px")), number(values.get("offset_step_px"))
    if offset_range is not None:
        facts["offset_range_px"] = Fact(f"{offset_range * pixel:.1f} Å")
    if step is not None:
        facts["offset_step_px"] = Fact(f"{step * pixel:.1f} Å, halved by oversampling")
    order = number(values.get("healpix_order"))
    if order is not None and order >= 0:
        facts["healpix_order"] = Fact(
            f"{60 / 2**order:.3g}° at first, {30 / 2**order:.3g}° after oversampling"
        )
    local = number(values.get("local_search_order"))
    if local is not None and local >= 0:
        facts["local_search_order"] = Fact(f"From a step of {60 / 2**local:.3g}° on")
    return facts


def is_matching(particles: ParticleHeader, reference: MapHeader, pixel_size_A: float) -> bool:
    """Whether a map has the box and pixel size of the particles."""
    return (
        reference.box_size == particles.box_size
        and abs(pixel_size_A - particles.pixel_size_A) < SAME_PIXEL * particles.pixel_size_A
    )


def _reference(
    values: Mapping[str, Any], particles: ParticleHeader | None, reference: MapHeader
) -> Fact:
    pixel = number(values.get("reference_pixel_size_A")) or reference.pixel_size_A
    if not pixel:
        return Fact("Its header has no pixel size: give it below", "bad")
    text = f"{reference.box_size} px of {pixel:.4g} Å"
    if particles is None:
        return Fact(text)
    if is_matching(particles, reference, pixel):
        return Fact(f"{text}, the same as the particles", "good")
    return Fact(
        f"{text}, differs from the particles: it is brought to {particles.box_size} px of "
        f"{particles.pixel_size_A:.4g} Å at the start"
    )


def _processes(share: Share, machine: Machine) -> Fact:
    if share.ranks == 1:
        return Fact(f"1 process with {share.threads} threads, of {machine.cores} cores")
    workers = share.ranks - 1
    text = (
        f"{share.ranks} processes: 1 leader and {workers // 2} for each half, {share.threads} "
        f"threads each, of {machine.cores} cores"
    )
    is_much = workers * share.threads > machine.cores
    return Fact(f"{text}: more than there are" if is_much else text, "bad" if is_much else "")


def _memory(
    values: Mapping[str, Any], particles: ParticleHeader, share: Share, machine: Machine
) -> Fact:
    padding = number(values.get("padding")) or 2.0
    largest = worker_GB(particles.box_size, padding)
    first = worker_GB(min(particles.box_size, 64), padding)
    workers = max(1, share.ranks - 1)
    total = workers * largest + (0.8 * largest if share.ranks > 1 else 0.8 * largest)
    text = (
        f"About {workers * first + 0.5:.1f} GB in the first iteration, {total:.1f} GB in the last, of "
        f"{machine.memory_GB:.0f} GB"
    )
    is_short = total > machine.memory_GB
    return Fact(f"{text}: take fewer processes" if is_short else text, "bad" if is_short else "")


def worker_GB(box_size: int, padding: float) -> float:
    """About what a worker needs in the last iteration."""
    return WORKER_BASE_GB + WORKER_BYTES_PER_VOXEL * (padding * box_size) ** 3 / 1e9


def disk_GB(particles: int, box_size: int) -> float:
    """About what a refinement of the usual length writes."""
    maps = box_size**3 * 4
    one = 2 * maps + CHECKPOINT_MAPS * maps + particles * BYTES_PER_PARTICLE
    return USUAL_ITERATIONS * one / 1e9


def _disk(particles: ParticleHeader, machine: Machine) -> Fact:
    needed = disk_GB(particles.particles, particles.box_size)
    text = f"Writes about {needed:.1f} GB; {machine.disk_free_GB:.0f} GB are free"
    return Fact(text, "bad" if needed > machine.disk_free_GB else "")
