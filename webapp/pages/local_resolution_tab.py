"""Local resolution: coloured slices, the histogram with its percentiles, and the coloured surface."""

import html
import json
from pathlib import Path
from typing import Any

import panel as pn

from compute.files.errors import InputError
from webapp.components.colour_slices import ColourSlices
from webapp.components.local_resolution import PALETTE, histogram_data, histogram_plot
from webapp.components.look import Look, Plot
from webapp.components.volume_viewer import Tint, VolumeViewer
from webapp.pages.background import Background
from webapp.pages.frame import card
from webapp.pages.refine_tabs import columns, pane
from webapp.pages.shown import Shown
from webapp.pages.waiting import READING, result_words, said
from webapp.store import Store

COLOURS = 32
"""That many of the palette's colours are enough for a surface."""


class LocalResolutionTab:
    """What a job of local resolution has made."""

    def __init__(self, shown: Shown, look: Look, store: Store, background: Background) -> None:
        self._look, self._store, self._background = look, store, background
        self._slices = ColourSlices(look, shown.file_name("local_resolution"), self._rescaled)
        self._volume = VolumeViewer(look, shown.file_name("local_resolution_3d"))
        self._histogram: Plot | None = None
        self._summary: dict[str, Any] = {}
        self._urls = ("", "")
        self._words = said(READING)
        self._figures = pn.Column(sizing_mode="stretch_width")
        self.panel: pn.viewable.Viewable = columns(self._words, self._figures)

    def draw(self, shown: Shown) -> None:
        """Read the job's maps and figures, then draw them."""
        root = shown.view.root
        names = {
            ending: root.with_name(f"{root.name}_locres{ending}")
            for ending in (".mrc", "_filtered.mrc", ".json")
        }
        if not names[".json"].exists():
            self._words.object = result_words(shown, names[".json"])
            return
        given = str(shown.view.job.parameters.get("mask") or "")
        mask_path = Path(shown.view.project.folder) / given if given else None

        def read() -> tuple | str:
            try:
                maps = [self._store.map(names[ending]) for ending in ("_filtered.mrc", ".mrc")]
                mask = self._store.map(mask_path) if mask_path is not None else None
                return (*maps, mask, json.loads(names[".json"].read_text()))
            except (InputError, OSError) as error:
                return str(error)

        self._urls = shown.map_url(names["_filtered.mrc"]), shown.map_url(names[".mrc"])
        self._background.run("local resolution", read, lambda found: self._arrived(shown, found))

    def _arrived(self, shown: Shown, found: tuple | str) -> None:
        if isinstance(found, str):
            self._words.object = f'<p class="notice warn">{html.escape(found)}</p>'
            return
        filtered, resolution, mask, summary = found
        self._summary = summary
        ends = (summary["percentiles_A"]["5"], summary["percentiles_A"]["95"])
        self._words.object = words(summary)
        weight = (
            mask.volume if mask is not None and mask.volume.shape == filtered.volume.shape else None
        )
        self._slices.draw(
            filtered.volume, resolution.volume, weight, filtered.pixel_size_A or 1.0, ends
        )
        name = shown.file_name("local_resolution_histogram")
        self._histogram = histogram_plot(histogram_data(summary, ends), self._look, name)
        self._figures[:] = [
            card(
                "Slices in colours",
                self._slices,
                sub="brightness is the locally filtered density, colour the local resolution",
            ),
            card(
                "How much of the map has which resolution",
                pane(self._histogram.figures[0]),
                sub="voxels inside the mask",
            ),
            card("Surface in the same colours", self._volume),
        ]
        self._tint(ends)

    def _rescaled(self, ends_A: tuple[float, float]) -> None:
        if self._histogram is not None:
            self._histogram.draw(histogram_data(self._summary, ends_A))
        self._tint(ends_A)

    def _tint(self, ends_A: tuple[float, float]) -> None:
        colours = tuple(PALETTE[n * 255 // (COLOURS - 1)] for n in range(COLOURS))
        self._volume.draw({"map": self._urls[0]}, Tint(self._urls[1], *ends_A, colours))


def words(summary: dict[str, Any]) -> str:
    """The figures in a sentence or two."""
    ends = summary["percentiles_A"]
    return (
        f'<p class="notice">Median <b>{summary["median_A"]:.2f} Å</b>; nine tenths of the map lie between '
        f"<b>{ends['5']:.2f} and {ends['95']:.2f} Å</b>, half between {ends['25']:.2f} and {ends['75']:.2f} Å. "
        f"The whole map has {summary['whole_map_A']:.2f} Å. Measured at {summary['points']} points in soft "
        f"spheres of {summary['window_A']:.0f} Å, {summary['step_A']:.1f} Å apart, where the local FSC falls below "
        f"{summary['threshold']:g}.</p>"
    )
