"""Scripts and style sheets as browsers load them fastest: compressed once, kept, and cached by their version."""

import asyncio
import gzip
import mimetypes
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import bokeh.settings
import panel
from tornado.routing import Rule, URLSpec
from tornado.web import StaticFileHandler

from webapp.components.sheet import STATIC_FOLDER

PACKED_TYPES = ("text/", "application/javascript", "application/json", "image/svg")
LEAST_BYTES = 512
LEVEL = 6
FOR_EVER = "private, max-age=31536000, immutable"
"""For addresses that name a version: another file has another address."""
ASK_EACH_TIME = "no-cache"
"""For all others: the browser asks whether its copy is still right."""


@dataclass(slots=True)
class Shelf:
    """Compressed files by path, time and size; may be used by several threads."""

    _known: dict[tuple[str, int, int], bytes] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def packed(self, path: Path) -> bytes:
        """The file, compressed. Raises OSError where it cannot be read."""
        status = path.stat()
        key = (str(path), status.st_mtime_ns, status.st_size)
        with self._lock:
            known = self._known.get(key)
        if known is None:
            known = gzip.compress(path.read_bytes(), LEVEL, mtime=0)
            with self._lock:
                self._known[key] = known
        return known


class PackedHandler(StaticFileHandler):
    """The files of one folder."""

    def initialize(self, path: str, shelf: Shelf) -> None:  # type: ignore[override]
        """Which folder, and where what is compressed is kept."""
        super().initialize(path)
        self.shelf = shelf

    def set_extra_headers(self, path: str) -> None:
        """Say how long the browser may keep its copy."""
        self.set_header(
            "Cache-Control", FOR_EVER if "v" in self.request.arguments else ASK_EACH_TIME
        )
        self.set_header("Vary", "Accept-Encoding")

    async def get(self, path: str, include_body: bool = True) -> None:
        """Send the file, compressed where it is text and the browser takes that."""
        kind = mimetypes.guess_type(path)[0] or ""
        takes = "gzip" in self.request.headers.get("Accept-Encoding", "")
        is_part = "Range" in self.request.headers
        if not (takes and include_body and kind.startswith(PACKED_TYPES)) or is_part:
            await super().get(path, include_body)
            return
        self.path = self.parse_url_path(path)
        absolute = self.get_absolute_path(self.root, self.path)
        self.absolute_path = self.validate_absolute_path(self.root, absolute)
        if self.absolute_path is None:
            return
        file = Path(self.absolute_path)
        if file.stat().st_size < LEAST_BYTES:
            await super().get(path, include_body)
            return
        self.modified = self.get_modified_time()
        self.set_headers()
        if self.should_return_304():
            self.set_status(304)
            return
        loop = asyncio.get_running_loop()
        data = await loop.run_in_executor(None, self.shelf.packed, file)
        self.set_header("Content-Encoding", "gzip")
        self.set_header("Content-Length", len(data))
        self.finish(data)


def packed_rules(prefix: str, shelf: Shelf) -> list[Rule]:
    """The addresses of our own files and of those of both libraries, each before its library's own handler."""
    folders: Mapping[str, Path] = {
        "/static/js/": Path(str(bokeh.settings.settings.bokehjs_path())) / "js",
        "/static/extensions/panel/": Path(panel.__file__).parent / "dist",
        "/assets/": STATIC_FOLDER,
    }
    return [
        URLSpec(
            re.escape(prefix + address) + "(.*)",
            PackedHandler,
            {"path": str(folder), "shelf": shelf},
        )
        for address, folder in folders.items()
    ]
