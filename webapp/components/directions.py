"""Viewing directions: HEALPix counts as pictures of the sphere, and how evenly they fill Fourier space."""

import re
from dataclasses import dataclass

import healpix
import numpy as np
from jaxtyping import Float, Int

GOLDEN = (1.0 + 5.0**0.5) / 2.0
PARTICLES_PER_DIRECTION = 2.0
"""Finer pixels than that many particles each hold mostly show noise."""


@dataclass(frozen=True, slots=True)
class SphereMap:
    """A picture of the sphere: counts (NaN outside), with the extent of its axes in degrees."""

    image: Float[np.ndarray, "row column"]
    width_deg: float
    height_deg: float


def coarse_counts(counts: Int[np.ndarray, "direction"], smallest_order: int = 2) -> np.ndarray:
    """Counts summed over nested HEALPix pixels until each holds a few particles on average."""
    counts = np.asarray(counts)
    lowest = 12 * 4**smallest_order
    while len(counts) > lowest and counts.sum() < PARTICLES_PER_DIRECTION * len(counts):
        counts = counts.reshape(-1, 4).sum(axis=1)
    return counts


def order_of(counts: np.ndarray) -> int:
    """The HEALPix order of a map of the whole sphere."""
    return int(round(np.log2(np.sqrt(len(counts) / 12))))


def _lookup(counts: np.ndarray, colatitude: np.ndarray, longitude: np.ndarray) -> np.ndarray:
    """The count of the pixel at each direction (radians)."""
    pixels = healpix.ang2pix(
        2 ** order_of(counts), colatitude, np.mod(longitude, 2 * np.pi), nest=True
    )
    return counts[pixels].astype(np.float64)


def rectangle(counts: np.ndarray, rows: int = 180) -> SphereMap:
    """Azimuth -180° to 180° across, elevation -90° to 90° up."""
    elevation = (np.arange(rows) + 0.5) / rows * np.pi - np.pi / 2
    azimuth = (np.arange(2 * rows) + 0.5) / (2 * rows) * 2 * np.pi - np.pi
    grid_elevation, grid_azimuth = np.meshgrid(elevation, azimuth, indexing="ij")
    return SphereMap(_lookup(counts, np.pi / 2 - grid_elevation, grid_azimuth), 360.0, 180.0)


def mollweide(counts: np.ndarray, rows: int = 200) -> SphereMap:
    """The sphere in Mollweide's equal-area projection; NaN outside its ellipse."""
    y = (np.arange(rows) + 0.5) / rows * 2 - 1
    x = (np.arange(2 * rows) + 0.5) / (2 * rows) * 4 - 2
    grid_y, grid_x = np.meshgrid(y, x, indexing="ij")
    is_inside = (grid_x / 2) ** 2 + grid_y**2 < 1
    angle = np.arcsin(np.clip(grid_y, -1, 1))
    latitude = np.arcsin(np.clip((2 * angle + np.sin(2 * angle)) / np.pi, -1, 1))
    longitude = np.pi * grid_x / (2 * np.maximum(np.cos(angle), 1e-9))
    image = _lookup(counts, np.pi / 2 - latitude, np.clip(longitude, -np.pi, np.pi))
    return SphereMap(np.where(is_inside, image, np.nan), 360.0, 180.0)


def outline(symmetry: str) -> tuple[list[float], list[float]]:
    """Azimuths and elevations (degrees) around one unit of a cyclic or dihedral group; else nothing.

    Its first side lies on azimuth 0; a dihedral group needs only the upper half of the sphere.
    """
    found = re.fullmatch(r"([CD])(\d+)", symmetry.upper())
    if not found or symmetry.upper() == "C1":
        return [], []
    width = 360.0 / int(found.group(2))
    bottom = 0.0 if found.group(1) == "D" else -90.0
    left, right = -width / 2, width / 2
    return [left, right, right, left, left], [bottom, bottom, 90.0, 90.0, bottom]


def efficiency(counts: np.ndarray, symmetry: str = "C1", order: int = 3) -> float:
    """How evenly the views fill Fourier space, from 0 (not at all) to 1 (uniform).

    A view contributes the plane at right angles to it. The number is the harmonic over the
    arithmetic mean of the density of these planes over all directions: the sampling compensation
    factor of Baldwin & Lyumkis 2020, Prog. Biophys. Mol. Biol. 150, 160, without its pixel
    weights. Directions that no plane crosses make it 0. Views are repeated by the symmetry.
    """
    used = np.flatnonzero(counts)
    if not len(used):
        return 0.0
    weights = counts[used].astype(np.float64)
    views = _vectors(order_of(counts), used)
    turned = np.einsum("gij,dj->gdi", operators(symmetry), views).reshape(-1, 3)
    weights = np.tile(weights, len(turned) // len(weights))
    probes = _vectors(order, np.arange(12 * 4**order))
    reach = np.sqrt(4 * np.pi / len(probes))
    density = np.zeros(len(probes))
    for start in range(0, len(turned), 4096):
        cut = slice(start, start + 4096)
        closeness = np.abs(probes @ turned[cut].T)
        density += (np.maximum(0.0, 1.0 - closeness / reach) * weights[cut]).sum(axis=1)
    if density.min() <= 0:
        return 0.0
    return float(1.0 / (np.mean(1.0 / density) * np.mean(density)))


def by_symmetry(counts: np.ndarray, symmetry: str) -> np.ndarray:
    """The counts with every view repeated by the operators of a point group."""
    group = operators(symmetry)
    if len(group) == 1:
        return np.asarray(counts)
    order, used = order_of(counts), np.flatnonzero(counts)
    views = _vectors(order, used)
    repeated = np.zeros(len(counts), dtype=np.int64)
    for operator in group:
        x, y, z = operator @ views.T
        np.add.at(repeated, healpix.vec2pix(2**order, x, y, z, nest=True), counts[used])
    return repeated


def empty_share(counts: np.ndarray, symmetry: str) -> float:
    """The share of directions, at the resolution of `coarse_counts`, that no particle is seen from."""
    return float(np.mean(by_symmetry(coarse_counts(counts), symmetry) == 0))


def _vectors(order: int, pixels: np.ndarray) -> np.ndarray:
    """Unit vectors of nested pixels, shape (pixel, 3)."""
    return np.stack(healpix.pix2vec(2**order, pixels, nest=True), axis=1)


def operators(symmetry: str) -> Float[np.ndarray, "operator 3 3"]:
    """The rotations of a point group, from its generators in RELION's settings."""
    name = symmetry.upper()
    found = re.fullmatch(r"([CD])(\d+)", name)
    if found:
        parts = [_turn((0, 0, 1), 360.0 / int(found.group(2)))]
        parts += [_turn((1, 0, 0), 180.0)] if found.group(1) == "D" else []
    elif name == "T":
        parts = [_turn((0, 0, 1), 120.0), _turn((0, (2 / 3) ** 0.5, (1 / 3) ** 0.5), 180.0)]
    elif name == "O":
        parts = [_turn((0, 0, 1), 90.0), _turn((1, 0, 0), 90.0)]
    else:
        parts = _icosahedral(name)
    return _closure(parts)


def _icosahedral(name: str) -> list[np.ndarray]:
    """Generators of an icosahedral setting: I2 has 2-folds on the axes and a 5-fold in the xz plane."""
    five, two = _turn((1.0, 0.0, GOLDEN), 72.0), _turn((0, 0, 1), 180.0)
    angle = float(np.degrees(np.arctan(GOLDEN)))
    settings = {
        "I1": _turn((0, 0, 1), 90.0),
        "I3": _turn((0, 1, 0), angle) @ _turn((0, 0, 1), 90.0),
        "I4": _turn((0, 1, 0), -angle) @ _turn((0, 0, 1), 90.0),
    }
    turn = settings.get(name, np.eye(3))
    return [turn @ five @ turn.T, turn @ two @ turn.T]


def _turn(axis: tuple[float, float, float], degrees: float) -> np.ndarray:
    """The rotation about an axis."""
    x, y, z = np.array(axis, dtype=np.float64) / np.linalg.norm(axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = np.radians(degrees)
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def _closure(parts: list[np.ndarray]) -> np.ndarray:
    """All products of the generators."""
    found = [np.eye(3)]
    for one in found:
        for part in parts:
            product = one @ part
            if not any(np.allclose(product, other, atol=1e-6) for other in found):
                found.append(product)
    return np.stack(found)
