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
from webapp.pages.waiting import READING, result_words
from webapp.store import Store

MASK = "mask"
CONTENTS = ("map", "half map", "mask")


class MapsTab:
    """One of a job's maps, the first until another is chosen, with the mask that the job was given."""

    def __init__(self, shown: Shown, look: Look, store: Store, background: Background) -> None:
        self._store, self._background, self._shown = store, background, shown
        self._slices = SliceViewer(look, shown.file_name("slices"), (MASK,))
        self._volume = VolumeViewer(look, shown.file_name("map"))
        self._note = Words(READING, sizing_mode="stretch_width")
        self._choice = pn.widgets.Select(label="File", options=[], width=380, visible=False)
        self._choice.param.watch(lambda _: self._read(), "value")
        self._cards = columns(
            self._choice,
            card("Slices", self._slices),
            card(
                "Surface",
                self._volume,
                help_text="Drag to turn, scroll to zoom, right-drag to move.",
            ),
        )
        self._cards.visible = False
        self.panel: pn.viewable.Viewable = columns(self._note, self._cards)

    def draw(self, shown: Shown) -> None:
        """Offer the maps that there are, then read the chosen one with the mask, and draw them."""
        self._shown = shown
        made = [node.path for node in shown.view.outputs if node.content in CONTENTS]
        names = {Path(path).name: path for path in made if (self._project / path).exists()}
        if not names:
            self._note.object = result_words(shown, None)
            return
        known = dict(self._choice.options) if self._choice.options else {}
        if names == known:
            self._read()
            return
        self._choice.visible = len(names) > 1
        value = self._choice.value if self._choice.value in names.values() else made[0]
        is_other = value != self._choice.value
        self._choice.param.update(options=names, value=value)
        if not is_other:
            self._read()

    @property
    def _project(self) -> Path:
        return Path(self._shown.view.project.folder)

    def _read(self) -> None:
        """Read the chosen map and the mask."""
        shown, path = self._shown, self._project / self._choice.value
        given = str(shown.view.job.parameters.get("mask") or "")
        mask_path = self._project / given if given else None

        def read() -> tuple[MapFile | None, MapFile | None, str]:
            try:
                mask = self._store.map(mask_path) if mask_path is not None else None
                return self._store.map(path), mask, ""
            except InputError as error:
                return None, None, str(error)

        self._background.run("maps", read, lambda found: self._arrived(shown, path, *found))

    def _arrived(
        self, shown: Shown, path: Path, found: MapFile | None, mask: MapFile | None, problem: str
    ) -> None:
        self._note.object = f"<p class='notice warn'>{html.escape(problem)}</p>" if problem else ""
        self._cards.visible = found is not None
        if found is None:
            return
        masks = {} if mask is None else {MASK: mask.volume}
        self._slices.draw({"map": found.volume}, found.pixel_size_A or 1.0, masks)
        self._volume.draw({"map": shown.map_url(path)})
