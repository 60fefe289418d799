"""The page of a job that is in the bin."""

import html
from functools import partial

import panel as pn

from compute.files.errors import InputError
from webapp import binning
from webapp.actions import TRASH
from webapp.binning import Bin
from webapp.components.go import Go
from webapp.components.headline import status_word
from webapp.components.words import Words
from webapp.job_names import title_of
from webapp.pages.background import Background
from webapp.pages.bin_words import problem_html, when
from webapp.pages.moments import every
from webapp.store import Store

POLL_MS = 2000


class BinnedJobPage(pn.viewable.Viewer):
    """What the address of a job shows while that is in the bin: since when, and the way back.

    Once the job is taken out, by whomever, the browser goes to its page.
    """

    def __init__(self, store: Store, background: Background, found: Bin, **params: object) -> None:
        super().__init__(**params)
        self._store, self._background = store, background
        self.project, (one,) = found.project, found.jobs
        self.job, self.title = one.job, title_of(one.job)
        self._head = Words("", sizing_mode="stretch_width")
        self._problem = Words("", sizing_mode="stretch_width", visible=False)
        self._go = Go()
        self._out = pn.widgets.Button(label="Take it out", color="primary")
        self._out.on_click(lambda _: self._take_out())
        link = f'<a class="as-button" href="project?id={self.project.id}&tab=bin">Open the bin</a>'
        self._panel = pn.Column(
            self._head,
            pn.FlexBox(self._out, pn.pane.HTML(link, margin=(5, 5))),
            self._problem,
            self._go,
            css_classes=["card"],
            margin=6,
            sizing_mode="stretch_width",
        )
        self._draw(found)
        every(POLL_MS, self._look)

    def _look(self) -> None:
        if not self._background.is_busy("bin"):
            read = partial(binning.job_in_bin, self._store, self.job.id)
            self._background.run("bin", read, self._draw)

    def _draw(self, found: Bin | None) -> None:
        if found is None:
            self._leave()
            return
        self._out.visible = found.can_take_out
        words = _head_html(found)
        if words != self._head.object:
            self._head.object = words

    def _take_out(self) -> None:
        try:
            binning.restore(self._store, self.job.id)
        except InputError as error:
            self._problem.param.update(object=problem_html(error), visible=True)
            return
        self._leave()

    def _leave(self) -> None:
        self._go.address = f"job?id={self.job.id}"

    def __panel__(self) -> pn.viewable.Viewable:
        return self._panel


def _head_html(found: Bin) -> str:
    """The head of the page: the job, since when it is in the bin, and where its files are."""
    (one,) = found.jobs
    state = status_word(one.job)
    by = f", put there by {html.escape(one.by)}" if one.by else ""
    folder = html.escape(f"{TRASH}/{one.job.folder}")
    return (
        f'<div class="hero"><div><div class="title"><h1>{html.escape(title_of(one.job))}</h1>'
        f'<span class="chip {state.split()[0]}">{state}</span></div>'
        f'<p class="sentence" role="status">In the bin since {when(one)}{by}.</p>'
        f'<div class="facts">{folder}</div></div></div>'
    )
