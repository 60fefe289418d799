"""Local resolution in colours: slices whose brightness is the density, the histogram, and the scale in Å."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from bokeh.models import LabelSet, Range1d
from bokeh.palettes import Viridis256
from jaxtyping import Float32, UInt32

from webapp.components.look import Data, Look, Plot, hover, new_figure, sources
from webapp.components.slices import GreyScale

PALETTE = tuple(reversed(Viridis256))
"""Viridis backwards: bright is the best resolution, as in the job's picture."""
_RGB = np.array([[int(one[n : n + 2], 16) for n in (1, 3, 5)] for one in PALETTE], dtype=np.float32)
DARKEST = 0.25
"""Colours keep this much of their brightness where there is no density."""


def shares(values: np.ndarray, low_A: float, high_A: float) -> np.ndarray:
    """Where values lie between the ends of the scale, as numbers of the palette's colours."""
    place = (np.asarray(values, dtype=np.float64) - low_A) / max(high_A - low_A, 1e-9)
    return np.clip(np.rint(place * 255), 0, 255).astype(np.intp)


def coloured(
    density: Float32[np.ndarray, "row column"],
    resolution_A: Float32[np.ndarray, "row column"],
    weight: Float32[np.ndarray, "row column"] | None,
    scale: GreyScale,
    ends_A: tuple[float, float],
) -> UInt32[np.ndarray, "row column"]:
    """A slice as RGBA: brightness is the density, colour the resolution where the mask is not 0, else grey."""
    light = np.clip((density - scale.low) / (scale.high - scale.low), 0.0, 1.0)[..., None]
    colour = (DARKEST + (1 - DARKEST) * light) * _RGB[shares(resolution_A, *ends_A)]
    if weight is not None:
        share = np.clip(weight, 0.0, 1.0)[..., None]
        colour = share * colour + (1 - share) * 255 * light
    picture = np.empty((*density.shape, 4), dtype=np.uint8)
    picture[..., :3] = np.rint(colour)
    picture[..., 3] = 255
    return picture.view(np.uint32)[..., 0]


def scale_html(low_A: float, high_A: float) -> str:
    """The colours with their resolutions, as a bar."""
    steps = ", ".join(PALETTE[n] for n in range(0, 256, 15))
    marks = "".join(f"<span>{value:.2f} Å</span>" for value in np.linspace(low_A, high_A, 5))
    return (
        '<div class="colour-scale" role="img" aria-label="Colours of the local resolution from '
        f'{low_A:.2f} to {high_A:.2f} Å"><div style="background: linear-gradient(to right, {steps})">'
        f'</div><div class="marks">{marks}</div></div>'
    )


def histogram_data(summary: Mapping[str, Any], ends_A: tuple[float, float]) -> Data:
    """Bars of voxels inside the mask in the colours of the scale, and the marks of the percentiles."""
    edges = np.asarray(summary["histogram"]["edges_A"], dtype=np.float64)
    voxels = summary["histogram"]["voxels"]
    colours = [PALETTE[n] for n in shares((edges[:-1] + edges[1:]) / 2, *ends_A)]
    top = max(voxels, default=0)
    marks = [("5 %", "5"), ("median", "50"), ("95 %", "95")]
    places = [float(summary["percentiles_A"][key]) for _, key in marks]
    return {
        "local_resolution": {
            "left": edges[:-1].tolist(),
            "right": edges[1:].tolist(),
            "voxels": list(voxels),
            "color": colours,
        },
        "percentiles": {
            "x": places,
            "y0": [0.0] * len(marks),
            "y1": [1.1 * top, 1.2 * top, 1.1 * top],
            "text": [f"{name} {x:.2f} Å" for (name, _), x in zip(marks, places, strict=True)],
            "align": ["right", "center", "left"],
        },
    }


def histogram_plot(data: Data, look: Look, name: str, height: int = 300) -> Plot:
    """The figure for `histogram_data`."""
    made = sources(data)
    top = max(data["local_resolution"]["voxels"], default=1)
    plot = new_figure(
        look, name, "local resolution (Å)", "voxels", height, y_range=Range1d(0, 1.38 * top)
    )
    bars = plot.quad(
        left="left",
        right="right",
        top="voxels",
        bottom=0,
        source=made["local_resolution"],
        fill_color="color",
        line_color=look.card,
        line_width=0.5,
    )
    plot.segment(
        "x", "y0", "x", "y1", source=made["percentiles"], line_color=look.ink, line_dash="dashed"
    )
    plot.add_layout(
        LabelSet(
            x="x",
            y="y1",
            text="text",
            text_align="align",
            y_offset=2,
            source=made["percentiles"],
            text_color=look.ink,
            text_font_size="11px",
        )
    )
    hover(
        plot, [bars], [("from", "@left{0.00} Å"), ("to", "@right{0.00} Å"), ("voxels", "@voxels")]
    )
    return Plot([plot], made)
