"""The button that makes the demo project and takes the visitor to its refinement."""

import html

import panel as pn

from compute.files.errors import InputError
from webapp.components.go import Go
from webapp.demo_jobs import REFINE, SIMULATE
from webapp.store import Store


class DemoStarter(pn.viewable.Viewer):
    """One button, which leads to the running refinement."""

    def __init__(self, store: Store, **params: object) -> None:
        super().__init__(**params)
        self._store = store
        self._button = pn.widgets.Button(label="Try the demo", color="primary")
        self._button.on_click(lambda _: self._start())
        self._words = pn.pane.HTML(
            "<p class='faint'>Simulates 600 images of a D2 phantom and refines them on this machine: "
            "a few minutes, nothing to fill in.</p>",
            sizing_mode="stretch_width",
        )
        self._go = Go()
        self._panel = pn.Column(self._button, self._words, self._go, sizing_mode="stretch_width")

    def _start(self) -> None:
        self._button.disabled = True
        try:
            job = self._store.start_demo(SIMULATE, REFINE)
        except (InputError, OSError) as error:
            self._button.disabled = False
            self._words.object = f'<p class="notice bad" role="alert">{html.escape(str(error))}</p>'
            return
        address = f"job?id={job.id}"
        link = f'<a href="{address}">its refinement</a>'
        self._words.object = f'<p class="notice good">The demo is in the queue: {link}</p>'
        self._go.address = address

    def __panel__(self) -> pn.viewable.Viewable:
        return self._panel
