"""What the leader and the workers of a refinement tell each other about a half-set."""

import dataclasses
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from compute.expectation.fine import Found
from compute.expectation.search import Search
from compute.sampling.orientations import LocalGrid


@dataclass(frozen=True, slots=True)
class SearchOrder:
    """The search of one iteration as the leader orders it; the worker builds the grids from it."""

    iteration: int
    order: int
    is_local: bool
    local_sigma_deg: float
    cone_steps: float
    rotation_offset: np.ndarray
    range_A: float
    step_A: float
    shift_offset_A: np.ndarray
    size: int
    coarse_size: int
    accumulation_size: int
    oversample: bool
    is_correlation: bool


@dataclass(slots=True)
class Parameters:
    """What the leader keeps up to date for a half: one entry per image of the half, group or optics group.

    rotation: map to image; origin_A: the shift that centres the particle; noise_power: σ² [optics group, shell].
    """

    rotation: np.ndarray
    origin_A: np.ndarray
    norm: np.ndarray
    mean_norm: float
    scale: np.ndarray
    noise_power: np.ndarray
    offset_sigma_A: float
    direction_weights: np.ndarray | None = None


PER_IMAGE = (
    "rotation",
    "origin_A",
    "maximum_probability",
    "significant_samples",
    "log_evidence",
    "weight",
    "residual_power",
    "cross",
    "model_power",
    "offset_square_A2",
)
"""What the expectation step finds for every image."""

PER_IMAGE_FOUND = ("rotation", "offset_A", *PER_IMAGE[2:])
"""The same, as a search of many images at once calls it."""


@dataclass(slots=True)
class ShardResults:
    """What the expectation step found for some images of a half, and their sums.

    rows: positions of the images in the half. An image without any finite score keeps its pose and has weight 0.
    noise_residual: [optics group, shell]; direction_sums: posterior weight per direction of a shared grid. notes:
    sentences that the user should read. lost: why images have no finite score, by their positions in the half.
    """

    rows: np.ndarray
    rotation: np.ndarray
    origin_A: np.ndarray
    maximum_probability: np.ndarray
    significant_samples: np.ndarray
    log_evidence: np.ndarray
    weight: np.ndarray
    residual_power: np.ndarray
    cross: np.ndarray
    model_power: np.ndarray
    offset_square_A2: np.ndarray
    noise_residual: np.ndarray
    direction_sums: np.ndarray
    orientations: int
    translations: int
    seconds: dict[str, float]
    notes: list[str]
    lost: dict[int, str] = field(default_factory=dict)


def unchanged(
    own: np.ndarray, parameters: Parameters, search: Search, optics_groups: int, shells: int
) -> ShardResults:
    """Records for images that have not been searched yet: their present poses, weight 0, empty sums."""
    grid = search.orientations
    directions = 0 if isinstance(grid, LocalGrid) else grid.directions
    zeros = np.zeros(len(own))
    return ShardResults(
        rows=own,
        rotation=parameters.rotation[own].copy(),
        origin_A=parameters.origin_A[own].copy(),
        maximum_probability=zeros.copy(),
        significant_samples=np.zeros(len(own), dtype=np.int64),
        log_evidence=zeros.copy(),
        weight=zeros.copy(),
        residual_power=zeros.copy(),
        cross=zeros.copy(),
        model_power=zeros.copy(),
        offset_square_A2=zeros.copy(),
        noise_residual=np.zeros((optics_groups, shells)),
        direction_sums=np.zeros(directions),
        orientations=len(grid.coarse),
        translations=len(search.translations.coarse),
        seconds={},
        notes=[],
    )


def only(results: ShardResults, rows: np.ndarray) -> ShardResults:
    """The records of some images, given by their positions in the half, in any order; sums stay as they are."""
    rows = np.sort(rows)
    place = np.searchsorted(results.rows, rows)
    columns = {name: getattr(results, name)[place] for name in PER_IMAGE}
    return dataclasses.replace(results, rows=rows, **columns)


def enter(
    results: ShardResults,
    found: Found,
    optics: int,
    positions: np.ndarray,
    scales: np.ndarray,
    constants: np.ndarray,
    search: Search,
) -> None:
    """Enter what was found for some images; positions in the half, scales and constants are one per image.

    scales: those of their groups, divided out of the sums that will update them. constants: the part of the
    log-likelihood that all poses of an image share.
    """
    is_found = found.is_found.cpu().numpy()
    rows = np.searchsorted(results.rows, positions)[is_found]
    numbers = {name: getattr(found, name).cpu().numpy()[is_found] for name in PER_IMAGE_FOUND}
    results.rotation[rows] = numbers.pop("rotation")
    results.origin_A[rows] = numbers.pop("offset_A")
    if not search.is_correlation:
        numbers["log_evidence"] = numbers["log_evidence"] - constants[is_found]
    numbers["cross"] = numbers["cross"] / scales[is_found]
    numbers["model_power"] = numbers["model_power"] / scales[is_found] ** 2
    for name, values in numbers.items():
        getattr(results, name)[rows] = values
    results.noise_residual[optics] += found.noise_residual.cpu().numpy()


def enter_directions(
    results: ShardResults,
    rows: Int[Tensor, " orientation"],
    shares: Float[Tensor, " orientation"],
    search: Search,
) -> None:
    """Add posterior weights of orientations of the fine grid that all images share to their directions' sums."""
    grid = search.orientations
    if not isinstance(grid, LocalGrid):
        coarse = rows.cpu().numpy() // search.orientation_children
        np.add.at(results.direction_sums, grid.direction[coarse], shares.double().cpu().numpy())
