"""How files are named in what a job writes: relative to the current folder, or by their full path."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

_PARENTS: Final = 4


def local_name(path: Path) -> str:
    """The name of a file relative to the current folder (the project), where it lies inside; else its full path.

    Links are not followed: a folder linked into the project is part of it.
    """
    here, full = Path.cwd(), Path(os.path.abspath(path))
    return str(full.relative_to(here)) if full.is_relative_to(here) else str(full)


def found_from(name: str, star: Path) -> Path | None:
    """The file that a STAR file names, seen from its own project; None where it is nowhere.

    Looked for beside the STAR file, in up to four folders above it, and only then in the current folder:
    two projects may have files of the same name, and the other one's are meant.
    """
    folder = star.absolute().parent
    for place in (folder, *folder.parents[:_PARENTS], Path.cwd()):
        if (place / name).exists():
            return place / name
    return None


def local_or_same(name: str, star: Path) -> str:
    """The name by which a file that a STAR file names is found from the current folder; unchanged if it is nowhere."""
    if name in ("", "None"):
        return name
    found = found_from(name, star)
    if found is None or (Path(name).exists() and found.samefile(name)):
        return name
    return local_name(found)


def mapped_path(name: str, pairs: Sequence[tuple[str, str]]) -> str:
    """A name with the first fitting beginning replaced; unchanged where none fits."""
    for old, new in pairs:
        if name.startswith(old):
            return new + name[len(old) :]
    return name
