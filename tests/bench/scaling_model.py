"""What an iteration costs: processor seconds of each phase as a unit cost times counted work, and what follows from it.

What an image needs (poses looked at, points sampled) is counted by the program; what a volume needs follows from the
box.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from math import log2
from typing import Any

Iteration = dict[str, Any]
PADDING = 2
SUM_BYTES = 12
"""A complex value and a weight of the sums of a half, in single precision."""


@dataclass(frozen=True)
class Phase:
    """A phase, what its work is counted in, and how much of that an iteration had."""

    name: str
    unit: str
    amount: Callable[[Iteration], float]


def counted(*names: str) -> Callable[[Iteration], float]:
    """The sum of counters of an iteration."""
    return lambda one: sum(one["work"].get(name, 0.0) for name in names)


def image_transforms(one: Iteration) -> float:
    """Values of all images times the depth of their transform."""
    return float(one["particles"] * one["box"] ** 2 * log2(one["box"]))


def volume_transforms(one: Iteration) -> float:
    """Values of a padded volume, as large as the iteration's data need it, times the depth of its transform."""
    side = PADDING * one["size"]
    return float(side**3 * log2(side))


def map_transforms(one: Iteration) -> float:
    """Values of a map of the whole box times the depth of its transform."""
    return float(one["box"] ** 3 * log2(one["box"]))


def images(one: Iteration) -> float:
    """Images."""
    return float(one["particles"])


PHASES = (
    Phase("pass 1", "product", counted("pass 1 products")),
    Phase("pass 1, local", "sample", counted("pass 1, local samples")),
    Phase("pass 2", "sample", counted("pass 2 samples")),
    Phase("insertion", "sample", counted("inserted samples")),
    Phase("preparation", "value and level", image_transforms),
    Phase("other parts of the expectation", "image", images),
    Phase("reconstruction", "value and level", volume_transforms),
    Phase("projector", "value and level", volume_transforms),
    Phase("comparison of the halves", "value and level", map_transforms),
)


def unit_costs(iterations: Iterable[Iteration]) -> dict[str, float]:
    """Processor nanoseconds per unit of each phase: those of all these iterations over all their work."""
    kept = list(iterations)
    found: dict[str, float] = {}
    for phase in PHASES:
        amount = sum(phase.amount(one) for one in kept)
        if amount > 0:
            found[phase.name] = (
                1e9 * sum(one["cpu_s"].get(phase.name, 0.0) for one in kept) / amount
            )
    return found


def predicted_s(one: Iteration, costs: dict[str, float]) -> dict[str, float]:
    """Processor seconds of the phases of an iteration."""
    return {phase.name: 1e-9 * costs.get(phase.name, 0.0) * phase.amount(one) for phase in PHASES}


@dataclass(frozen=True)
class Cluster:
    """Equal machines: cores as fast as the measured one, what their network and the store of the images carry."""

    nodes: int
    cores: int = 64
    network_GBs: float = 10.0
    storage_GBs: float = 4.0

    @property
    def workers(self) -> int:
        """Two processes on each machine, one for each half, with half of its cores each."""
        return 2 * self.nodes


def grown(one: Iteration, particles: int, box: int) -> Iteration:
    """An iteration of more and larger images that need as many poses each.

    A global search goes as far as the resolution found so far, whatever the box; later ones use all of the images.
    """
    is_late = one["is_local"] or one["is_last"]
    area = (box / one["box"]) ** 2 if is_late else 1.0
    scale = particles / one["particles"]
    work = {
        name: number * scale * (1.0 if name.endswith("poses") else area)
        for name, number in one["work"].items()
    }
    size = one["size"] * area**0.5
    return {**one, "particles": particles, "box": box, "size": size, "work": work}


PER_VOLUME = ("reconstruction", "projector", "comparison of the halves")
VOLUME_CORES = 8
"""How many cores a transform of a volume keeps busy."""


def wall_s(one: Iteration, costs: dict[str, float], cluster: Cluster) -> dict[str, float]:
    """Wall seconds of an iteration on a cluster, by what takes them.

    Images are shared out evenly over all cores and read once from the common store; sums go from all workers of a half
    to its first, one after the other; volumes are worked on by one process for each half.
    """
    seconds = predicted_s(one, costs)
    all_cores = cluster.nodes * cluster.cores
    per_image = sum(value for name, value in seconds.items() if name not in PER_VOLUME)
    # Both halves' volumes are among the seconds, and worked on at the same time.
    per_volume = (
        sum(seconds[name] for name in PER_VOLUME) / 2 / min(VOLUME_CORES, cluster.cores / 2)
    )
    bytes_of_images = 4.0 * one["particles"] * one["box"] ** 2
    bytes_of_sums = SUM_BYTES * (PADDING * one["size"]) ** 3 / 2
    return {
        "images": per_image / all_cores,
        "reading": bytes_of_images / cluster.storage_GBs / 1e9,
        "sums": (cluster.workers / 2 - 1) * bytes_of_sums / cluster.network_GBs / 1e9,
        "volumes": per_volume,
    }


def sharded(cluster: Cluster) -> Cluster:
    """The same machines where each has its own copy of its images (the scratch disk), read at its own speed."""
    return replace(cluster, storage_GBs=cluster.storage_GBs * cluster.nodes)
