"""One slice of a map: grey or coloured picture, outlines of masks with their legend, scale bar and place."""

from collections.abc import Mapping, Sequence

import numpy as np
from bokeh.models import ColorMapper, ColumnDataSource, LabelSet, Legend, LegendItem, Range1d
from bokeh.plotting import figure

from webapp.components.look import Look, new_figure
from webapp.components.slices import plane_outline, round_length_A

ACROSS_AND_UP = {"X": ("y", "z"), "Y": ("x", "z"), "Z": ("x", "y")}
OUTLINE_COLOURS = ("#ffd34d", "#56e0ff", "#ff8ad4")
"""Bright on grey, in the order in which outlines are given."""
OUTLINE_DASHES = ("dashed", "solid", "dotdash")


class SliceFigure:
    """A square figure whose picture, outlines, place and scale bar are replaced as data.

    A picture is grey values (with a colour mapper) or RGBA numbers (without one).
    """

    def __init__(
        self,
        look: Look,
        axis: str,
        name: str,
        mapper: ColorMapper | None,
        outlines: Sequence[str] = (),
    ) -> None:
        self.axis = axis
        across, up = ACROSS_AND_UP[axis]
        self.image = ColumnDataSource(
            {key: [] for key in ("image", "x", "y", "dw", "dh")}, name=f"slice_{axis}"
        )
        self._lines = {
            text: ColumnDataSource({"xs": [], "ys": []}, name=f"outline {text} {axis}")
            for text in outlines
        }
        self._items: dict[str, LegendItem] = {}
        self._bar = ColumnDataSource({key: [] for key in ("x0", "x1", "y", "text")})
        self._place = ColumnDataSource({key: [] for key in ("x", "y", "text")})
        self._extent_A = 0.0
        self.figure = new_figure(
            look,
            f"{name}_{axis}",
            f"{across} (Å)",
            f"{up} (Å)",
            300,
            x_range=Range1d(0, 1),
            y_range=Range1d(0, 1),
            match_aspect=True,
        )
        self._dress()
        fields = ("image", "x", "y", "dw", "dh")
        if mapper is None:
            self.figure.image_rgba(*fields, source=self.image)
        else:
            self.figure.image(*fields, source=self.image, color_mapper=mapper)
        self._add_outlines()
        self.figure.segment(
            "x0", "y", "x1", "y", source=self._bar, line_color="#ffffff", line_width=4
        )
        self.figure.add_layout(_labels(self._bar, "x0", 12))
        self.figure.add_layout(_labels(self._place, "x", 13))

    def _dress(self) -> None:
        plot: figure = self.figure
        plot.height, plot.aspect_ratio, plot.height_policy = None, 1, "auto"
        plot.sizing_mode, plot.max_width = "scale_width", 480
        plot.axis.visible = False
        plot.min_border = 2
        plot.toolbar_location = None
        plot.grid.visible = False

    def _add_outlines(self) -> None:
        for n, (text, source) in enumerate(self._lines.items()):
            drawn = self.figure.multi_line(
                "xs",
                "ys",
                source=source,
                line_color=OUTLINE_COLOURS[n % len(OUTLINE_COLOURS)],
                line_dash=OUTLINE_DASHES[n % len(OUTLINE_DASHES)],
                line_width=1.6,
            )
            self._items[text] = LegendItem(label=text, renderers=[drawn], visible=False)
        if self._items:
            self.figure.add_layout(
                Legend(
                    items=list(self._items.values()),
                    location="bottom_right",
                    background_fill_color="#000000",
                    background_fill_alpha=0.45,
                    label_text_color="#ffffff",
                    label_text_font_size="10px",
                    border_line_color=None,
                    padding=3,
                    margin=4,
                    spacing=0,
                    glyph_width=18,
                )
            )

    def draw(
        self,
        picture: np.ndarray,
        pixel_size_A: float,
        index: int,
        masks: Mapping[str, np.ndarray],
    ) -> None:
        """Another picture at a place along the axis, with planes of masks (0 to 1) by their names."""
        box = picture.shape[0]
        extent = box * pixel_size_A
        self.image.data = {
            "image": [picture],
            "x": [0.0],
            "y": [0.0],
            "dw": [extent],
            "dh": [extent],
        }
        place = (index - box // 2) * pixel_size_A
        self._place.data = {
            "x": [0.04 * extent],
            "y": [0.92 * extent],
            "text": [f"{self.axis} {place:+.0f} Å"],
        }
        for text, source in self._lines.items():
            xs, ys = plane_outline(masks[text], pixel_size_A) if text in masks else ([], [])
            source.data = {"xs": xs, "ys": ys}
            self._items[text].visible = text in masks
        if extent != self._extent_A:
            self._frame(extent)

    def _frame(self, extent_A: float) -> None:
        """Ranges and scale bar for another extent."""
        self._extent_A = extent_A
        self.figure.x_range.update(start=0, end=extent_A)
        self.figure.y_range.update(start=0, end=extent_A)
        length, left = round_length_A(extent_A), 0.04 * extent_A
        self._bar.data = {
            "x0": [left],
            "x1": [left + length],
            "y": [0.045 * extent_A],
            "text": [f"{length:g} Å"],
        }


def _labels(source: ColumnDataSource, x: str, size: int) -> LabelSet:
    return LabelSet(
        x=x,
        y="y",
        text="text",
        y_offset=5,
        source=source,
        text_color="#ffffff",
        text_font_size=f"{size}px",
        text_font_style="bold",
    )
