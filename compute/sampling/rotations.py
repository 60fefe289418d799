"""Rotation matrices, Euler angles at the file boundary, and distances between orientations.

A rotation matrix A maps map coordinates to image coordinates, r_img = A r_map, acting on (x, y, z)
columns. Euler angles are (rot, tilt, psi) in degrees: about z, then the new y, then the new z. The
equivalents of an orientation A under a point group are A R_j: symmetry operators act on the right.
"""

import numpy as np
from jaxtyping import Float, Float64

POLE_TOLERANCE = 16.0
"""Below this many rounding errors the sine of tilt counts as zero, and rot is set to zero."""

BLOCK = 8192
"""Particles compared at once: bounds the memory of particles times operators."""


def euler_to_matrix(
    angles_deg: Float[np.ndarray, "rotation 3"],
) -> Float64[np.ndarray, "rotation 3 3"]:
    """Return the rotation matrices of Euler angles (rot, tilt, psi) in degrees.

    The third row is the viewing direction, (sin tilt cos rot, sin tilt sin rot, cos tilt).
    """
    radians = np.radians(angles_deg.astype(np.float64))
    ca, cb, cg = np.cos(radians).T
    sa, sb, sg = np.sin(radians).T
    rows = [
        [cg * cb * ca - sg * sa, cg * cb * sa + sg * ca, -cg * sb],
        [-sg * cb * ca - cg * sa, -sg * cb * sa + cg * ca, sg * sb],
        [sb * ca, sb * sa, cb],
    ]
    return np.ascontiguousarray(np.moveaxis(np.array(rows), -1, 0))


def matrix_to_euler(
    matrices: Float[np.ndarray, "rotation 3 3"],
) -> Float64[np.ndarray, "rotation 3"]:
    """Return the Euler angles (rot, tilt, psi) of rotation matrices, in degrees.

    rot and psi lie in [-180, 180], tilt in [0, 180]; at the poles, where only a combination of rot
    and psi is defined, rot is 0. psi is read from what remains after rot and tilt are undone, so
    rounding errors next to a pole never spoil the rotation as a whole.
    """
    a = matrices.astype(np.float64)
    sine = np.hypot(a[:, 0, 2], a[:, 1, 2])
    at_pole = sine <= POLE_TOLERANCE * float(np.finfo(matrices.dtype).eps)
    rot = np.where(at_pole, 0.0, np.arctan2(a[:, 2, 1], a[:, 2, 0]))
    tilt = np.arctan2(np.where(at_pole, 0.0, sine), a[:, 2, 2])
    direction = euler_to_matrix(np.degrees(np.stack([rot, tilt, np.zeros_like(rot)], axis=1)))
    in_plane = a @ direction.transpose(0, 2, 1)
    psi = np.arctan2(in_plane[:, 0, 1] - in_plane[:, 1, 0], in_plane[:, 0, 0] + in_plane[:, 1, 1])
    return np.degrees(np.stack([rot, tilt, psi], axis=1))


def rotation_vectors_to_matrices(
    vectors: Float[np.ndarray, "rotation 3"],
) -> Float64[np.ndarray, "rotation 3 3"]:
    """Return the matrices that turn by |v| radians about the axes v (right-handed, on columns): Rodrigues' formula."""
    x, y, z = vectors.astype(np.float64).T
    angle = np.sqrt(x * x + y * y + z * z)
    sine = np.sinc(angle / np.pi)
    versine = 0.5 * np.sinc(0.5 * angle / np.pi) ** 2
    zero = np.zeros_like(x)
    cross = np.moveaxis(np.array([[zero, -z, y], [z, zero, -x], [-y, x, zero]]), -1, 0)
    return np.eye(3) + sine[:, None, None] * cross + versine[:, None, None] * (cross @ cross)


def matrices_to_rotation_vectors(
    matrices: Float[np.ndarray, "rotation 3 3"],
) -> Float64[np.ndarray, "rotation 3"]:
    """Return the rotation vectors (axis times angle, radians, angle at most pi) of matrices."""
    w, v = _quaternions(matrices.astype(np.float64))
    sine = np.linalg.norm(v, axis=1)
    angle = 2.0 * np.arctan2(sine, w)
    return v * np.where(sine > 0.0, angle / np.where(sine > 0.0, sine, 1.0), 2.0)[:, None]


def _quaternions(
    matrices: Float64[np.ndarray, "rotation 3 3"],
) -> tuple[Float64[np.ndarray, " rotation"], Float64[np.ndarray, "rotation 3"]]:
    """Return the quaternions of matrices: the parts cos(angle/2), not negative, and sin(angle/2) times the axis.

    Four times the outer product of a quaternion with itself is linear in the matrix; its column with the largest
    diagonal element is the quaternion without cancellation, also next to half a turn (Shepperd 1978).
    """
    m = np.moveaxis(matrices, 0, -1)
    products = np.empty((4, 4, len(matrices)))
    products[0, 0] = 1.0 + m[0, 0] + m[1, 1] + m[2, 2]
    for i in range(3):
        j, k = (i + 1) % 3, (i + 2) % 3
        products[i + 1, i + 1] = 1.0 + m[i, i] - m[j, j] - m[k, k]
        products[0, i + 1] = products[i + 1, 0] = m[k, j] - m[j, k]
        products[i + 1, j + 1] = products[j + 1, i + 1] = m[i, j] + m[j, i]
    largest = products[np.arange(4), np.arange(4)].argmax(axis=0)
    q = products[largest, :, np.arange(len(matrices))]
    q /= np.linalg.norm(q, axis=1, keepdims=True)
    q *= np.where(q[:, :1] < 0.0, -1.0, 1.0)
    return q[:, 0], q[:, 1:]


def angle_between(
    first: Float[np.ndarray, "rotation 3 3"],
    second: Float[np.ndarray, "rotation 3 3"],
    operators: Float[np.ndarray, "operator 3 3"] | None = None,
) -> Float64[np.ndarray, " rotation"]:
    """Return the angle of the rotation between orientations, in degrees, pair by pair.

    With operators, the smallest angle over all symmetry mates (first R_j against second).
    """
    first, second = first.astype(np.float64), second.astype(np.float64)
    if operators is not None:
        first = first @ operators[_nearest_by_trace(first, second, operators)]
    relative = first @ second.transpose(0, 2, 1)
    twice_sine = np.sqrt(
        (relative[:, 2, 1] - relative[:, 1, 2]) ** 2
        + (relative[:, 0, 2] - relative[:, 2, 0]) ** 2
        + (relative[:, 1, 0] - relative[:, 0, 1]) ** 2
    )
    twice_cosine = np.trace(relative, axis1=1, axis2=2) - 1.0
    return np.degrees(np.arctan2(twice_sine, twice_cosine))


def changes_in_angle(
    old: Float[np.ndarray, "rotation 3 3"],
    new: Float[np.ndarray, "rotation 3 3"],
    operators: Float[np.ndarray, "operator 3 3"],
) -> Float64[np.ndarray, " rotation"]:
    """Return how far orientations moved, in degrees, by the mean-axis rule, best over mates.

    The mean over the three image axes of the angle between the old axis and the new one (new R_j):
    a turn by a small angle about one image axis counts two thirds of that angle. All thresholds on
    changes of orientation are in this unit.
    """
    nearest = np.zeros(len(old), dtype=np.int64)
    flat = operators.astype(np.float64).reshape(-1, 9).T
    for start in range(0, len(old), BLOCK):
        block = slice(start, start + BLOCK)
        pairs = new[block, :, :, None].astype(np.float64) * old[block, :, None, :]
        cosines = (pairs.reshape(-1, 9) @ flat).clip(-1.0, 1.0)
        angles = np.arccos(cosines).reshape(-1, 3, len(operators)).sum(axis=1)
        nearest[block] = angles.argmin(axis=1)
    old64 = old.astype(np.float64)
    mate = new.astype(np.float64) @ operators[nearest]
    sines = np.linalg.norm(np.cross(old64, mate), axis=2)
    cosines = (old64 * mate).sum(axis=2)
    return np.degrees(np.arctan2(sines, cosines)).mean(axis=1)


def _nearest_by_trace(
    first: Float64[np.ndarray, "rotation 3 3"],
    second: Float64[np.ndarray, "rotation 3 3"],
    operators: Float[np.ndarray, "operator 3 3"],
) -> np.ndarray:
    """Return for each pair the operator R that maximises trace(first R second^T)."""
    flat = operators.astype(np.float64).transpose(0, 2, 1).reshape(-1, 9)
    relative = (second.transpose(0, 2, 1) @ first).reshape(-1, 9)
    return (relative @ flat.T).argmax(axis=1)
