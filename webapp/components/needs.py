"""What a refinement will take of the machine: memory by process, memory of a GPU, disk."""

import html
from collections.abc import Mapping, Sequence
from typing import Any

from webapp.components.derived import Fact, Machine
from webapp.components.headers import ParticleHeader

BYTES_PER_PARTICLE = 330
CHECKPOINT_MAPS = 4
USUAL_ITERATIONS = 20


def memory_fact(roles: Sequence[Mapping[str, Any]], machine: Machine) -> Fact:
    """The forecast in a sentence: all processes together, and each; `roles` as the preview worker answers."""
    now, last = (sum(one["ranks"] * one[f"{when}_GB"] for one in roles) for when in ("now", "last"))
    parts = []
    for one in roles:
        name = f"each of {one['ranks']} workers" if one["role"] == "worker" else one["role"]
        parts.append(f"{name} {one['now_GB']:.1f}, then {one['last_GB']:.1f}")
    text = (
        f"{now:.1f} GB in the first iteration, at most {last:.1f} GB in the last, of "
        f"{machine.memory_GB:.0f} GB ({'; '.join(parts)})"
    )
    is_short = last > machine.memory_GB
    advice = ": take fewer processes, or a padding of 1"
    return Fact(text + advice if is_short else text, "bad" if is_short else "")


def device_fact(device: Mapping[str, Any]) -> Fact:
    """The forecast for one GPU and the workers that share it."""
    workers = "1 worker" if device["workers"] == 1 else f"{device['workers']} workers"
    return Fact(
        f"{device['now_GB']:.1f} GB in the first iteration, at most {device['last_GB']:.1f} GB in the last, "
        f"for {workers} on each GPU"
    )


def disk_fact(particles: ParticleHeader, machine: Machine) -> Fact:
    """About what the run writes, and what is free."""
    needed = disk_GB(particles.particles, particles.box_size)
    text = f"about {needed:.1f} GB in {USUAL_ITERATIONS} iterations; {machine.disk_free_GB:.0f} GB are free"
    return Fact(text, "bad" if needed > machine.disk_free_GB else "")


def disk_GB(particles: int, box_size: int) -> float:
    """About what a refinement of the usual length writes."""
    maps = box_size**3 * 4
    one = 2 * maps + CHECKPOINT_MAPS * maps + particles * BYTES_PER_PARTICLE
    return USUAL_ITERATIONS * one / 1e9


def needs_html(facts: Mapping[str, Fact]) -> str:
    """The facts by what they are about."""
    rows = "".join(
        f'<dt>{name}</dt><dd class="{fact.kind}">{html.escape(fact.text)}</dd>'
        for name, fact in facts.items()
    )
    return f'<dl class="facts-list needs">{rows}</dl>' if rows else ""
