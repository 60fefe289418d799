"""Where the particles are seen from: maps of the sphere, for either half or both."""

import numpy as np
import panel as pn
import param
from bokeh.models import LogColorMapper
from bokeh.palettes import Viridis256

from compute.files.events import OrientationHistogram
from webapp.components import directions
from webapp.components.look import Data, Look, Plot, sources
from webapp.components.sphere_figure import sphere_figure
from webapp.components.words import Words

HALVES = {"both halves": 0, "half 1": 1, "half 2": 2}
VIEWS = {"Mollweide": "mollweide", "azimuth × elevation": "rectangle"}
SPREADS = {"as refined": False, "repeated by symmetry": True}
WIDE_GAP = 0.1
"""Emptier spheres get a warning."""


def counts_of(histogram: OrientationHistogram, half: int) -> np.ndarray:
    """Counts of one half (1, 2), or of both (0)."""
    counts = np.array(histogram.counts, dtype=np.int64)
    return counts.sum(axis=0) if half == 0 else counts[min(half, len(counts)) - 1]


def orientation_data(counts: np.ndarray, symmetry: str, view: str, is_repeated: bool) -> Data:
    """The picture and, where it is repeated by symmetry, the outline of one unit of it."""
    coarse = directions.coarse_counts(counts)
    if is_repeated:
        coarse = directions.by_symmetry(coarse, symmetry)
    drawn = getattr(directions, view)(coarse)
    image = np.where(drawn.image > 0, drawn.image, np.where(np.isnan(drawn.image), np.nan, 0.5))
    azimuth, elevation = directions.outline(symmetry) if is_repeated else ([], [])
    x, y = _projected(azimuth, elevation, view)
    return {
        "image": {
            "image": [image],
            "x": [-180.0],
            "y": [-90.0],
            "dw": [drawn.width_deg],
            "dh": [drawn.height_deg],
        },
        "outline": {"x": x, "y": y},
    }


def _projected(
    azimuth: list[float], elevation: list[float], view: str
) -> tuple[list[float], list[float]]:
    """A path of azimuths and elevations in the coordinates of a view, its sides finely divided."""
    if len(azimuth) < 2:
        return [], []
    steps = np.linspace(0, 1, 40)
    points = [
        (a0 + (a1 - a0) * s, e0 + (e1 - e0) * s)
        for a0, a1, e0, e1 in zip(azimuth, azimuth[1:], elevation, elevation[1:], strict=False)
        for s in steps
    ]
    path = np.radians(np.array(points))
    if view == "rectangle":
        return np.degrees(path[:, 0]).tolist(), np.degrees(path[:, 1]).tolist()
    angle = path[:, 1].copy()
    for _ in range(30):
        slope = np.maximum(2 + 2 * np.cos(2 * angle), 1e-9)
        angle -= (2 * angle + np.sin(2 * angle) - np.pi * np.sin(path[:, 1])) / slope
    angle = np.clip(angle, -np.pi / 2, np.pi / 2)
    x = 2 / np.pi * path[:, 0] * np.cos(angle)
    return (x * 90).tolist(), (np.sin(angle) * 90).tolist()


def orientation_plot(data: Data, look: Look, height: int = 330) -> Plot:
    """The picture with its colour bar; counts are on a logarithmic scale."""
    made = sources(data)
    mapper = LogColorMapper(palette=Viridis256, low=0.5, nan_color=(0, 0, 0, 0))
    plot = sphere_figure(look, "orientations", mapper, "particles", height)
    plot.image("image", "x", "y", "dw", "dh", source=made["image"], color_mapper=mapper)
    plot.line("x", "y", source=made["outline"], color=look.vermilion, width=1.6, line_dash="dashed")
    return Plot([plot], made)


def summary(histogram: OrientationHistogram, symmetry: str) -> str:
    """One or two sentences on how evenly the particles are seen from all sides."""
    counts = counts_of(histogram, 0)
    if not counts.sum():
        return "No orientations are known yet."
    number = directions.efficiency(counts, symmetry)
    empty = directions.empty_share(counts, symmetry)
    text = (
        f"Sampling efficiency {number:.2f} with symmetry {symmetry} (1 is uniform, 0 leaves part of "
        f"Fourier space empty)."
    )
    if empty > WIDE_GAP:
        text += f" No particle is seen from {empty:.0%} of all directions."
    return text


class OrientationView(pn.viewable.Viewer):
    """The picture with its switches; `draw` gives it another iteration's histogram."""

    half = param.Selector(default=0, objects=HALVES)
    view = param.Selector(default="mollweide", objects=VIEWS)
    is_repeated = param.Selector(default=False, objects=SPREADS)

    def __init__(self, symmetry: str, look: Look, **params: object) -> None:
        super().__init__(**params)
        self._symmetry = symmetry
        self._histogram: OrientationHistogram | None = None
        self._plot = orientation_plot(self._data(), look)
        self._words = Words("", css_classes=["summary"])
        switches = [
            pn.widgets.RadioButtonGroup.from_param(self.param[name], color="default")
            for name in ("view", "half", "is_repeated")
        ]
        self._panel = pn.Column(
            pn.FlexBox(*switches),
            pn.pane.Bokeh(self._plot.figures[0], sizing_mode="stretch_width"),
            self._words,
            sizing_mode="stretch_width",
        )

    def _data(self) -> Data:
        if self._histogram is None:
            empty: dict[str, list] = {"image": [], "x": [], "y": [], "dw": [], "dh": []}
            return {"image": empty, "outline": {"x": [], "y": []}}
        counts = counts_of(self._histogram, self.half)
        return orientation_data(counts, self._symmetry, self.view, self.is_repeated)

    def draw(self, histogram: OrientationHistogram | None) -> None:
        """Draw another histogram, and say how even it is."""
        self._histogram = histogram
        self._plot.draw(self._data())
        words = summary(histogram, self._symmetry) if histogram else "No orientations yet."
        self._words.object = f"<p>{words}</p>"

    @param.depends("half", "view", "is_repeated", watch=True)
    def _switched(self) -> None:
        self._plot.draw(self._data())

    def __panel__(self) -> pn.viewable.Viewable:
        return self._panel
