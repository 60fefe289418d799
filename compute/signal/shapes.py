"""Spheres and cylinders on a grid, as distances from which soft masks are made."""

import numpy as np
from jaxtyping import Float32


def beyond_sphere(
    box: int, radius: float, inner_radius: float, centre: tuple[float, float, float]
) -> Float32[np.ndarray, "z y x"]:
    """How far each voxel is outside a sphere (or in its hollow inside), in voxels; 0 and below in the shape.

    centre: x, y, z from the voxel box//2.
    """
    x, y, z = (np.arange(box) - box // 2 - place for place in centre)
    from_centre = np.sqrt(z[:, None, None] ** 2 + y[:, None] ** 2 + x**2)
    return _hollow(from_centre, radius, inner_radius).astype(np.float32)


def beyond_cylinder(
    box: int,
    radius: float,
    inner_radius: float,
    height: float | None,
    centre: tuple[float, float, float],
) -> Float32[np.ndarray, "z y x"]:
    """The same for a cylinder or tube along z; without a height it passes through the whole box."""
    x, y, z = (np.arange(box) - box // 2 - place for place in centre)
    aside = _hollow(np.sqrt(y[:, None] ** 2 + x**2), radius, inner_radius)
    if height is None:
        return np.broadcast_to(aside, (box, box, box)).astype(np.float32)
    above = (np.abs(z) - height / 2)[:, None, None]
    outside = np.hypot(np.maximum(aside, 0.0), np.maximum(above, 0.0))
    return np.where(outside > 0, outside, np.maximum(aside, above)).astype(np.float32)


def beyond_centre(box: int, fraction: float) -> Float32[np.ndarray, "z"]:
    """How far each plane is from the central part of the box along z, in voxels."""
    return (np.abs(np.arange(box) - box // 2) - 0.5 * fraction * box).astype(np.float32)


def _hollow(from_centre: np.ndarray, radius: float, inner_radius: float) -> np.ndarray:
    outside: np.ndarray = from_centre - radius
    return np.maximum(outside, inner_radius - from_centre) if inner_radius > 0 else outside
