"""The maps that a job of one process has made: slices with the outline of the mask, and the surface."""

import html
from pathlib import Path

import panel as pn

from compute.files.errors import InputError
from compute.files.mrc import MapFile
from webapp.components.look import Look
from webapp.components.slice_viewer import SliceViewer
from webapp.components.volume_viewer import VolumeViewer
from webapp.components.words import Words
from webapp.pages.background import Background
from webapp.pages.frame import card
from webapp.pages.refine_tabs import columns
from webapp.pages.shown import Shown
from webapp.store import Store

MASK = "mask"


class MapsTab:
    """The first map among a job's outputs, with the mask that the job was given."""

    def __init__(self, shown: Shown, look: Look, store: Store, background: Background) -> None:
        self._store, self._background = store, background
        self._slices = SliceViewer(look, shown.file_name("slices"), (MASK,))
        self._volume = VolumeViewer(look, shown.file_name("map"))
        self._note = Words("", sizing_mode="stretch_width")
        self.panel: pn.viewable.Viewable = columns(
            self._note,
            card("Slices", self._slices),
            card(
                "Surface",
                self._volume,
                help_text="Drag to turn, scroll to zoom, right-drag to move.",
            ),
        )

    def draw(self, shown: Shown) -> None:
        """Read the map and the mask, then draw them."""
        folder = Path(shown.view.project.folder)
        made = [folder / node.path for node in shown.view.outputs if node.content == "map"]
        given = str(shown.view.job.parameters.get("mask") or "")
        if not made:
            self._note.object = "<p class='faint'>The map is shown once the job has finished.</p>"
            return

        def read() -> tuple[MapFile | None, MapFile | None, str]:
            try:
                mask = self._store.map(folder / given) if given else None
                return self._store.map(made[0]), mask, ""
            except InputError as error:
                return None, None, str(error)

        self._background.run("maps", read, lambda found: self._arrived(shown, made[0], *found))

    def _arrived(
        self, shown: Shown, path: Path, found: MapFile | None, mask: MapFile | None, problem: str
    ) -> None:
        self._note.object = f"<p class='notice warn'>{html.escape(problem)}</p>" if problem else ""
        if found is None:
            return
        masks = {} if mask is None else {MASK: mask.volume}
        self._slices.draw({"map": found.volume}, found.pixel_size_A or 1.0, masks)
        self._volume.draw({"map": shown.map_url(path)})
