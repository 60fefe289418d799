"""Particles that had no orientation with a finite score: how many for which reason, and a list that names each."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from compute.files.labels import REASON, star_label
from compute.files.particle_set import ParticleSet
from compute.files.star import write_star
from compute.files.table import Table

REASONS_SAID = 4
"""So many reasons are said, those of the most particles; the file names all."""


def lost_sentence(reasons: Sequence[str]) -> str:
    """How many particles have which reason, the most frequent ones first."""
    counts = Counter(reasons).most_common()
    said = [f"{count} because {reason}" for reason, count in counts[:REASONS_SAID]]
    others = sum(count for _, count in counts[REASONS_SAID:])
    return "; ".join([*said, *([f"{others} for other reasons"] if others else [])])


def write_lost(path: Path, particles: ParticleSet, rows: np.ndarray, reasons: list[str]) -> None:
    """Write a list of particles, given by their rows of the set, each with its reason."""
    label = star_label("image_name")
    columns = {
        label: particles.table.columns[label][rows],
        REASON: np.array(reasons, dtype=object),
    }
    write_star(path, [Table("unscored", columns)])
