"""A table of all particles, page by page, beside the image of the one that is chosen."""

import base64
import html
import io
from typing import Any

import numpy as np
import panel as pn
from PIL import Image

from compute.files.errors import InputError
from webapp.components.particle_rows import (
    COLUMNS,
    EVERYBODY,
    FAR_ONES,
    PAGE_ROWS,
    ParticleRows,
    pages,
)
from webapp.components.table import Table
from webapp.pages.background import Background
from webapp.preview import Answer, PreviewClient, PreviewError

LOWPASS_A = 20.0
PICTURE_PX = 240


class ParticleBrowser(pn.viewable.Viewer):
    """Sorted and cut on the server, so that the number of particles does not matter to the browser."""

    def __init__(
        self, background: Background, previews: PreviewClient, name: str, **params: object
    ) -> None:
        super().__init__(**params)
        self._background, self._previews = background, previews
        self._rows: ParticleRows | None = None
        self._places = np.zeros(0, dtype=np.int64)
        self._chosen: int | None = None
        self._is_turning = False
        self._which = pn.widgets.Select(
            label="Show", options=[EVERYBODY, FAR_ONES, "half 1", "half 2"], width=190
        )
        self._page = pn.widgets.IntInput(label="Page", value=1, start=1, end=1, width=90)
        self._count = pn.pane.HTML("", align="end")
        self._lowpass = pn.widgets.FloatSlider(
            label="Low-pass of the image (Å)", start=0, end=60, step=1, value=LOWPASS_A, width=220
        )
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
        self._which.param.watch(lambda _: self._arrange(), "value")
        self._page.param.watch(lambda _: self._turn(), "value")
        self._lowpass.param.watch(lambda _: self._show_image(), "value_throttled")
        self._table.param.watch(lambda _: self._arrange(), ["order_key", "is_down"])
        self._table.param.watch(lambda _: self._picked(), "chosen")
        self._panel = pn.Column(
            pn.FlexBox(self._which, self._page, self._count, self._lowpass, align_items="end"),
            pn.Row(self._table, self._image, sizing_mode="stretch_width"),
            sizing_mode="stretch_width",
        )

    def draw(self, rows: ParticleRows | None) -> None:
        """Other particles; the order and what is shown of them are kept."""
        self._rows = rows
        known = set() if rows is None else {*rows.columns, "image"}
        self._table.columns = [one for one in COLUMNS if one["key"] in known]
        self._arrange(is_kept=True)

    def show(self, row: int) -> None:
        """Turn to a row of the file (from 1) and show its image."""
        self._which.value = EVERYBODY
        found = np.flatnonzero(self._places == row - 1)
        if len(found):
            self._page.value = int(found[0]) // PAGE_ROWS + 1
            self._chosen = row - 1
            self._turn()
            self._show_image()

    def _arrange(self, is_kept: bool = False) -> None:
        """Sort and narrow down anew, and begin with the first page."""
        rows = self._rows
        if rows is None:
            self._places = np.zeros(0, dtype=np.int64)
        else:
            order, is_down = self._table.order_key, self._table.is_down
            self._places = rows.chosen(self._which.value, order, is_down)
        last = pages(len(self._places))
        self._is_turning = True
        self._page.param.update(end=last, value=min(self._page.value, last) if is_kept else 1)
        self._is_turning = False
        count = f"{len(self._places):,}".replace(",", " ")
        self._count.object = f"<p class='faint'>of {last}; {count} particles</p>"
        self._turn()

    def _turn(self) -> None:
        """Send the rows of the page."""
        if self._is_turning:
            return
        start = (int(self._page.value or 1) - 1) * PAGE_ROWS
        places = self._places[start : start + PAGE_ROWS]
        lines = [] if self._rows is None else self._rows.lines(places)
        chosen = np.flatnonzero(places == (-1 if self._chosen is None else self._chosen))
        self._is_turning = True
        self._table.param.update(rows=lines, chosen=int(chosen[0]) if len(chosen) else -1)
        self._is_turning = False

    def _picked(self) -> None:
        """A row was chosen."""
        if self._is_turning or not 0 <= self._table.chosen < len(self._table.rows):
            return
        self._chosen = int(self._table.rows[self._table.chosen]["row"]) - 1
        self._show_image()

    def _show_image(self) -> None:
        rows, place = self._rows, self._chosen
        if rows is None or place is None or place >= len(rows.particles):
            return
        request = rows.request(place, float(self._lowpass.value))

        def read() -> Answer | str:
            try:
                return self._previews.ask(request)
            except (PreviewError, InputError) as error:
                return str(error)

        line = rows.lines(np.array([place]))[0]
        self._background.run("particle image", read, lambda found: self._arrived(line, found))

    def _arrived(self, line: dict[str, Any], found: Answer | str) -> None:
        if isinstance(found, str):
            self._image.object = f'<p class="notice warn">{html.escape(found)}</p>'
            return
        lowpass = self._lowpass.value
        filtered = f"phases flipped, to {lowpass:g} Å" if lowpass else "phases flipped"
        self._image.object = (
            f"<h3>Row {line['row']}</h3><p class='faint'>{html.escape(line['image'])}</p>"
            + picture(found.arrays["image"], "as it is")
            + picture(found.arrays["readable"], filtered)
        )

    def __panel__(self) -> pn.viewable.Viewable:
        return self._panel


def picture(grey: np.ndarray, text: str) -> str:
    """A grey picture, y upwards, as an HTML element."""
    return (
        f'<figure><img alt="{html.escape(text)}" width="{PICTURE_PX}" src="{png(grey)}">'
        f"<figcaption>{html.escape(text)}</figcaption></figure>"
    )


def png(grey: np.ndarray) -> str:
    """A grey picture, y upwards, as an address that holds it whole."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(grey[::-1])).save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
