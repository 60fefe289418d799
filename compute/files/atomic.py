"""Whole files or none: what is being written never stands under its final name."""

import errno
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

UNFINISHED: Final = re.compile(r"(.+)\.(\d+)\.tmp")
"""The name of a file that is being written: its final name, and the number of the process."""
NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What a write fails with where a disk, a quota or the length of a file is used up."""


def write_whole(path: Path | str, content: bytes) -> None:
    """Write `content` to `path` through a temporary file beside it, renamed when it is complete."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        file.write(content)


@contextmanager
def replacing(path: Path, is_forced: bool = True) -> Iterator[BinaryIO]:
    """A binary file that takes the place of `path` when the block ends without an error.

    Its bytes are forced to disc before the name changes, so a reader sees the old file or the new
    one and a full disc never leaves half a file. After an error `path` is as it was. Without `is_forced`
    the system writes the bytes when it likes: for many large files that can be made again, whose length
    tells after a power failure whether they are whole.
    """
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with unfinished.open("w+b") as file:
            yield file
            file.flush()
            if is_forced:
                os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError as error:
        if error.filename is None and error.errno in NO_ROOM:
            error.filename = str(path)  # the system does not tell which file a write was for
        raise
    finally:
        unfinished.unlink(missing_ok=True)


def remove_unfinished(paths: Iterable[Path]) -> list[Path]:
    """Remove what processes of this machine that were killed have left of files with these names; returns it."""
    names: dict[Path, set[str]] = {}
    for path in paths:
        names.setdefault(path.parent, set()).add(path.name)
    found = []
    for folder, wanted in names.items():
        for entry in os.scandir(folder) if folder.is_dir() else ():
            match = UNFINISHED.fullmatch(entry.name)
            if match and match[1] in wanted and not _is_running(int(match[2])):
                with suppress(FileNotFoundError):
                    Path(entry.path).unlink()
                    found.append(Path(entry.path))
    return sorted(found)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
