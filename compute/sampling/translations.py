"""Grids of translations: a square lattice inside a disc, with four finer points around each."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32

EDGE_A2 = 1e-3
"""Slack on the squared radius, so that points exactly on the edge are kept."""


@dataclass(frozen=True, slots=True)
class TranslationGrid:
    """Translations (x, y) in Å; rows 4t to 4t + 3 of fine are the children of coarse row t."""

    range_A: float
    step_A: float
    coarse: Float32[np.ndarray, "translation 2"]
    fine: Float32[np.ndarray, "fine_translation 2"]


def translation_grid(
    range_A: float, step_A: float, perturbation_A: Float[np.ndarray, "2"]
) -> TranslationGrid:
    """Return the lattice of a step inside a range (both in Å), moved by the perturbation.

    Points (i step, j step) are kept while their squared length is below range^2 + 0.001; their
    children lie a quarter of a step away along each axis. Raises ValueError for a step that is not
    positive or a negative range.
    """
    if not (step_A > 0.0 and math.isfinite(step_A)):
        raise ValueError(f"translation step is {step_A} Å but must be greater than 0")
    if not (range_A >= 0.0 and math.isfinite(range_A)):
        raise ValueError(f"translation range is {range_A} Å but must be 0 or more")
    reach = math.ceil(range_A / step_A)
    line = np.arange(-reach, reach + 1) * step_A
    lattice = np.stack(np.meshgrid(line, line, indexing="ij"), axis=-1).reshape(-1, 2)
    lattice = lattice[(lattice**2).sum(axis=1) < range_A**2 + EDGE_A2]
    quarter = np.array([-0.25, 0.25]) * step_A
    offsets = np.stack(np.meshgrid(quarter, quarter, indexing="ij"), axis=-1).reshape(-1, 2)
    coarse = lattice + perturbation_A
    fine = (coarse[:, None] + offsets).reshape(-1, 2)
    return TranslationGrid(range_A, step_A, coarse.astype(np.float32), fine.astype(np.float32))
