"""What RELION does where we do better, as the algorithm specification describes it; for comparison only.

Nothing of ours uses this. Angles are in degrees, matrices map coordinates of the map to those of the image.
"""

import numpy as np

from compute.sampling.healpix import direction_angles, direction_count, step_deg
from compute.sampling.rotations import angle_between, euler_to_matrix


def perturbation_matrix(angle_deg: float) -> np.ndarray:
    """The rotation by which a whole grid is displaced: Euler angles that are all the same (§5.4)."""
    return euler_to_matrix(np.array([[angle_deg, angle_deg, angle_deg]]))[0]


def offset_log_prior(
    old_px: np.ndarray, shift_A: np.ndarray, pixel_size_A: float, sigma_A: float
) -> float:
    """Log prior of an offset, in which the old one counts in pixels and the grid's shift in Å (§5.7)."""
    square = float(((old_px + shift_A) ** 2).sum()) * pixel_size_A**2
    return -square / (2 * sigma_A**2)


def direction_prior(sums: np.ndarray) -> np.ndarray:
    """Prior of the directions from their summed posterior weights, with exact zeros (§5.7)."""
    return sums / sums.sum()


def is_kept_for_d2(rot_deg: np.ndarray, tilt_deg: np.ndarray) -> np.ndarray:
    """Whether a direction lies in the half of the upper hemisphere that is searched for D2 (§5.5)."""
    apart = np.abs((rot_deg - 90 + 180) % 360 - 180)
    return (tilt_deg <= 90) & (apart <= 90)


def local_search(
    angles_deg: np.ndarray, order: int, sigma_deg: float, operators: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Directions (rot, tilt) and in-plane angles searched around a pose, all combined (§5.6).

    Directions are compared through the mates of the point group, in-plane angles are not. With operators they are
    those of D2.
    """
    directions = direction_angles(order, np.arange(direction_count(order)))
    if operators is not None:
        directions = directions[is_kept_for_d2(directions[:, 0], directions[:, 1])]
    views = euler_to_matrix(np.column_stack([directions, np.zeros(len(directions))]))[:, 2]
    own = euler_to_matrix(angles_deg[None])[0, 2]
    mates = own[None] if operators is None else own @ operators
    apart = np.degrees(np.arccos(np.clip(views @ mates.T, -1, 1))).min(axis=1)
    psi = np.arange(0.0, 360.0, step_deg(order))
    turned = np.abs((psi - angles_deg[2] + 180) % 360 - 180)
    return directions[apart < 3 * sigma_deg], psi[turned < 3 * sigma_deg]


def nearest_searched_deg(
    truth: np.ndarray, directions: np.ndarray, psi: np.ndarray, operators: np.ndarray
) -> float:
    """How far the nearest searched orientation is from a true one, up to the point group."""
    angles = np.column_stack(
        [np.repeat(directions, len(psi), axis=0), np.tile(psi, len(directions))]
    )
    searched = euler_to_matrix(angles)
    return float(angle_between(searched, np.broadcast_to(truth, searched.shape), operators).min())


def window_centre(coordinate: float) -> int:
    """The pixel at the middle of an extracted box: cut off towards zero (jobs and files, §3.1)."""
    return int(coordinate)


def rank_blocks(micrographs: int, ranks: int) -> list[range]:
    """The micrographs of each MPI rank of an extraction: contiguous, the first ranks one more (§2.2)."""
    share, more = divmod(micrographs, ranks)
    starts = [rank * share + min(rank, more) for rank in range(ranks + 1)]
    return [range(first, last) for first, last in zip(starts, starts[1:], strict=False)]


def number_text(value: float) -> str:
    """A floating-point number as RELION writes it into STAR files: twelve characters, of which digits are lost."""
    is_wide = abs(value) > 100_000 or 0 < abs(value) < 0.001
    decimals = 5 if value < 0 else 6
    return f"{value:12.{decimals}{'e' if is_wide else 'f'}}"[:12]
