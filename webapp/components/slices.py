"""Slices of maps as 8-bit pictures on one fixed grey scale, and the outline of a mask on them."""

from dataclasses import dataclass

import contourpy
import numpy as np
from jaxtyping import Float32, UInt8

AXES = ("X", "Y", "Z")
DARKEST_SIGMA, BRIGHTEST_SIGMA = -5.0, 20.0
"""The range of densities that the 256 greys span, in standard deviations around the mean."""


@dataclass(frozen=True, slots=True)
class GreyScale:
    """The densities of the first and the last grey; kept while a run goes on, so nothing flickers."""

    low: float
    high: float


def grey_scale(volume: Float32[np.ndarray, "z y x"]) -> GreyScale:
    """A scale that spans the densities of a map."""
    mean, deviation = float(volume.mean()), float(volume.std()) or 1.0
    low = max(float(volume.min()), mean + DARKEST_SIGMA * deviation)
    high = min(float(volume.max()), mean + BRIGHTEST_SIGMA * deviation)
    return GreyScale(low, high if high > low else low + 1.0)


def slice_of(
    volume: Float32[np.ndarray, "z y x"], axis: str, index: int
) -> Float32[np.ndarray, "row column"]:
    """The plane at right angles to an axis: rows and columns are (z, y) for X, (z, x) for Y, (y, x) for Z."""
    if axis == "X":
        return volume[:, :, index]
    return volume[:, index, :] if axis == "Y" else volume[index]


def greys(
    plane: Float32[np.ndarray, "row column"], scale: GreyScale
) -> UInt8[np.ndarray, "row column"]:
    """Densities as greys 0 to 255."""
    values = (plane - scale.low) * (255.0 / (scale.high - scale.low))
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def plane_outline(
    plane: np.ndarray, pixel_size_A: float
) -> tuple[list[list[float]], list[list[float]]]:
    """The lines where a plane of a mask is one half, in Å: all x, then all y."""
    lines = contourpy.contour_generator(z=np.asarray(plane, dtype=np.float64)).lines(0.5)
    return (
        [((line[:, 0] + 0.5) * pixel_size_A).tolist() for line in lines],
        [((line[:, 1] + 0.5) * pixel_size_A).tolist() for line in lines],
    )


def sphere(box: int, radius_px: float) -> Float32[np.ndarray, "z y x"]:
    """1 inside the radius, falling to 0 over two pixels around it."""
    axis = np.arange(box, dtype=np.float32) - box // 2
    distance = np.sqrt(axis[:, None, None] ** 2 + axis[None, :, None] ** 2 + axis**2)
    return np.clip((radius_px + 1 - distance) / 2, 0, 1).astype(np.float32)


def round_length_A(extent_A: float) -> float:
    """A round length of about a fifth of a picture, for its scale bar."""
    wanted = extent_A / 5
    size = 10.0 ** np.floor(np.log10(wanted))
    return float(max(step * size for step in (1, 2, 5) if step * size <= wanted))


def fixed_palette() -> list[str]:
    """256 greys."""
    return [f"#{n:02x}{n:02x}{n:02x}" for n in range(256)]


def difference_palette() -> list[str]:
    """256 colours from blue over white to vermilion."""
    colours = []
    for n in range(256):
        t = n / 127.5 - 1
        ends = np.array([0, 114, 178]) if t < 0 else np.array([213, 94, 0])
        mixed = np.rint(255 + (ends - 255) * min(1.0, abs(t))).astype(int)
        colours.append("#{:02x}{:02x}{:02x}".format(*mixed))
    return colours
