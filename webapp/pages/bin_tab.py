"""The tab of a project's bin: its jobs are taken out again, or removed for good."""

import html
from collections.abc import Callable, Sequence
from functools import partial

import panel as pn

from compute.files.errors import InputError
from webapp import binning
from webapp.binning import Bin, Binned
from webapp.components.table import Table
from webapp.components.tick import Tick
from webapp.components.words import Words
from webapp.pages.background import Background
from webapp.pages.bin_words import bin_row, counted, problem_html, purge_html
from webapp.pages.common_tabs import size_words
from webapp.pages.frame import card
from webapp.purging import Remains
from webapp.store import Store

COLUMNS = [
    {"key": "number", "label": "Job", "kind": "number", "link": "url"},
    {"key": "title", "label": "Title", "link": "url"},
    {"key": "type", "label": "Type"},
    {"key": "state", "label": "State", "kind": "status"},
    {"key": "bytes", "label": "Size", "kind": "number", "text": "size"},
    {"key": "time", "label": "Put in"},
    {"key": "by", "label": "By"},
]
EXPLAINED = (
    "A job of the bin keeps its number and its files, in the project's folder Trash. Editors take it out again; "
    "owners remove it for good, which cannot be undone."
)
FORCED = "even if other jobs have read their files"


class BinTab(pn.viewable.Viewer):
    """What is in the bin. The buttons are about the row that is chosen: the job put in last, until another is."""

    def __init__(
        self, store: Store, background: Background, project_id: int, **params: object
    ) -> None:
        super().__init__(**params)
        self._store, self._background, self._project_id = store, background, project_id
        self._found: Bin | None = None
        self._table = Table(
            columns=COLUMNS,
            caption="jobs in the bin",
            file_name="bin",
            empty="The bin is empty.",
            can_choose=True,
            sizing_mode="stretch_width",
        )
        self._table.param.watch(lambda _: self._name_buttons(), "chosen")
        self._out = pn.widgets.Button(label="Take out", color="primary")
        self._out.on_click(lambda _: self._take_out())
        self._remove = pn.widgets.Button(label="Remove for good …")
        self._remove.on_click(lambda _: self._ask(self._chosen_alone()))
        self._empty = pn.widgets.Button(label="Empty the bin …", color="danger")
        self._empty.on_click(lambda _: self._ask(self._found.jobs if self._found else []))
        self._purging = Purging(store, background, self._purged)
        self._said = Words("", sizing_mode="stretch_width", visible=False)
        self._buttons = pn.FlexBox(self._out, self._remove, self._empty, visible=False)
        self._panel = card(
            "Bin", self._said, self._table, self._buttons, self._purging.panel, help_text=EXPLAINED
        )

    def draw(self, found: Bin) -> None:
        """Show what is in the bin now; the job that is chosen stays so."""
        chosen = self._chosen()
        self._found = found
        rows = [bin_row(one) for one in found.jobs]
        if rows != self._table.rows:
            self._table.rows = rows
        ids = [one.job.id for one in found.jobs]
        is_still_there = chosen is not None and chosen.job.id in ids
        place = ids.index(chosen.job.id) if chosen is not None and is_still_there else 0
        self._table.chosen = place if ids else -1
        self._buttons.visible = bool(ids) and found.can_take_out
        self._remove.visible = self._empty.visible = found.can_empty
        if not found.can_empty:
            self._purging.close()
        self._name_buttons()

    def _chosen(self) -> Binned | None:
        jobs = self._found.jobs if self._found is not None else []
        return jobs[self._table.chosen] if 0 <= self._table.chosen < len(jobs) else None

    def _chosen_alone(self) -> list[Binned]:
        chosen = self._chosen()
        return [chosen] if chosen is not None else []

    def _name_buttons(self) -> None:
        if (chosen := self._chosen()) is not None:
            self._out.label = f"Take {chosen.job.name} out"
            self._remove.label = f"Remove {chosen.job.name} for good …"

    def _take_out(self) -> None:
        """Take the chosen job out; a refusal is told in its own sentence."""
        if (chosen := self._chosen()) is None:
            return
        self._purging.close()
        try:
            job = binning.restore(self._store, chosen.job.id)
            link = f'<a href="job?id={job.id}">{html.escape(job.name)}</a>'
            self._say(f'<p class="notice good" role="status">{link} is out of the bin.</p>')
        except InputError as error:
            self._say(problem_html(error))
        self._look()

    def _ask(self, jobs: Sequence[Binned]) -> None:
        self._say("")
        self._purging.ask([one.job.id for one in jobs])

    def _purged(self, gone: Sequence[Remains]) -> None:
        size = size_words(sum(one.size_bytes for one in gone))
        self._say(
            f'<p class="notice good" role="status">{counted(gone)}, {size}, gone for good.</p>'
        )
        self._look()

    def _say(self, words: str) -> None:
        self._said.param.update(object=words, visible=bool(words))

    def _look(self) -> None:
        read = partial(binning.content, self._store, self._project_id)
        self._background.run("bin", read, self.draw)

    def __panel__(self) -> pn.viewable.Viewable:
        return self._panel


class Purging:
    """Asks whether jobs of the bin are to go for good, says what goes with them, and removes them."""

    def __init__(
        self, store: Store, background: Background, gone: Callable[[Sequence[Remains]], None]
    ) -> None:
        self._store, self._background, self._gone = store, background, gone
        self._ids: Sequence[int] = ()
        self._found: Sequence[Remains] = ()
        self._words = Words("", sizing_mode="stretch_width")
        self._forced = Tick(text=FORCED, visible=False, margin=(0, 10))
        self._do = pn.widgets.Button(label="Remove for good", color="danger")
        self._do.on_click(lambda _: self._remove())
        self._forced.param.watch(lambda _: self._allow(), "value")
        leave = pn.widgets.Button(label="Leave it there")
        leave.on_click(lambda _: self.close())
        self.panel = pn.Column(
            self._words,
            self._forced,
            pn.FlexBox(self._do, leave),
            sizing_mode="stretch_width",
            visible=False,
        )

    def ask(self, job_ids: Sequence[int]) -> None:
        """Look what would go, and ask; until that is shown nothing goes."""
        self._do.disabled = True
        look = partial(binning.remains, self._store, job_ids)
        self._background.run("remains", partial(_told, look), partial(self._show, job_ids))

    def close(self) -> None:
        """Ask no more."""
        self.panel.visible = False

    def _show(self, job_ids: Sequence[int], found: Sequence[Remains] | InputError) -> None:
        self._ids = job_ids
        if isinstance(found, InputError):
            self._found, self._words.object = (), problem_html(found)
        else:
            self._found, self._words.object = found, purge_html(found)
        is_read = any(one.readers for one in self._found)
        self._forced.param.update(value=False, visible=is_read)
        self._allow()
        self.panel.visible = True

    def _allow(self) -> None:
        """Nothing goes that a rule speaks against; what others have read, where that is wanted all the same."""
        against = [one for one in self._found if one.refusal]
        is_wanted = self._forced.value and all(one.readers for one in against)
        self._do.disabled = not self._found or bool(against and not is_wanted)

    def _remove(self) -> None:
        self._do.disabled = True
        purge = partial(binning.purge, self._store, self._ids, self._forced.value)
        self._background.run("purge", partial(_told, purge), self._removed)

    def _removed(self, found: Sequence[Remains] | InputError) -> None:
        if isinstance(found, InputError):
            self._show((), found)
            return
        self.close()
        self._gone(found)


def _told(act: Callable[[], Sequence[Remains]]) -> Sequence[Remains] | InputError:
    """What an act returns, or its refusal; for a thread, whose errors are failures of the page."""
    try:
        return act()
    except InputError as error:
        return error
