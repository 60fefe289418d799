"""The second pass: the children of an image's significant poses, and what images add to all sums."""

from dataclasses import dataclass

from jaxtyping import Bool, Float, Int
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
class Found:
    """What a search found for some images of a block; `images` is their place in it.

    Numbers are one per image; one without a finite score stays where it is and weighs nothing. residual_power: Σ of
    |image - model|², weighted; noise_residual: of all images per shell. cross, model_power: fit of the group's scale.
    """

    images: slice
    is_found: Bool[Tensor, " image"]
    rotation: Float[Tensor, "image 3 3"]
    offset_A: Float[Tensor, "image 2"]
    maximum_probability: Float[Tensor, " image"]
    significant_samples: Int[Tensor, " image"]
    log_evidence: Float[Tensor, " image"]
    weight: Float[Tensor, " image"]
    residual_power: Float[Tensor, " image"]
    cross: Float[Tensor, " image"]
    model_power: Float[Tensor, " image"]
    offset_square_A2: Float[Tensor, " image"]
    noise_residual: Float[Tensor, " shell"]


@dataclass(frozen=True, slots=True)
class HostResult(Found):
    """The same on the CPU, with the orientations that have weight, one image after another.

    rows: of the fine grid; share: posterior weight of an orientation.
    """

    rows: Int[Tensor, " orientation"]
    share: Float[Tensor, " orientation"]


@dataclass(frozen=True, slots=True)
class HeldResult(HostResult):
    """The same, with what is to be inserted at `rotations`.

    image: whose orientation it is, as a place among these images; insertion_weight: of each image, times which the
    share is the weight of `values`.
    """

    image: Int[Tensor, " orientation"]
    rotations: Float[Tensor, "orientation 3 3"]
    values: Float[Tensor, "orientation 2 pixel"]
    insertion_weight: Float[Tensor, "image pixel"]
