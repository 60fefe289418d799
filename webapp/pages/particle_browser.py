"""A table of all particles, page by page, with their images, beside the one that is chosen."""

import html
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

import numpy as np
import panel as pn

from compute.files.errors import InputError
from compute.params.preview import ParticleRequest
from webapp.components.particle_rows import (
    COLUMNS,
    EVERYBODY,
    FAR_ONES,
    NARROWING,
    PAGE_ROWS,
    ParticleRows,
    Range,
    pages,
)
from webapp.components.pictures import small, whole
from webapp.components.range_choice import RangeChoice
from webapp.components.side_by_side import side_by_side
from webapp.components.table import Table
from webapp.components.tick import Tick
from webapp.components.tiles import Tiles
from webapp.components.words import Words
from webapp.pages.background import Background
from webapp.preview import Answer, PreviewClient, PreviewError

LOWPASS_A = 20.0
PICTURE_PX = 240


class ParticleBrowser(pn.viewable.Viewer):
    """Sorted and cut on the server, so that the number of particles does not matter to the browser.

    `narrowed` hears of the range of values that is shown, `looked_at` of the values of the chosen particle.
    """

    def __init__(
        self,
        background: Background,
        previews: PreviewClient,
        name: str,
        narrowed: Callable[[str, float | None, float | None], None],
        looked_at: Callable[[Mapping[str, float | None]], None],
        **params: object,
    ) -> None:
        super().__init__(**params)
        self._background, self._previews = background, previews
        self._narrowed, self._looked_at = narrowed, looked_at
        self._rows: ParticleRows | None = None
        self._places = np.zeros(0, dtype=np.int64)
        self._chosen: int | None = None
        self._query: Mapping[str, object] = {}
        self._is_turning = False
        self._tiles_asked: tuple[ParticleRequest, ...] = ()
        self._which = pn.widgets.Select(
            label="Show", options=[EVERYBODY, FAR_ONES, "half 1", "half 2"], width=170
        )
        self._range = RangeChoice(self._arrange)
        self._page = pn.widgets.IntInput(label="Page", value=1, start=1, end=1, width=80)
        self._count = Words("", align="end")
        self._select = Words("", align="end")
        self._has_tiles = Tick(text="with images", align="end", margin=(5, 10))
        self._lowpass = pn.widgets.FloatSlider(
            label="Low-pass of the images (Å)", start=0, end=60, step=1, value=LOWPASS_A, width=200
        )
        self._tiles = Tiles(sizing_mode="stretch_width")
        self._table = Table(
            columns=COLUMNS,
            can_choose=True,
            is_remote=True,
            caption="particles",
            file_name=name,
            scroll_height=520,
            sizing_mode="stretch_width",
        )
        self._image = pn.pane.HTML(
            "<p class='faint'>Choose a row to see its image.</p>", min_width=PICTURE_PX + 20
        )
        self._wire()
        self._panel = pn.Column(
            pn.FlexBox(self._which, self._range, self._select, align_items="end"),
            pn.FlexBox(self._page, self._count, self._has_tiles, self._lowpass, align_items="end"),
            self._tiles,
            side_by_side(self._table, self._image),
            sizing_mode="stretch_width",
        )

    def _wire(self) -> None:
        self._which.param.watch(lambda _: self._arrange(), "value")
        self._page.param.watch(lambda _: self._turn(), "value")
        self._lowpass.param.watch(lambda _: self._filter_anew(), "value_throttled")
        self._has_tiles.param.watch(lambda _: self._draw_tiles(), "value")
        self._tiles.param.watch(lambda _: self._picked(self._tiles.chosen), "chosen")
        self._table.param.watch(lambda _: self._arrange(), ["order_key", "is_down"])
        self._table.param.watch(lambda _: self._picked(self._table.chosen), "chosen")

    def draw(self, rows: ParticleRows | None) -> None:
        """Other particles; the order and what is shown of them are kept."""
        self._rows = rows
        known = set() if rows is None else {*rows.columns, "image"}
        self._table.columns = [one for one in COLUMNS if one["key"] in known]
        self._range.offer([key for key in NARROWING if key in known])
        self._arrange(is_kept=True)

    def selects_from(self, query: Mapping[str, object]) -> None:
        """What the form of a selection from these particles is filled with, its conditions apart."""
        self._query = query

    def narrow(self, key: str, low: float, high: float) -> None:
        """Show only the particles in a range of values."""
        self._range.choose(Range(key, low, high))

    def show(self, row: int) -> None:
        """Turn to a row of the file (from 1) and show its image."""
        if not np.any(self._places == row - 1):
            self._range.choose(None)
            self._which.value = EVERYBODY
        found = np.flatnonzero(self._places == row - 1)
        if len(found):
            self._page.value = int(found[0]) // PAGE_ROWS + 1
            self._chosen = row - 1
            self._turn()
            self._show_image()

    def _arrange(self, is_kept: bool = False) -> None:
        """Sort and narrow down anew, and begin with the first page."""
        rows, wanted = self._rows, self._range.range
        if rows is None:
            self._places = np.zeros(0, dtype=np.int64)
        else:
            order, is_down = self._table.order_key, self._table.is_down
            self._places = rows.chosen(self._which.value, order, is_down, wanted)
        last = pages(len(self._places))
        self._is_turning = True
        self._page.param.update(end=last, value=min(self._page.value, last) if is_kept else 1)
        self._is_turning = False
        count = f"{len(self._places):,}".replace(",", " ")
        self._count.object = f"<p class='faint'>of {last}; {count} particles</p>"
        self._offer_selection(wanted)
        if wanted is None:
            self._narrowed("", None, None)
        else:
            self._narrowed(wanted.key, wanted.low, wanted.high)
        self._turn()

    def _offer_selection(self, wanted: Range | None) -> None:
        """The way to a job that keeps just the particles in the range, where a condition can say it."""
        condition = wanted.condition() if wanted is not None else ""
        if condition and self._query:
            address = html.escape(f"new?{urlencode({**self._query, 'conditions': condition})}")
            self._select.object = f'<a class="as-button" href="{address}">Keep only these …</a>'
        else:
            self._select.object = ""

    def _turn(self) -> None:
        """Send the rows of the page."""
        if self._is_turning:
            return
        places = self._on_page()
        lines = [] if self._rows is None else self._rows.lines(places)
        self._is_turning = True
        self._table.param.update(rows=lines, chosen=self._place_on_page())
        self._is_turning = False
        self._draw_tiles()

    def _on_page(self) -> np.ndarray:
        start = (int(self._page.value or 1) - 1) * PAGE_ROWS
        return self._places[start : start + PAGE_ROWS]

    def _place_on_page(self) -> int:
        """Where the chosen particle is on the page; -1 where it is not."""
        found = np.flatnonzero(self._on_page() == (-1 if self._chosen is None else self._chosen))
        return int(found[0]) if len(found) else -1

    def _picked(self, place: int) -> None:
        """A row, or a picture, was chosen."""
        if self._is_turning or not 0 <= place < len(self._on_page()):
            return
        self._chosen = int(self._on_page()[place])
        self._is_turning = True
        self._table.chosen = self._tiles.chosen = place
        self._is_turning = False
        self._show_image()

    def _filter_anew(self) -> None:
        self._show_image()
        self._draw_tiles()

    def _draw_tiles(self) -> None:
        """Show the images of the page, or none."""
        rows, places = self._rows, self._on_page()
        if rows is None or not self._has_tiles.value:
            self._tiles_asked = ()
            self._tiles.param.update(pictures=[], chosen=-1)
            return
        requests = [rows.request(int(place), float(self._lowpass.value)) for place in places]
        asked = tuple(requests)
        if asked == self._tiles_asked:
            self._is_turning = True
            self._tiles.chosen = self._place_on_page()
            self._is_turning = False
            return
        self._tiles_asked = asked

        def read() -> list[dict[str, Any]]:
            made = []
            for place, request in zip(places, requests, strict=True):
                if self._tiles_asked is not asked:  # another page is wanted by now
                    return []
                source = self._small(request)
                made.append({"src": source, "label": f"{place + 1}", "place": int(place)})
            return made

        self._background.run("particle images", read, self._tiles_arrived)

    def _small(self, request: ParticleRequest) -> str:
        """A particle's picture; empty where it cannot be read, which choosing it tells."""
        try:
            return small(self._previews.ask(request).arrays["readable"])
        except (PreviewError, InputError):
            return ""

    def _tiles_arrived(self, pictures: list[dict[str, Any]]) -> None:
        if [one["place"] for one in pictures] == self._on_page().tolist():
            self._is_turning = True
            self._tiles.param.update(pictures=pictures, chosen=self._place_on_page())
            self._is_turning = False

    def _show_image(self) -> None:
        rows, place = self._rows, self._chosen
        if rows is None or place is None or place >= len(rows.particles):
            return
        line = rows.lines(np.array([place]))[0]
        self._looked_at(line)
        request = rows.request(place, float(self._lowpass.value))

        def read() -> Answer | str:
            try:
                return self._previews.ask(request)
            except (PreviewError, InputError) as error:
                return str(error)

        self._background.run("particle image", read, lambda found: self._arrived(line, found))

    def _arrived(self, line: dict[str, Any], found: Answer | str) -> None:
        if isinstance(found, str):
            self._image.object = f'<p class="notice warn">{html.escape(found)}</p>'
            return
        lowpass = self._lowpass.value
        filtered = f"phases flipped, to {lowpass:g} Å" if lowpass else "phases flipped"
        self._image.object = (
            f"<h3>Row {line['row']}</h3><p class='faint'>{html.escape(line['image'])}</p>"
            + whole(found.arrays["image"], "as it is", PICTURE_PX)
            + whole(found.arrays["readable"], filtered, PICTURE_PX)
        )

    def __panel__(self) -> pn.viewable.Viewable:
        return self._panel
