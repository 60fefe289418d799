"""What can be done with a job: stop, continue, clone, rename, the bin, and the steps that come next."""

import html
from collections.abc import Callable
from urllib.parse import urlencode

import panel as pn

from compute.files.errors import InputError
from db.words import State
from webapp.components.words import Words
from webapp.pages.bin_words import problem_html
from webapp.pages.job_keeping import Binning, Renaming
from webapp.pages.next_steps import next_steps
from webapp.pages.shown import Shown
from webapp.store import Store
from webapp.views import can_continue, can_stop


class Actions(pn.viewable.Viewer):
    """Buttons, those that make sense in the job's present state.

    The buttons are made once: one that is pressed in the moment in which the state changes still does what it says.
    """

    def __init__(self, store: Store, changed: Callable[[], None], **params: object) -> None:
        super().__init__(**params)
        self._store, self._changed = store, changed
        self._shown: Shown | None = None
        self._signature: tuple = ()
        self._problem = Words("", sizing_mode="stretch_width", visible=False)
        self._stop_button = _button("Stop …", self._ask_to_stop, "danger")
        self._continue_button = _button("Continue", self._continue, "primary")
        self._buttons = pn.FlexBox()
        self._stop_later = _button(
            "Stop after this iteration (keeps everything)", lambda: self._stop(at_once=False)
        )
        self._stop_now = _button("Stop now", lambda: self._stop(at_once=True), "danger")
        self._confirm = pn.FlexBox(
            self._stop_later,
            self._stop_now,
            _button("Go on", lambda: setattr(self._confirm, "visible", False)),
            visible=False,
        )
        self._renaming = Renaming(self._rename)
        self._binning = Binning(store)
        self._renaming.button.on_click(lambda _: self._binning.close())
        self._binning.button.on_click(lambda _: self._renaming.close())
        self._panel = pn.Column(
            self._buttons,
            self._confirm,
            self._renaming.panel,
            self._binning.panel,
            self._problem,
            sizing_mode="stretch_width",
        )

    def draw(self, shown: Shown) -> None:
        """Offer what this moment allows; buttons stay as they are where that is the same."""
        self._shown = shown
        stops = can_stop(shown.view)
        continues = can_continue(shown.view, shown.records)
        row = shown.row
        is_inner = row is not None and not row.is_final
        after = row.iteration if continues and row is not None and is_inner else None
        edits = shown.view.can_edit
        signature = (shown.view.job.state, stops, after, edits, shown.view.job.title)
        if signature == self._signature:
            return
        self._signature = signature
        self._confirm.visible = self._confirm.visible and stops
        self._renaming.draw(shown.view)
        self._binning.draw(shown.view)
        buttons: list[object] = []
        if stops:
            is_waiting = shown.view.job.state == State.WAITING
            self._stop_button.label = "Take out of the queue …" if is_waiting else "Stop …"
            self._stop_now.label = "Take out of the queue" if is_waiting else "Stop now"
            self._stop_later.visible = shown.view.job.type == "refine" and not is_waiting
            buttons.append(self._stop_button)
        if after is not None:
            self._continue_button.label = f"Continue after iteration {after}"
            buttons.append(self._continue_button)
        if edits:
            buttons.append(_link("Clone", "new", {"from": shown.view.job.id}))
        buttons += [
            _link(text, "new", query)
            for text, query in next_steps(shown.view, self._store.job_types)
        ]
        if edits:
            buttons += [self._renaming.button, self._binning.button]
        self._buttons[:] = buttons

    def _ask_to_stop(self) -> None:
        self._confirm.visible = True

    def _stop(self, at_once: bool) -> None:
        self._confirm.visible = False
        self._try(lambda shown: self._store.stop(shown.view.job.id, at_once))

    def _continue(self) -> None:
        def ask(shown: Shown) -> object:
            assert shown.row is not None
            return self._store.continue_job(shown.view.job.id, shown.row.iteration)

        self._try(ask)

    def _rename(self, title: str) -> None:
        self._try(lambda shown: self._store.rename(shown.view.job.id, title))

    def _try(self, ask: Callable[[Shown], object]) -> None:
        """Ask for a change; a refusal is told in its own sentence."""
        if self._shown is None:
            return
        try:
            ask(self._shown)
            self._problem.param.update(object="", visible=False)
        except InputError as error:
            self._problem.param.update(object=problem_html(error), visible=True)
        self._signature = ()
        self._changed()

    def __panel__(self) -> pn.viewable.Viewable:
        return self._panel


def _button(text: str, action: Callable[[], None], kind: str = "default") -> pn.widgets.Button:
    button = pn.widgets.Button(label=text, color=kind, margin=5)
    button.on_click(lambda _: action())
    return button


def _link(text: str, page: str, query: dict[str, object]) -> pn.pane.HTML:
    """A link that looks like a button."""
    return pn.pane.HTML(
        f'<a class="as-button" href="{page}?{html.escape(urlencode(query))}">{text}</a>',
        margin=5,
    )
