"""Files sent whole or in part, so that a download that broke off goes on where it was."""

import asyncio
import re
from concurrent.futures import Executor
from http import HTTPStatus
from pathlib import Path
from urllib.parse import quote

from tornado.iostream import StreamClosedError
from tornado.web import RequestHandler

CHUNK_BYTES = 1 << 20
RANGE = re.compile(r"bytes=(\d*)-(\d*)")


def byte_range(header: str | None, size: int) -> tuple[int, int] | None:
    """First byte and number of bytes that a Range header asks for; None where there are no such bytes.

    Without a header, or with one that is not understood, it is the whole file (RFC 9110, section 14.2).
    """
    found = RANGE.fullmatch((header or "").strip())
    if found is None or found.groups() == ("", ""):
        return 0, size
    first, last = found.groups()
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(size, int(last) + 1) if last else size
    return (start, end - start) if start < end else None


async def send(handler: RequestHandler, path: Path, threads: Executor) -> None:
    """Answer with a file, or the part of it that is asked for."""
    status = path.stat()
    mark = f'"{status.st_mtime_ns:x}-{status.st_size:x}"'
    handler.set_header("Content-Type", "application/octet-stream")
    handler.set_header("Accept-Ranges", "bytes")
    handler.set_header("ETag", mark)
    plain = "".join(
        c if c.isascii() and c.isprintable() and c not in '"\\' else "_" for c in path.name
    )
    handler.set_header(
        "Content-Disposition",
        f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(path.name)}",
    )
    header = handler.request.headers.get("Range")
    if handler.request.headers.get("If-Range", mark) != mark:
        header = None
    wanted = byte_range(header, status.st_size)
    if wanted is None:
        handler.set_status(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
        handler.set_header("Content-Range", f"bytes */{status.st_size}")
        handler.finish()
        return
    start, left = wanted
    if (start, left) != (0, status.st_size):
        handler.set_status(HTTPStatus.PARTIAL_CONTENT)
        handler.set_header("Content-Range", f"bytes {start}-{start + left - 1}/{status.st_size}")
    handler.set_header("Content-Length", str(left))
    if handler.request.method == "HEAD":
        handler.finish()
        return
    loop = asyncio.get_running_loop()
    try:
        with path.open("rb") as file:
            file.seek(start)
            while left > 0:
                piece = await loop.run_in_executor(threads, file.read, min(left, CHUNK_BYTES))
                if not piece:
                    break
                left -= len(piece)
                handler.write(piece)
                await handler.flush()
        handler.finish()
    except StreamClosedError:  # whoever asked has gone
        return
