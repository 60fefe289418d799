"""The tab with the maps of a refinement: slices with the outlines of masks, and the surface in 3D."""

import html

import numpy as np
import panel as pn

from compute.files.errors import InputError
from compute.files.mrc import MapFile
from webapp.components.look import Look
from webapp.components.slice_viewer import SliceViewer, halves_and_more
from webapp.components.slices import sphere
from webapp.components.volume_viewer import VolumeViewer
from webapp.components.words import Words
from webapp.pages.background import Background
from webapp.pages.frame import card
from webapp.pages.refine_tabs import columns
from webapp.pages.shown import Shown
from webapp.pages.waiting import READING
from webapp.store import Store

DIAMETER = "mask diameter"
FSC_MASKS = {"envelope": "envelope of the FSC", "given": "mask of the FSC"}
"""What the outline of the FSC's mask is called, by what `Iteration.fsc_mask` says."""


class MapTab:
    """Slices of the half-maps, and the surface in 3D."""

    def __init__(self, shown: Shown, look: Look, store: Store, background: Background) -> None:
        self._store, self._background = store, background
        self._slices = SliceViewer(look, shown.file_name("slices"), (DIAMETER, *FSC_MASKS.values()))
        self._volume = VolumeViewer(look, shown.file_name("map"))
        self._note = Words(READING, sizing_mode="stretch_width")
        self.panel: pn.viewable.Viewable = columns(
            self._note,
            card(
                "Slices",
                self._slices,
                help_text="Greys span the same densities while a run goes on. Outlines show the circle of the mask "
                "diameter and, once the last iteration is done, the mask or envelope in which the headline "
                "resolution was measured.",
            ),
            card(
                "Surface",
                self._volume,
                help_text="Drag to turn, scroll to zoom, right-drag to move.",
            ),
        )

    def draw(self, shown: Shown) -> None:
        """Read the maps of this moment, then draw them."""
        paths = shown.half_maps()
        if paths is None:
            self._note.object = "<p class='faint'>The first maps come with the first iteration.</p>"
            return

        def read() -> tuple:
            try:
                half1, half2 = (self._store.map(path) for path in paths)
                final = shown.final_map()
                whole = self._store.map(final) if final is not None else None
                masks = self._masks(shown, half1)
            except InputError as error:
                return None, str(error)
            return (half1, half2, whole, masks), ""

        self._background.run("maps", read, lambda found: self._arrived(shown, *found))

    def _arrived(self, shown: Shown, halves: tuple | None, problem: str) -> None:
        self._note.object = f"<p class='notice warn'>{html.escape(problem)}</p>" if problem else ""
        paths = shown.half_maps()
        if halves is None or paths is None:
            return
        half1, half2, whole, masks = halves
        volumes = halves_and_more(half1.volume, half2.volume)
        if whole is not None:
            volumes = {"map": whole.volume, **volumes}
        self._slices.draw(volumes, _pixel_size_A(shown, half1), masks)
        urls = {f"half {n}": shown.map_url(path) for n, path in enumerate(paths, start=1)}
        final = shown.final_map()
        if final is not None and final.exists():
            urls = {"map": shown.map_url(final), **urls}
        self._volume.draw(urls)

    def _masks(self, shown: Shown, half: MapFile) -> dict[str, np.ndarray]:
        """The sphere of the mask diameter, and the mask of the headline resolution where its file is there."""
        masks = {}
        start, row = shown.records.start, shown.row
        diameter = start.particle_diameter_A if start else None
        if diameter:
            radius = diameter / 2 / _pixel_size_A(shown, half)
            masks[DIAMETER] = sphere(half.volume.shape[0], radius)
        path = shown.fsc_mask()
        if path is not None and row is not None and path.is_file():
            masks[FSC_MASKS[row.fsc_mask]] = self._store.map(path).volume
        return masks


def _pixel_size_A(shown: Shown, half: MapFile) -> float:
    """The pixel size of a map's header, else that of the particles."""
    start = shown.records.start
    return half.pixel_size_A or (start.pixel_size_A if start else None) or 1.0
