"""How files are named in what a job writes: relative to the current folder, or by their full path."""

import os
from collections.abc import Sequence
from pathlib import Path


def local_name(path: Path) -> str:
    """The name of a file relative to the current folder (the project), where it lies inside; else its full path.

    Links are not followed: a folder linked into the project is part of it.
    """
    here, full = Path.cwd(), Path(os.path.abspath(path))
    return str(full.relative_to(here)) if full.is_relative_to(here) else str(full)


def mapped_path(name: str, pairs: Sequence[tuple[str, str]]) -> str:
    """A name with the first fitting beginning replaced; unchanged where none fits."""
    for old, new in pairs:
        if name.startswith(old):
            return new + name[len(old) :]
    return name
