"""What follows from a refinement's form while it is typed: pixels, Nyquist, sampling, processes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from webapp.components.headers import MapHeader, ParticleHeader
from webapp.launch.local import Share

SAME_PIXEL = 1e-3


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
        return Fact(f"1 process with {_threads(share)}, of {machine.cores} cores")
    workers = share.ranks - 1
    text = (
        f"{share.ranks} processes: 1 leader and {workers // 2} for each half, {_threads(share)} "
        f"each, of {machine.cores} cores"
    )
    is_much = workers * share.threads > machine.cores
    return Fact(f"{text}: more than there are" if is_much else text, "bad" if is_much else "")


def _threads(share: Share) -> str:
    return "1 thread" if share.threads == 1 else f"{share.threads} threads"
