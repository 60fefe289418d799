"""The files that a form names: found by clicks on the server, looked at away from the page."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import panel as pn

from compute.files.errors import InputError
from compute.files.given_text import is_there
from webapp.components.fields import Field
from webapp.components.headers import MapHeader, ParticleHeader, map_header, particle_header
from webapp.components.parameter_form import ParameterForm
from webapp.pages.background import Background
from webapp.pages.browser import FileBrowser
from webapp.pages.frame import card
from webapp.reach import allowed

PARTICLES = ("particles", "match_particles")
MAPS = (
    "reference",
    "reference_half1",
    "reference_half2",
    "solvent_mask",
    "mask",
    "map",
    "half1",
    "half2",
)
FOLDERS = ("scratch_dir",)
LOOKED_AT = (*PARTICLES, *MAPS, *FOLDERS)
"""Fields that name one thing on this machine, which has to be there."""
OUT_OF_REACH = "This is outside the data folders, or in a project that you do not see."
Header = ParticleHeader | MapHeader | None


@dataclass(frozen=True, slots=True)
class Place:
    """Where the files of a form may lie: the project's folder, in which relative paths begin, and the data roots.

    closed: folders of projects that the user does not see. is_promised: whether a job that has not ended is to make
    a file.
    """

    project: Callable[[], Path | None]
    roots: tuple[Path, ...]
    closed: Sequence[Path]
    is_promised: Callable[[str], bool]


class FormFiles:
    """Chooses files for fields and looks at them; `looked` is called when the answer for one has come."""

    def __init__(
        self, form: ParameterForm, background: Background, place: Place, looked: Callable[[], None]
    ) -> None:
        self._form, self._background = form, background
        self._place, self._looked = place, looked
        self._headers: dict[str, Header] = {}
        self._problems: dict[str, str] = {}
        self._expected: dict[str, Header] = {}
        folder = place.project()
        self._roots = [*([folder] if folder is not None else []), *place.roots]
        self._closed = place.closed
        self._browser = FileBrowser(self._roots, background, self._taken, place.closed)
        self._taker: Callable[[Path], None] = lambda path: None
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
        """Read the header of what a field names; whether it is there at all is known at once."""
        self._headers.pop(name, None)
        self._problems.pop(name, None)
        text = str(self._form.fields[name].value or "")
        if not text:
            return
        path = self.absolute(text)
        if self._place.is_promised(text):
            self._headers[name] = self._expected.get(text)
            return
        missing = problem_of_path(name, path) if self.may_read(path) else OUT_OF_REACH
        if missing or name in FOLDERS:
            self._problems[name] = missing
            return

        def read() -> tuple[Header, str]:
            try:
                return (particle_header if name in PARTICLES else map_header)(path), ""
            except InputError as error:
                return None, str(error)

        def arrived(found: tuple[Header, str]) -> None:
            self._headers[name], self._problems[name] = found
            self._looked()

        self._background.run(f"header {name}", read, arrived)

    def expect(self, text: str, header: Header) -> None:
        """Know what a file will be that a job is still to make."""
        self._expected[text] = header

    def complain(self) -> None:
        """Say under each field what is wrong with its file, where the field has no other error."""
        for name, problem in self._problems.items():
            one = self._form.fields[name]
            if problem and not one.error:
                one.error = problem
                one.draw()

    def may_read(self, path: Path) -> bool:
        """Whether a path is within the user's reach; nothing is told of others, not even whether they exist."""
        try:
            allowed(path, self._roots, self._closed)
        except InputError:
            return False
        return True

    def absolute(self, text: str) -> Path:
        """A path as the job will see it: relative ones begin in the project."""
        path = Path(text)
        with contextlib.suppress(RuntimeError):  # there is no such user
            path = path.expanduser()
        folder = self._place.project()
        return path if path.is_absolute() or folder is None else folder / path

    def relative(self, path: Path) -> str:
        """A path as a form names it: inside the project without the project's folder."""
        folder = self._place.project()
        if folder is not None and path.is_relative_to(folder.resolve()):
            return str(path.relative_to(folder.resolve()))
        return str(path)

    def browse(self, name: str, endings: tuple[str, ...]) -> None:
        """Open the browser for a field."""
        one: Field = self._form.fields[name]
        current = str(one.value or "")
        self.ask(endings, lambda path: one.set(self.relative(path)), current)

    def ask(self, endings: tuple[str, ...], taken: Callable[[Path], None], current: str) -> None:
        """Open the browser where a file lies, for whoever takes what is chosen."""
        self._taker = taken
        self.card.visible = True
        start = self.absolute(current).parent if current else self._roots[0]
        self._browser.start(endings, start)

    def _taken(self, path: Path) -> None:
        self.card.visible = False
        self._taker(path)


def problem_of_path(name: str, path: Path) -> str:
    """What is wrong with a path before anything is read; empty if nothing is."""
    if name in FOLDERS:
        return "" if is_there(path) and path.is_dir() else f"There is no folder {path}."
    if is_there(path) and path.is_dir():
        return f"{path} is a folder; a file is needed."
    return "" if is_there(path) else f"There is no file {path}."
