"""Choosing a file on the server: only below the allowed folders, with a look into its header."""

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import panel as pn
import param

from compute.files.errors import InputError
from webapp.components.headers import map_header, map_slices, particle_header, sample_images
from webapp.components.side_by_side import side_by_side
from webapp.components.table import Table
from webapp.components.words import Words
from webapp.pages.background import Background
from webapp.reach import allowed

MOST_ENTRIES = 2000


@dataclass(frozen=True, slots=True)
class Entry:
    """A folder or file in the browser."""

    name: str
    is_folder: bool
    megabytes: float | None
    time: str


def entries(
    folder: Path,
    roots: Sequence[Path],
    endings: tuple[str, ...],
    closed: Sequence[Path] = (),
) -> list[Entry]:
    """Folders and fitting files, folders first; what leads outside or is closed is left out. Raises InputError."""
    real = allowed(folder, roots, closed)
    found = []
    try:
        inside = sorted(real.iterdir(), key=lambda one: one.name.lower())[:MOST_ENTRIES]
    except OSError as error:
        raise InputError(f"{folder} cannot be read: {error.strerror}") from error
    for path in inside:
        if path.name.startswith("."):
            continue
        try:
            allowed(path, roots, closed)
            status = path.stat()
        except (InputError, OSError):
            continue
        is_folder = path.is_dir()
        if is_folder or path.suffix.lower() in endings:
            time = f"{datetime.fromtimestamp(status.st_mtime):%Y-%m-%d %H:%M}"
            size = None if is_folder else status.st_size / 1e6
            found.append(Entry(path.name, is_folder, size, time))
    return sorted(found, key=lambda one: not one.is_folder)


def preview(path: Path) -> str:
    """What a file's header says, with a picture. Raises InputError."""
    if path.suffix == ".star":
        header = particle_header(path)
        try:
            images = sample_images(path)
        except InputError as error:
            images = f'<p class="field-note bad">{html.escape(str(error))}</p>'
        return f"<p><b>{header.sentence()}</b>, {header.micrographs} micrographs</p>{images}"
    if path.suffix in (".mrc", ".map"):
        return f"<p><b>{map_header(path).sentence()}</b></p>{map_slices(path)}"
    return f"<p>{path.name}</p>"


class FileBrowser(pn.viewable.Viewer):
    """A folder at a time; a click opens a folder or shows a file, a button takes it."""

    folder = param.ClassSelector(class_=Path, default=Path("/"))

    def __init__(
        self,
        roots: Sequence[Path],
        background: Background,
        taken: Callable[[Path], None],
        closed: Sequence[Path] = (),
    ) -> None:
        super().__init__(folder=roots[0])
        self._roots, self._background, self._taken = list(roots), background, taken
        self._closed = closed
        self._endings: tuple[str, ...] = ()
        self._chosen: Path | None = None
        self._path = pn.widgets.TextInput(label="Folder", sizing_mode="stretch_width")
        self._is_opening = False
        self._path.param.watch(self._typed, "value")
        self._where = pn.FlexBox()
        self._table = Table(
            columns=[
                {"key": "shown", "label": "Name", "kind": "path"},
                {"key": "megabytes", "label": "Size", "unit": "MB", "kind": "number", "digits": 2},
                {"key": "time", "label": "Changed"},
            ],
            can_choose=True,
            has_tools=False,
            scroll_height=320,
            empty="No fitting file here.",
            sizing_mode="stretch_width",
        )
        self._table.param.watch(self._clicked, "chosen")
        self._preview = Words("", sizing_mode="stretch_width")
        self._take = pn.widgets.Button(label="Take this file", color="primary", disabled=True)
        self._take.on_click(lambda _: self._chosen is not None and self._taken(self._chosen))
        self._panel = pn.Column(
            self._where,
            self._path,
            side_by_side(
                pn.Column(self._table, sizing_mode="stretch_width"),
                pn.Column(self._preview, self._take, sizing_mode="stretch_width"),
                sizing_mode="stretch_width",
            ),
            sizing_mode="stretch_width",
        )

    def start(self, endings: tuple[str, ...], folder: Path) -> None:
        """Look for files with these endings, beginning in a folder."""
        self._endings = endings
        try:
            allowed(folder, self._roots, self._closed)
        except InputError:
            folder = self._roots[0]
        self.open(folder)

    def open(self, folder: Path) -> None:
        """Show a folder; one that is not allowed is refused in a sentence."""
        self._chosen, self._take.disabled = None, True
        try:
            found = entries(folder, self._roots, self._endings, self._closed)
        except InputError as error:
            self._preview.object = (
                f'<p class="notice bad" role="alert">{html.escape(str(error))}</p>'
            )
            return
        self._preview.object = ""
        self.folder = folder.resolve()
        self._is_opening = True
        self._path.value = str(self.folder)
        self._is_opening = False
        up = [{"name": "..", "shown": "⬆ up", "megabytes": None, "time": "", "folder": True}]
        is_root = any(self.folder == root.resolve() for root in self._roots)
        self._table.param.update(
            chosen=-1,
            rows=([] if is_root else up)
            + [
                {
                    "name": one.name,
                    "shown": f"📁 {one.name}" if one.is_folder else one.name,
                    "megabytes": one.megabytes,
                    "time": one.time,
                    "folder": one.is_folder,
                }
                for one in found
            ],
        )
        self._where[:] = [self._root_button(root) for root in self._roots]

    def _typed(self, event: param.parameterized.Event) -> None:
        if not self._is_opening:
            self.open(Path(event.new))

    def _root_button(self, root: Path) -> pn.widgets.Button:
        button = pn.widgets.Button(label=root.name or str(root))
        button.on_click(lambda _: self.open(root))
        return button

    def _clicked(self, event: param.parameterized.Event) -> None:
        if not 0 <= event.new < len(self._table.rows):
            return
        row = self._table.rows[event.new]
        path = self.folder / row["name"]
        if row["folder"]:
            self.open(path)
            return
        self._chosen, self._take.disabled = path, False
        self._preview.object = "<p class='faint'>Reading …</p>"

        def read() -> str:
            try:
                return preview(allowed(path, self._roots, self._closed))
            except InputError as error:
                return f'<p class="notice bad" role="alert">{html.escape(str(error))}</p>'

        self._background.run("preview", read, lambda text: setattr(self._preview, "object", text))

    def __panel__(self) -> pn.viewable.Viewable:
        return self._panel
