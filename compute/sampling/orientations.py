"""Grids of orientations: the whole of SO(3) under a point group, and small lattices around a pose.

Every coarse orientation has eight children half as far apart; rows 8q to 8q + 7 of a fine array
belong to coarse row q. A perturbation moves a grid as a whole. Fine directions are the HEALPix
directions of the next order; psi is evenly spaced at each, at half the coarse step.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Float64, Int64

from compute.sampling.healpix import (
    children,
    direction_angles,
    direction_count,
    direction_vectors,
    step_deg,
    unique_directions,
)
from compute.sampling.rotations import euler_to_matrix, rotation_vectors_to_matrices
from compute.sampling.symmetry import SymmetryGroup, mates

EDGE = 1e-6
"""Slack on the squared lattice radius, so that points exactly on the edge are kept."""


@dataclass(frozen=True, slots=True)
class OrientationGrid:
    """One representative of every orientation under a point group, at one HEALPix order.

    coarse holds the rotation matrices, all psi of one direction after another; direction is each
    row's index into the 12 * 4^order directions of the sphere. log_prior is the logarithm of the
    share of the row that counts (1 away from the border of the asymmetric unit) times the direction
    prior relative to a uniform one. With a uniform prior the exponentials sum to 72 * 8^order / |G|
    over the coarse rows and to eight times that over the fine ones. The fine grid is made on demand
    because at order 4 it has 2.4 million rows: fine_rotations and fine_log_priors give it for some
    coarse rows, fine and fine_log_prior for all.
    """

    order: int
    step_deg: float
    coarse: Float32[np.ndarray, "orientation 3 3"]
    direction: Int64[np.ndarray, " orientation"]
    directions: int
    log_prior: Float32[np.ndarray, " orientation"]
    child_directions: Float64[np.ndarray, "unique 4 3 3"]
    child_log_prior: Float32[np.ndarray, "unique 4"]

    @property
    def turns(self) -> int:
        """The number of psi samples of one coarse direction."""
        return 6 * 2**self.order

    @property
    def fine(self) -> Float32[np.ndarray, "fine_orientation 3 3"]:
        """The rotation matrices of all children, computed at every access."""
        return self.fine_rotations(np.arange(len(self.coarse)))

    @property
    def fine_log_prior(self) -> Float32[np.ndarray, " fine_orientation"]:
        """The log priors of all children, computed at every access."""
        return self.fine_log_priors(np.arange(len(self.coarse)))

    def fine_rotations(
        self, rows: Int64[np.ndarray, " row"]
    ) -> Float32[np.ndarray, "fine_orientation 3 3"]:
        """Return the rotation matrices of the eight children of each of some coarse rows."""
        unique, turn = np.divmod(rows, self.turns)
        psi_deg = (turn[:, None] + np.array([-0.25, 0.25])) * self.step_deg
        fine = _turned(self.child_directions[unique][:, :, None], psi_deg[:, None, :])
        return fine.reshape(-1, 3, 3)

    def fine_log_priors(
        self, rows: Int64[np.ndarray, " row"]
    ) -> Float32[np.ndarray, " fine_orientation"]:
        """Return the log priors of the eight children of each of some coarse rows."""
        return np.repeat(self.child_log_prior[rows // self.turns], 2, axis=1).reshape(-1)


@dataclass(frozen=True, slots=True)
class LocalGrid:
    """Small rotations around any current orientation: multiply from the left, A = R A_current.

    The priors are normalised: exponentials sum to 1 over the coarse points, and to 1 over the fine
    ones. lattice: the place of every coarse point on the cubic lattice, in steps.
    """

    step_deg: float
    coarse: Float32[np.ndarray, "orientation 3 3"]
    fine: Float32[np.ndarray, "fine_orientation 3 3"]
    coarse_log_prior: Float32[np.ndarray, " orientation"]
    fine_log_prior: Float32[np.ndarray, " fine_orientation"]
    lattice: Int64[np.ndarray, "orientation 3"]


def global_grid(
    order: int,
    group: SymmetryGroup,
    perturbation: Float[np.ndarray, "3"],
    direction_weights: Float[np.ndarray, " direction"] | None = None,
) -> OrientationGrid:
    """Return the grid of all orientations of an order, unique under a point group.

    The perturbation is a rotation vector in radians: A becomes A R(perturbation). direction_weights
    is the prior density of the 12 * 4^order directions (sum 1, none 0). Raises ValueError when it
    is not.
    """
    unique = unique_directions(order, group.operators)
    move = rotation_vectors_to_matrices(perturbation[None])[0]
    step, turns = step_deg(order), 6 * 2**order
    psi_deg = np.arange(turns) * step
    upright = _direction_matrices(order, unique.pixels)
    coarse = _turned((upright @ move)[:, None], psi_deg)
    density = _relative_density(direction_weights, direction_count(order))[unique.pixels]
    log_prior = np.log(unique.weights * density).astype(np.float32)
    return OrientationGrid(
        order=order,
        step_deg=step,
        coarse=coarse.reshape(-1, 3, 3),
        direction=np.repeat(unique.pixels, turns),
        directions=direction_count(order),
        log_prior=np.repeat(log_prior, turns),
        child_directions=_child_matrices(order, unique.pixels, upright) @ move,
        child_log_prior=np.log(unique.child_weights * density[:, None]).astype(np.float32),
    )


def direction_density(
    posterior_sums: Float64[np.ndarray, " direction"],
    order: int,
    group: SymmetryGroup,
    floor: float = 1.0,
) -> Float64[np.ndarray, " direction"]:
    """Return the direction prior that posterior weight, summed per direction, supports.

    The sums are divided by the share of each direction that counts (so that directions on the
    border of the asymmetric unit are not counted down again), floor particles are spread evenly
    over the sphere so that no direction is ever ruled out, and the result sums to 1.
    """
    unique = unique_directions(order, group.operators)
    density = np.zeros(direction_count(order))
    density[unique.pixels] = posterior_sums[unique.pixels] / unique.weights
    density += floor / len(density)
    return density / density.sum()


def local_grid(
    step_deg: float, sigma_deg: float, radius_steps: float, perturbation: Float[np.ndarray, "3"]
) -> LocalGrid:
    """Return the orientations near a current one: a cubic lattice of rotation vectors.

    The spacing is step_deg, the radius radius_steps of them; the perturbation (rotation vector,
    radians) displaces the lattice as a whole. Children lie a quarter of a step away along each
    axis. The prior of a point is exp(-theta^2 / (2 sigma^2)) at its own angle theta. Raises
    ValueError for a step or sigma that is not positive, or a ball wider than half a turn.
    """
    if not (step_deg > 0.0 and sigma_deg > 0.0):
        raise ValueError(
            f"local search has step {step_deg} and sigma {sigma_deg} degrees; both must be above 0"
        )
    if not 0.0 <= radius_steps * step_deg < 180.0:
        raise ValueError(
            f"local search reaches {radius_steps * step_deg} degrees but must stay below 180"
        )
    reach = math.ceil(radius_steps)
    lattice = _cube(np.arange(-reach, reach + 1).astype(np.float64))
    lattice = lattice[(lattice**2).sum(axis=1) < radius_steps**2 + EDGE]
    step = math.radians(step_deg)
    coarse = lattice * step + perturbation
    fine = (coarse[:, None] + _cube(np.array([-0.25, 0.25])) * step).reshape(-1, 3)
    return LocalGrid(
        step_deg=step_deg,
        coarse=rotation_vectors_to_matrices(coarse).astype(np.float32),
        fine=rotation_vectors_to_matrices(fine).astype(np.float32),
        coarse_log_prior=_gaussian_log_prior(coarse, math.radians(sigma_deg)),
        fine_log_prior=_gaussian_log_prior(fine, math.radians(sigma_deg)),
        lattice=lattice.astype(np.int64),
    )


def lattice_neighbours(
    lattice: Int64[np.ndarray, "point 3"],
) -> Int64[np.ndarray, "point 6"]:
    """Return the rows of the lattice points one step away along each axis, -1 where there is none."""
    row_of = {tuple(point): row for row, point in enumerate(lattice.tolist())}
    steps = np.concatenate([np.eye(3, dtype=np.int64), -np.eye(3, dtype=np.int64)])
    around = (lattice[:, None] + steps).tolist()
    return np.array([[row_of.get(tuple(one), -1) for one in near] for near in around])


def relaxed_local_grid(
    local: LocalGrid,
    operators: Float[np.ndarray, "operator 3 3"],
    current: Float[np.ndarray, "3 3"],
) -> LocalGrid:
    """Return a local grid that also searches around the mates of one particle's orientation.

    The points R A R_j for every operator R_j are written as rotations of the current orientation A
    itself, one mate after another; the prior is shared equally among the mates.
    """
    around = mates(current[None], operators)[0] @ current.T.astype(np.float64)
    count = len(operators)

    def spread(points: Float32[np.ndarray, "point 3 3"]) -> Float32[np.ndarray, "spread 3 3"]:
        return (points[None] @ around[:, None]).reshape(-1, 3, 3).astype(np.float32)

    def shared(log_prior: Float32[np.ndarray, " point"]) -> Float32[np.ndarray, " spread"]:
        return np.tile(log_prior - np.float32(math.log(count)), count)

    return LocalGrid(
        step_deg=local.step_deg,
        coarse=spread(local.coarse),
        fine=spread(local.fine),
        coarse_log_prior=shared(local.coarse_log_prior),
        fine_log_prior=shared(local.fine_log_prior),
        lattice=np.tile(local.lattice, (count, 1)),
    )


def _direction_matrices(
    order: int, pixels: Int64[np.ndarray, " unique"]
) -> Float64[np.ndarray, "unique 3 3"]:
    """Return the rotation matrices of directions at psi = 0."""
    angles = direction_angles(order, pixels)
    return euler_to_matrix(np.concatenate([angles, np.zeros((len(pixels), 1))], axis=1))


def _child_matrices(
    order: int, pixels: Int64[np.ndarray, " unique"], parents: Float64[np.ndarray, "unique 3 3"]
) -> Float64[np.ndarray, "unique 4 3 3"]:
    """Return the matrices of the child directions, tilted from their parents without a twist.

    Equal psi would not do: next to the poles rot differs by tens of degrees between neighbours, so
    that children at their parent's psi would lie far away from it.
    """
    vectors = direction_vectors(order + 1)[children(pixels)]
    axes = np.cross(parents[:, None, 2], vectors)
    sines = np.linalg.norm(axes, axis=-1, keepdims=True)
    cosines = (parents[:, None, 2] * vectors).sum(axis=-1, keepdims=True)
    tilts = rotation_vectors_to_matrices((axes / sines * np.arctan2(sines, cosines)).reshape(-1, 3))
    return parents[:, None] @ tilts.reshape(-1, 4, 3, 3).transpose(0, 1, 3, 2)


def _turned(
    matrices: Float64[np.ndarray, "*#batch 3 3"], psi_deg: Float64[np.ndarray, "*#batch"]
) -> Float32[np.ndarray, "*batch 3 3"]:
    """Return orientations turned in the image plane by psi, which broadcasts against them."""
    cosine, sine = np.cos(np.radians(psi_deg)), np.sin(np.radians(psi_deg))
    shape = np.broadcast_shapes(matrices.shape[:-2], psi_deg.shape)
    turned = np.empty((*shape, 3, 3), dtype=np.float32)
    first, second = matrices[..., 0, :], matrices[..., 1, :]
    turned[..., 0, :] = cosine[..., None] * first + sine[..., None] * second
    turned[..., 1, :] = cosine[..., None] * second - sine[..., None] * first
    turned[..., 2, :] = matrices[..., 2, :]
    return turned


def _relative_density(
    weights: Float[np.ndarray, " given"] | None, directions: int
) -> Float64[np.ndarray, " direction"]:
    """Return the direction prior relative to a uniform one, checked."""
    if weights is None:
        return np.ones(directions)
    if len(weights) != directions:
        raise ValueError(f"direction prior has {len(weights)} values but the grid has {directions}")
    if not (np.isfinite(weights).all() and weights.min() > 0.0):
        raise ValueError(
            "direction prior has a value that is not above 0; mix it with a uniform one"
        )
    if abs(float(weights.sum(dtype=np.float64)) - 1.0) > 1e-3:
        raise ValueError(f"direction prior sums to {weights.sum()} but must sum to 1")
    return weights.astype(np.float64) * directions


def _cube(line: Float64[np.ndarray, " point"]) -> Float64[np.ndarray, "cube 3"]:
    """Return all triples of values of a line."""
    return np.stack(np.meshgrid(line, line, line, indexing="ij"), axis=-1).reshape(-1, 3)


def _gaussian_log_prior(
    vectors: Float64[np.ndarray, "point 3"], sigma: float
) -> Float32[np.ndarray, " point"]:
    """Return the normalised log of exp(-theta^2 / (2 sigma^2)) at rotation vectors."""
    exponent = -0.5 * (vectors**2).sum(axis=1) / sigma**2
    largest = exponent.max()
    return (exponent - largest - np.log(np.exp(exponent - largest).sum())).astype(np.float32)
