"""What threads have read comes to the page, from the thread in which the page is changed."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
from bokeh.document import Document
from panel.io.state import set_curdoc
from tornado.ioloop import IOLoop

from webapp.pages.background import Background


def test_a_document_is_asked_in_the_thread_that_changes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another thread's wish would be held with the changes of the moment, and could be lost with their end."""
    asked_in: list[int] = []
    read_in: list[int] = []

    def next_tick(self: Document, work: Any) -> None:
        asked_in.append(threading.get_ident())
        IOLoop.current().add_callback(work)

    monkeypatch.setattr(Document, "add_next_tick_callback", next_tick)
    monkeypatch.setattr(Document, "session_context", SimpleNamespace(session=None))

    async def visit(threads: ThreadPoolExecutor) -> int:
        with set_curdoc(Document()):
            background = Background(threads)
        found: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        is_asked = threading.Event()

        def read() -> int:
            is_asked.wait(60)
            read_in.append(threading.get_ident())
            return 7

        background.run("subject", read, found.set_result)
        is_asked.set()
        return await asyncio.wait_for(found, 60)

    with ThreadPoolExecutor(1) as threads:
        assert asyncio.run(visit(threads)) == 7
    assert asked_in == [threading.get_ident()]
    assert read_in and read_in != asked_in
