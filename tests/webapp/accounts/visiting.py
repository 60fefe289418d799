"""Pages as a browser gets them over the websocket, without a browser: their documents, and what comes afterwards."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from bokeh.client.websocket import WebSocketClientConnectionWrapper
from bokeh.protocol import Protocol
from bokeh.protocol.receiver import Receiver
from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

TOKEN = re.compile(r'"token":"([^"]+)"')
LARGEST = 100 * 1024 * 1024
PATIENCE_S = 180.0


@dataclass(slots=True)
class OpenPage:
    """A page whose connection stands."""

    socket: WebSocketClientConnection
    protocol: Protocol = field(default_factory=Protocol)
    receiver: Receiver = field(init=False)

    def __post_init__(self) -> None:
        self.receiver = Receiver(self.protocol)

    async def message(self) -> Any:
        """The next whole message of the server; None where it has closed the connection."""
        while True:
            fragment = await self.socket.read_message()
            if fragment is None:
                return None
            found = await self.receiver.consume(fragment)
            if found is not None:
                return found

    async def text(self) -> str | None:
        """The next piece of text that the server sends, as it is; None where it has closed the connection."""
        while isinstance(fragment := await self.socket.read_message(), bytes):
            pass
        return fragment

    async def reply(self, kind: str) -> Any:
        """The next message of a kind; others are passed over."""
        while True:
            found = await asyncio.wait_for(self.message(), PATIENCE_S)
            assert found is not None, f"closed before {kind}: {self.socket.close_reason}"
            if found.msgtype == kind:
                return found

    async def document(self) -> dict[str, Any]:
        """All that is on the page, as the server sends it."""
        await self.protocol.create("PULL-DOC-REQ").send(
            WebSocketClientConnectionWrapper(self.socket)
        )
        found = (await self.reply("PULL-DOC-REPLY")).content["doc"]
        return json.loads(json.dumps(found, default=lambda _: None))

    async def is_drawn(self) -> None:
        """Tell the server that the page is drawn, as a browser does: what waits for that begins."""
        event = {"type": "event", "name": "document_ready", "values": {"type": "map"}}
        told = {"kind": "MessageSent", "msg_type": "bokeh_event", "msg_data": event}
        for piece in ({"msgid": "drawn", "msgtype": "PATCH-DOC"}, {}, {"events": [told]}):
            await self.socket.write_message(json.dumps(piece))
        await self.reply("OK")

    def close(self) -> None:
        """Leave the page, as a browser does."""
        self.socket.close(1001, "left")


async def open_page(base: str, cookie: str, address: str) -> OpenPage:
    """Ask for a page, and open its connection as its script would."""
    parts = urlsplit(base)
    headers = {"Cookie": f"halfmap={cookie}; theme=light"}
    page = await AsyncHTTPClient().fetch(
        HTTPRequest(
            base + address,
            headers=headers,
            connect_timeout=PATIENCE_S,
            request_timeout=PATIENCE_S,
        )
    )
    found = TOKEN.search(page.body.decode())
    assert found is not None, address
    place, _, query = address.partition("?")
    url = f"ws://{parts.netloc}{parts.path}{place.rstrip('/')}/ws?{query}"
    asked = HTTPRequest(
        url,
        headers={**headers, "Origin": f"{parts.scheme}://{parts.netloc}"},
        connect_timeout=PATIENCE_S,
        request_timeout=PATIENCE_S,
    )
    socket = await websocket_connect(
        asked, subprotocols=["bokeh", found.group(1)], max_message_size=LARGEST
    )
    opened = OpenPage(socket)
    await opened.reply("ACK")
    return opened


@asynccontextmanager
async def visiting(base: str, cookie: str, address: str) -> AsyncIterator[OpenPage]:
    """A page that is left at the end of the block."""
    page = await open_page(base, cookie, address)
    try:
        yield page
    finally:
        page.close()


def document_of(base: str, cookie: str, address: str, wanted: str = "") -> str:
    """The document of a page as text, asked for again until it holds what is `wanted`."""

    async def work() -> str:
        async with visiting(base, cookie, address) as page:
            text = json.dumps(await page.document(), ensure_ascii=False)
            while wanted not in text:
                await page.reply("PATCH-DOC")
                text = json.dumps(await page.document(), ensure_ascii=False)
            return text

    return asyncio.run(asyncio.wait_for(work(), PATIENCE_S))
