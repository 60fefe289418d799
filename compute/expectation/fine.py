"""The second pass over one image: the children of its significant poses, and what it adds to all sums."""

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

# Slices of one image's candidates are kept if they fit into this many bytes, else made anew a few at a time.
CANDIDATE_BYTES = 16_000_000
# The recorded pose is the mean over orientations within this many coarse steps of the best one.
MEAN_REACH_STEPS = 2.0


@dataclass(frozen=True, slots=True)
class Candidates:
    """The poses of an image that the second pass looks at: rotations times shifts, less those with log prior -inf."""

    rows: Int[Tensor, " orientation"]
    rotations: Float[Tensor, "orientation 3 3"]
    columns: Int[Tensor, " translation"]
    log_prior: Float[Tensor, "orientation translation"]


@dataclass(frozen=True, slots=True)
class ImageResult:
    """What one image contributes.

    residual_power: Σ of |image - model|² per shell, weighted, over all shells. cross, model_power: fit of the
    group's scale. values, weights: what to insert at `rotations`, or at `rows` of the shared fine grid.
    direction_weight: posterior weight per significant coarse orientation.
    """

    rotation: Float[Tensor, "3 3"]
    offset_A: Float[Tensor, " 2"]
    maximum_probability: float
    significant_samples: int
    log_evidence: float
    weight: float
    residual_power: Float[Tensor, " shell"]
    cross: float
    model_power: float
    offset_square_A2: float
    rows: Int[Tensor, " orientation"]
    rotations: Float[Tensor, "orientation 3 3"]
    values: Float[Tensor, "orientation 2 pixel"]
    orientation_weight: Float[Tensor, " orientation"]
    insertion_weight: Float[Tensor, " pixel"]
