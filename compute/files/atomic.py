"""Whole files or none: what is being written never stands under its final name."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


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
    finally:
        unfinished.unlink(missing_ok=True)
