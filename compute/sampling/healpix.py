"""Viewing directions on the HEALPix grid (nested), and those that are unique under a point group.

Order h has 12 * 4^h equal-area pixels; the step of the orientation grid built on it is 60 / 2^h
degrees.
"""

from dataclasses import dataclass

import healpix
import numpy as np
from jaxtyping import Float32, Float64, Int64

MAXIMUM_ORDER = 10
"""2^10 subdivisions: 0.06 degrees, finer than any refinement can tell apart."""

SUBDIVISION = 3
"""Levels below the grid at which the overlap of a pixel with its symmetry mates is measured."""

SUBDIVISION_ORDER = 6
"""Order at which that is fine enough (1 degree): fewer levels, but at least one, for fine grids."""

VIEW_ORDER = 4
"""Order of the pixels (3.7 degrees) by which views are sorted."""

REFERENCE = (0.78, 0.31, 0.54)
"""A direction on no symmetry axis: the fundamental domain holds what is nearest to it."""


@dataclass(frozen=True, slots=True)
class UniqueDirections:
    """The directions of one order that represent all others under a point group.

    pixels are nested indices, ascending. weights are the share of each pixel that counts, so that
    the pixels and their symmetry mates together cover the sphere with even density; child_weights
    are the same for the four pixels of the next order inside each. Sums: 12 * 4^h / |G| and four
    times that.
    """

    pixels: Int64[np.ndarray, " direction"]
    weights: Float64[np.ndarray, " direction"]
    child_weights: Float64[np.ndarray, "direction 4"]


def direction_count(order: int) -> int:
    """Return the number of directions of an order; ValueError when there is no such order."""
    if not 0 <= order <= MAXIMUM_ORDER:
        raise ValueError(f"HEALPix order is {order} but must be between 0 and {MAXIMUM_ORDER}")
    return 12 * 4**order


def step_deg(order: int) -> float:
    """Return the angular step of an order in degrees, of directions and of psi."""
    return 60.0 / 2**order


def direction_vectors(order: int) -> Float64[np.ndarray, "direction 3"]:
    """Return the unit vectors (x, y, z) of all directions of an order."""
    return _vectors(order, np.arange(direction_count(order)))


def direction_angles(
    order: int, pixels: Int64[np.ndarray, " direction"]
) -> Float64[np.ndarray, "direction 2"]:
    """Return rot in [-180, 180] and tilt in [0, 180], in degrees, of directions."""
    tilt, rot = healpix.pix2ang(2**order, pixels, nest=True)
    wrapped = np.where(rot > np.pi, rot - 2.0 * np.pi, rot)
    return np.degrees(np.stack([wrapped, tilt], axis=-1))


def nearest_direction(
    order: int, vectors: Float64[np.ndarray, "*batch 3"]
) -> Int64[np.ndarray, "*batch"]:
    """Return the index of the pixel that each vector lies in."""
    x, y, z = np.moveaxis(vectors, -1, 0)
    return np.asarray(healpix.vec2pix(2**order, x, y, z, nest=True), dtype=np.int64)


def order_of_views(rotations: Float32[np.ndarray, "view 3 3"]) -> Int64[np.ndarray, "view"]:
    """An order of rotations (map to image) in which similar planes follow one another, along the nested pixels.

    A view from behind has the same plane.
    """
    direction = rotations[:, 2].astype(np.float64)
    direction *= np.copysign(1.0, direction[:, :1])
    return np.argsort(nearest_direction(VIEW_ORDER, direction), kind="stable")


def children(
    pixels: Int64[np.ndarray, " direction"], levels: int = 1
) -> Int64[np.ndarray, "direction child"]:
    """Return the pixels inside each pixel, some levels further down."""
    return pixels[:, None] * 4**levels + np.arange(4**levels)


def unique_directions(
    order: int, operators: Float64[np.ndarray, "operator 3 3"]
) -> UniqueDirections:
    """Return directions whose symmetry mates cover the sphere, with the weights that make it even.

    Where the group maps pixels onto pixels (C1, C2, C4, D1, D2, D4) one pixel of each orbit is
    kept. Else every pixel that touches the fundamental domain is kept, less those that the others'
    mates cover. A point x then counts 1 / m(x), where m(x) of its mates lie in kept pixels: the sum
    over the mates is one everywhere, and a pixel's weight is the mean over its points.
    """
    total = direction_count(order)
    images = nearest_direction(order, direction_vectors(order) @ operators.transpose(0, 2, 1))
    if _maps_onto_itself(order, images, operators):
        kept = np.flatnonzero(images.min(axis=0) == np.arange(total))
    else:
        kept = _cover(order, operators)
    levels = _levels(order)
    mates = _mates(order, _vectors(order + levels, children(kept, levels)), kept, operators)
    shares = 1.0 / (mates < len(kept)).sum(axis=0)
    child_weights = shares.reshape(len(kept), 4, -1).mean(axis=2)
    child_weights *= 4.0 * total / len(operators) / child_weights.sum()
    return UniqueDirections(kept, child_weights.mean(axis=1), child_weights)


def _maps_onto_itself(
    order: int,
    images: Int64[np.ndarray, "operator direction"],
    operators: Float64[np.ndarray, "operator 3 3"],
) -> bool:
    """Say whether every operator takes every pixel centre to a pixel centre."""
    vectors = direction_vectors(order)
    return all(
        np.abs(vectors @ g.T - vectors[image]).max() < 1e-9
        for g, image in zip(operators, images, strict=True)
    )


def _cover(
    order: int, operators: Float64[np.ndarray, "operator 3 3"]
) -> Int64[np.ndarray, " direction"]:
    """Return few pixels whose symmetry mates cover the sphere."""
    levels = _levels(order)
    points = _vectors(order + levels, children(np.arange(direction_count(order)), levels))
    nearness = points @ (operators @ np.array(REFERENCE)).T
    inside = (nearness[..., 0] >= nearness.max(axis=-1) - 1e-12).sum(axis=1)
    kept = np.flatnonzero(inside)
    mates = _mates(order, points[kept], kept, operators)
    is_kept = np.append(np.ones(len(kept), dtype=bool), False)
    for candidate in np.argsort(inside[kept], kind="stable"):
        is_kept[candidate] = False
        is_kept[candidate] = not is_kept[mates[:, candidate]].any(axis=0).all()
    return kept[is_kept[:-1]]


def _mates(
    order: int,
    points: Float64[np.ndarray, "direction point 3"],
    kept: Int64[np.ndarray, " direction"],
    operators: Float64[np.ndarray, "operator 3 3"],
) -> Int64[np.ndarray, "operator direction point"]:
    """Return where among the kept pixels each mate of each point lies; their number for nowhere."""
    position = np.full(direction_count(order), len(kept))
    position[kept] = np.arange(len(kept))
    return position[nearest_direction(order, points @ operators[:, None].transpose(0, 1, 3, 2))]


def _levels(order: int) -> int:
    """Return how many levels below an order overlaps are measured."""
    return min(SUBDIVISION, max(1, SUBDIVISION_ORDER - order))


def _vectors(order: int, pixels: Int64[np.ndarray, "*batch"]) -> Float64[np.ndarray, "*batch 3"]:
    """Return the unit vectors of pixels."""
    return np.stack(healpix.pix2vec(2**order, pixels, nest=True), axis=-1)
