"""Which files of the server a user reaches: below the data folders, but in no project that is closed to the user."""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from compute.files.given_text import is_there
from db.errors import Conflict, Refused
from db.repository import projects
from webapp.job_types import files_named
from webapp.settings import Settings

WILD = re.compile(r"[*?\[]")


def allowed(path: Path, roots: Sequence[Path], closed: Sequence[Path] = ()) -> Path:
    """The real path, if it lies below one of the real roots and in no closed folder. Raises Refused."""
    real = real_path(path)
    named = ", ".join(str(root) for root in roots)
    if not any(real.is_relative_to(root.resolve()) for root in roots):
        raise Refused(f"{path} is outside the data folders ({named})")
    if any(real.is_relative_to(folder.resolve()) for folder in closed):
        raise Refused(f"{path} belongs to a project that you do not see: ask its owner")
    return real


def real_path(path: Path) -> Path:
    """A path without links. Raises Refused for what can be no path: too long, in circles, with a NUL."""
    try:
        return path.resolve()
    except (OSError, RuntimeError, ValueError):
        raise Refused(f"{str(path)[:100]!r} cannot be a path") from None


def check_free(session: Session, place: Path) -> None:
    """Raise Conflict where a folder lies in that of a project, whatever it is called: two would write there."""
    real = real_path(place)
    for folder, name in projects.folders(session).items():
        if real.is_relative_to(real_path(Path(folder))):
            raise Conflict(
                f"the project '{name}' is already in {folder}: choose another than {place}"
            )


def closed_folders(session: Session, user_id: int | None) -> list[Path]:
    """The folders of the projects that a user does not see; none for the program itself."""
    if user_id is None:
        return []
    return [Path(folder) for folder in projects.closed_folders(session, user_id)]


def check(session: Session, settings: Settings, path: Path, user_id: int | None) -> Path:
    """The real path of what a user asks for. Raises Refused where it is out of reach."""
    return allowed(path, settings.data_roots, closed_folders(session, user_id))


def check_values(
    session: Session,
    settings: Settings,
    values: Mapping[str, Any],
    project: Path,
    user_id: int | None,
) -> None:
    """Raise Refused for the first value that names something on the disc that is out of reach.

    A pattern is judged by the folder in which it begins. Paths that lead out of the project are judged whether or
    not they exist, so that nobody learns which do.
    """
    closed = closed_folders(session, user_id)
    roots = [*settings.data_roots, project]
    for name, value in values.items():
        if name == "output" or not isinstance(value, str):
            continue
        for one in files_named(value, project):
            for path in _paths(one, project):
                if is_there(path) or not _is_below(path, project):
                    allowed(path, roots, closed)


def _is_below(path: Path, project: Path) -> bool:
    """Whether a path stays in the project, going by its name alone."""
    return Path(os.path.normpath(path)).is_relative_to(project)


def _paths(text: str, project: Path) -> list[Path]:
    """What a word of a parameter may name: `file`, `3@file`, `old=new`, `folder/*.mrc`."""
    found = []
    for word in {text, text.partition("@")[2], *text.split("=")[1:]}:
        if not word or "\0" in word:
            continue
        wild = WILD.search(word)
        if wild is not None:
            word = word[: wild.start()].rpartition("/")[0] or "."
        found.append(project / word)
    return found
