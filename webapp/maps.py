"""Maps that were read lately, kept in memory for as long as they fit."""

import threading
from collections.abc import Callable
from pathlib import Path

from compute.files.mrc import MapFile

LARGEST_BYTES = 1_000_000_000
"""A pair of half-maps of 400 pixels; beyond it the oldest are forgotten."""


class MapCache:
    """Maps by path, size and time of their files; may be used by several threads."""

    def __init__(self, largest_bytes: int = LARGEST_BYTES) -> None:
        self._largest = largest_bytes
        self._known: dict[tuple[Path, int, int], MapFile] = {}
        self._lock = threading.Lock()

    def get(self, path: Path, read: Callable[[Path], MapFile]) -> MapFile:
        """The map in a file, read if it is new or has changed; the errors are those of `read`."""
        try:
            status = path.stat()
            key = (path, status.st_size, status.st_mtime_ns)
        except OSError:
            return read(path)
        with self._lock:
            found = self._known.pop(key, None)
            if found is not None:
                self._known[key] = found
                return found
        made = read(path)
        with self._lock:
            self._known[key] = made
            while len(self._known) > 1 and self._bytes() > self._largest:
                self._known.pop(next(iter(self._known)))
        return made

    def _bytes(self) -> int:
        return sum(one.volume.nbytes for one in self._known.values())
