"""Files of a shared project: whoever may work in its folder may change them, whatever the umask of their maker was."""

import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_OF_OWNER = stat.S_IRUSR | stat.S_IWUSR


def share(folder: Path, paths: Iterable[Path]) -> None:
    """Let the Unix group of a project's folder change files and folders in it as their owner may.

    Nothing is done where the folder itself is not writable for its group; what is missing or belongs to somebody
    else stays as it is.
    """
    if not folder.stat().st_mode & stat.S_IWGRP:
        return
    for path in paths:
        with suppress(OSError):
            mode = stat.S_IMODE(path.stat().st_mode)
            wanted = mode | (mode & _OF_OWNER) >> 3
            if wanted != mode:
                os.chmod(path, wanted)
