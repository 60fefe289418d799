"""What stands around a RELION pipeline: aliases as links, the empty files of `.Nodes/`, and notes."""

import os
import shutil
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from compute.files.errors import InputError
from compute.files.group_rights import share
from compute.files.pipeline import Node, Process, job_folder_of
from compute.files.pipeline_types import node_number

NODES: Final = ".Nodes"
_FORBIDDEN: Final = '*?()/"\\|#<>&%{}$'


def alias_name(text: str, taken: Iterable[str] = ()) -> str:
    """The alias that a user's text makes: blanks become underscores.

    Raises InputError for what RELION refuses: fewer than two characters, a beginning with `job`, one of
    its special characters, and a name that another job of the folder has.
    """
    name = "_".join(text.split())
    bad = sorted({letter for letter in name if letter in _FORBIDDEN or not letter.isprintable()})
    if bad:
        raise InputError(f"The alias '{text}' holds {' '.join(bad)}; use letters, digits, - and _.")
    if len(name) < 2 or name.startswith("job"):
        raise InputError(
            f"The alias '{text}' must have two characters or more and must not begin with 'job'."
        )
    if name in set(taken):
        raise InputError(f"The alias '{name}' is taken; choose another one.")
    return name


def link_alias(project: Path, process: Process, former: str = "") -> None:
    """Make the link of a job's alias, and remove that of its former one.

    Raises InputError where a folder or file of that name stands in the way.
    """
    if former and former != process.alias:
        link = project / former.rstrip("/")
        if link.is_symlink():
            link.unlink()
    if not process.alias:
        return
    link = project / process.alias.rstrip("/")
    if os.path.lexists(link) and not (link.is_symlink() and _points_to_job(link)):
        raise InputError(f"{link} is no alias of a job; the alias cannot have this name.")
    unfinished = link.with_name(f".{link.name}.{os.getpid()}")
    unfinished.symlink_to(f"../{process.name}")
    unfinished.replace(link)


def _points_to_job(link: Path) -> bool:
    return job_folder_of(str(link.readlink()).removeprefix("../") + "/x") != ""


def write_nodes(
    project: Path, process: Process, outputs: Iterable[Node], former_alias: str = ""
) -> None:
    """Make a job's entries in `.Nodes/`, which RELION's file browser shows, under both names of each type.

    Where a job has an alias, the entries stand under it, as RELION's do.
    """
    remove_nodes(project, process, former_alias)
    for node in outputs:
        name = node.name
        if process.alias and name.startswith(process.name):
            name = process.alias + name.removeprefix(process.name)
        for kind in (node.label.partition(".")[0], str(node_number(node.label))):
            entry = project / NODES / kind / name
            entry.parent.mkdir(parents=True, exist_ok=True)
            entry.touch()
            above = [one for one in entry.parents if one.is_relative_to(project / NODES)]
            share(project, (entry, *above))


def remove_nodes(project: Path, process: Process, former_alias: str = "") -> None:
    """Remove a job's entries in `.Nodes/`."""
    for name in filter(None, (process.name, process.alias, former_alias)):
        for kind in (project / NODES).glob("*"):
            shutil.rmtree(kind / name.rstrip("/"), ignore_errors=True)


def append_note(folder: Path, when: datetime, commands: Sequence[str], end: str = "") -> None:
    """Add to a job's notes that it was started, with its commands, in RELION's frame."""
    lines = [
        f" ++++ Executing new job on {when:%a %b %d %H:%M:%S %Y}",
        " ++++ with the following command(s): ",
        *commands,
        f" ++++ {end}",
        "",
    ]
    with (folder / "note.txt").open("a", encoding="utf-8") as file:
        file.write("\n".join(lines))
