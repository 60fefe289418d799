"""The files that a form names: found by clicks on the server, their headers read away from the page."""

from collections.abc import Callable, Sequence
from pathlib import Path

import panel as pn

from compute.files.errors import InputError
from webapp.components.headers import MapHeader, ParticleHeader, map_header, particle_header
from webapp.components.parameter_form import ParameterForm
from webapp.pages.background import Background
from webapp.pages.browser import FileBrowser
from webapp.pages.frame import card
from webapp.reach import allowed

LOOKED_AT = ("particles", "reference")
"""The fields whose files say what the rest of the form means."""


class FormFiles:
    """Chooses files for fields and knows their headers; `looked` is told of each that was read.

    `place` gives the folder of the project, in which relative paths begin.
    """

    def __init__(
        self,
        form: ParameterForm,
        background: Background,
        place: Callable[[], Path | None],
        roots: tuple[Path, ...],
        looked: Callable[[str, str], None],
        closed: Sequence[Path] = (),
    ) -> None:
        self._form, self._background = form, background
        self._place, self._looked = place, looked
        self._headers: dict[str, ParticleHeader | MapHeader | None] = {}
        folder = place()
        self._roots = [*([folder] if folder is not None else []), *roots]
        self._closed = closed
        self._browser = FileBrowser(self._roots, background, self._taken, closed)
        self._browse_for = ""
        self.card: pn.Column = card("Choose a file", self._browser, visible=False)

    @property
    def particles(self) -> ParticleHeader | None:
        """The header of the particles, if they could be read."""
        found = self._headers.get("particles")
        return found if isinstance(found, ParticleHeader) else None

    @property
    def reference(self) -> MapHeader | None:
        """The header of the reference, if it could be read."""
        found = self._headers.get("reference")
        return found if isinstance(found, MapHeader) else None

    def look_at(self, name: str) -> None:
        """Read the header of the file that a field names."""
        text = str(self._form.fields[name].value or "")
        self._headers.pop(name, None)
        if not text:
            return
        path = self.absolute(text)

        def read() -> tuple[ParticleHeader | MapHeader | None, str]:
            try:
                real = allowed(path, self._roots, self._closed)
                return (particle_header(real) if name == "particles" else map_header(real)), ""
            except InputError as error:
                return None, str(error)

        def arrived(found: tuple[ParticleHeader | MapHeader | None, str]) -> None:
            self._headers[name] = found[0]
            self._looked(name, found[1])

        self._background.run(f"header {name}", read, arrived)

    def absolute(self, text: str) -> Path:
        """A path as the job will see it: relative ones begin in the project."""
        path = Path(text).expanduser()
        folder = self._place()
        return path if path.is_absolute() or folder is None else folder / path

    def relative(self, path: Path) -> str:
        """A path as a form names it: inside the project without the project's folder."""
        folder = self._place()
        if folder is not None and path.is_relative_to(folder.resolve()):
            return str(path.relative_to(folder.resolve()))
        return str(path)

    def browse(self, name: str, endings: tuple[str, ...]) -> None:
        """Open the browser for a field."""
        self._browse_for = name
        self.card.visible = True
        current = str(self._form.fields[name].value or "")
        start = self.absolute(current).parent if current else self._roots[0]
        self._browser.start(endings, start)

    def _taken(self, path: Path) -> None:
        self.card.visible = False
        self._form.fields[self._browse_for].set(self.relative(path))
