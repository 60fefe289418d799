"""Slices of a map coloured by local resolution, side by side with a scale, as a PNG picture."""

import io
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw

from compute.files.atomic import write_whole

ANCHORS = np.array(
    [[253, 231, 37], [94, 201, 98], [33, 145, 140], [59, 82, 139], [68, 1, 84]], dtype=np.float64
)
"""Viridis (van der Walt & Smith 2015, CC0) at five equal steps, backwards: bright is the best resolution."""
PANEL_PX, GAP_PX, SCALE_PX = 320, 8, 90


def colours(
    values: Float[np.ndarray, "*axes"], low: float, high: float
) -> UInt8[np.ndarray, "*axes 3"]:
    """The colour of each value between two ends of the scale."""
    share = np.clip((values - low) / max(high - low, 1e-9), 0.0, 1.0) * (len(ANCHORS) - 1)
    parts = [np.interp(share, np.arange(len(ANCHORS)), ANCHORS[:, n]) for n in range(3)]
    return np.stack(parts, axis=-1).round().astype(np.uint8)


def write_picture(
    path: str,
    density: Float[np.ndarray, "z y x"],
    resolution_A: Float[np.ndarray, "z y x"],
    weight: Float[np.ndarray, "z y x"],
    ends_A: tuple[float, float],
) -> None:
    """Write the three central slices: brightness is density, colour the resolution where the weight is not 0."""
    low, high = np.percentile(density, [1.0, 99.8])
    centre = len(density) // 2
    panels = []
    for axis in range(3):
        plane, where, tint = (
            np.take(one, centre, axis=axis) for one in (density, weight, resolution_A)
        )
        light = np.clip((plane - low) / max(high - low, 1e-9), 0.0, 1.0)[..., None]
        grey = 255 * light * np.ones(3)
        coloured = (0.25 + 0.75 * light) * colours(tint, *ends_A)
        share = np.clip(where, 0.0, 1.0)[..., None]
        mixed = (share * coloured + (1 - share) * grey).round().astype(np.uint8)
        panels.append(Image.fromarray(mixed).resize((PANEL_PX, PANEL_PX), Image.Resampling.BICUBIC))
    buffer = io.BytesIO()
    _with_scale(panels, ends_A).save(buffer, format="PNG")
    write_whole(path, buffer.getvalue())


def _with_scale(panels: Sequence[Image.Image], ends_A: tuple[float, float]) -> Image.Image:
    """Panels in a row (planes at one z, one y, one x) and the scale, with figures in Å."""
    width = len(panels) * (PANEL_PX + GAP_PX) + SCALE_PX
    whole = Image.new("RGB", (width, PANEL_PX + 24), "white")
    draw = ImageDraw.Draw(whole)
    for number, (panel, name) in enumerate(zip(panels, "zyx", strict=True)):
        left = number * (PANEL_PX + GAP_PX)
        whole.paste(panel, (left, 0))
        draw.text((left + 4, PANEL_PX + 6), f"central slice along {name}", fill="black")
    values = np.linspace(*ends_A, PANEL_PX)[:, None] * np.ones(16)
    left = len(panels) * (PANEL_PX + GAP_PX)
    whole.paste(Image.fromarray(colours(values, *ends_A)), (left, 0))
    for place in np.linspace(0.0, 1.0, 5):
        value = ends_A[0] + place * (ends_A[1] - ends_A[0])
        top = int(place * (PANEL_PX - 12))
        draw.text((left + 22, top), f"{value:.1f} Å", fill="black")
    return whole
