"""Two things that are done with a job as a whole: another title, and into the bin with it."""

import html
from collections.abc import Callable, Sequence

import panel as pn

from compute.files.errors import InputError
from db.models.jobs import Job
from db.repository.bin import DeletionPreview
from webapp import binning
from webapp.components.go import Go
from webapp.components.tick import Tick
from webapp.components.words import Words
from webapp.job_names import title_of, type_name
from webapp.pages.bin_words import problem_html
from webapp.pages.common_tabs import size_words
from webapp.store import Store
from webapp.views import JobView

NOTHING_LOST = (
    "Nothing is lost: folders move to the project's Trash, and come back when jobs are taken out."
)


class Renaming:
    """A button, and a field for the title that it opens; `rename` is told of the new one."""

    def __init__(self, rename: Callable[[str], None]) -> None:
        self._rename = rename
        self._view: JobView | None = None
        self.button = pn.widgets.Button(label="Rename …", margin=5)
        self.button.on_click(lambda _: self._open())
        self._title = pn.widgets.TextInput(label="Title", width=380, max_length=300)
        self._title.param.watch(lambda _: self._save(), "enter_pressed")
        save = pn.widgets.Button(label="Save the title", color="primary", align="end")
        save.on_click(lambda _: self._save())
        leave = pn.widgets.Button(label="Leave it", align="end")
        leave.on_click(lambda _: self.close())
        self.panel = pn.FlexBox(self._title, save, leave, align_items="end", visible=False)

    def draw(self, view: JobView) -> None:
        """Know the job as it is now; nothing is open to those who may not change it."""
        self._view = view
        self.panel.visible = self.panel.visible and view.can_edit

    def _open(self) -> None:
        if self._view is not None:
            job = self._view.job
            self._title.param.update(value=job.title, value_input=job.title)
            self._title.placeholder = type_name(job.type)
            self.panel.visible = True

    def _save(self) -> None:
        if self._view is not None and self.panel.visible:
            self.close()
            title = (self._title.value_input or "").strip()
            if title != self._view.job.title:
                self._rename(title)

    def close(self) -> None:
        """Ask no more."""
        self.panel.visible = False


class Binning:
    """A button, and what it opens: what would go into the bin, what speaks against it, and the way to do it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._view: JobView | None = None
        self.button = pn.widgets.Button(label="Put into the bin …", margin=5)
        self.button.on_click(lambda _: self._open())
        self._words = Words("", sizing_mode="stretch_width")
        self._wide = Tick(text="and all that follow from it", visible=False, margin=(0, 10))
        self._wide.param.watch(lambda _: self._show(), "value")
        self._do = pn.widgets.Button(label="Put into the bin", color="danger")
        self._do.on_click(lambda _: self._put())
        leave = pn.widgets.Button(label="Leave it there")
        leave.on_click(lambda _: self.close())
        self._go = Go()
        self.panel = pn.Column(
            self._words,
            self._wide,
            pn.FlexBox(self._do, leave),
            self._go,
            sizing_mode="stretch_width",
            visible=False,
        )

    def draw(self, view: JobView) -> None:
        """Know the job as it is now; what is open tells what holds now."""
        self._view = view
        if self.panel.visible and not view.can_edit:
            self.close()
        elif self.panel.visible:
            self._show()

    def _open(self) -> None:
        self._wide.param.update(value=False, visible=False)
        self._show()
        self.panel.visible = True

    def close(self) -> None:
        """Ask no more."""
        self.panel.visible = False

    def _show(self) -> None:
        """Tell what would happen."""
        if self._view is None:
            return
        try:
            found = binning.preview(self._store, self._view.job.id, self._wide.value)
        except InputError as error:
            self._words.object = problem_html(error)
            return
        self._wide.visible = bool(found.left_without_input) or self._wide.value
        self._do.disabled = bool(found.refusals)
        self._words.object = preview_html(found)

    def _put(self) -> None:
        """Do it; the page is opened anew, and tells the way back."""
        if self._view is None:
            return
        job_id = self._view.job.id
        try:
            binning.delete(self._store, job_id, self._wide.value)
        except InputError as error:
            self._words.object = problem_html(error)
            return
        self._go.address = f"job?id={job_id}"


def preview_html(found: DeletionPreview) -> str:
    """What would go into the bin, in sentences; or what speaks against it."""
    if found.refusals:
        lines = "".join(f"<li>{html.escape(one)}</li>" for one in found.refusals)
        return f'<div class="notice bad" role="alert">This cannot go into the bin:<ul>{lines}</ul></div>'
    size = f" ({size_words(found.disk_bytes)})" if found.disk_bytes else ""
    verb = "goes" if len(found.goes) == 1 else "go"
    sentences = [f"{listed(found.goes)}{size} {verb} into the bin. {NOTHING_LOST}"]
    if left := found.left_without_input:
        verb = "follows" if len(left) == 1 else "follow"
        sentences.append(f"{listed(left)} {verb} from it, and could not be repeated without it.")
    return f'<p class="notice warn" role="status">{" ".join(sentences)}</p>'


def listed(jobs: Sequence[Job]) -> str:
    """Jobs by number and title, as HTML."""
    return ", ".join(f"<b>{html.escape(title_of(job))}</b>" for job in jobs)
