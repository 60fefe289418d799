"""Scripts and style sheets go compressed to browsers that take that, and are cached by their version."""

import asyncio
import gzip
from collections.abc import Mapping
from pathlib import Path

import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPResponse
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application

from webapp.packed import ASK_EACH_TIME, FOR_EVER, PackedHandler, Shelf

SCRIPT = b"let x = 1; // a script\n" * 100


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a script and a picture, and a file outside it."""
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "a.js").write_bytes(SCRIPT)
    (inside / "a.png").write_bytes(b"\x89PNG" * 300)
    (tmp_path / "outside.js").write_bytes(SCRIPT)
    return inside


def asked(folder: Path, *questions: tuple[str, Mapping[str, str]]) -> list[HTTPResponse]:
    """The answers to addresses with headers, one after the other."""

    async def ask() -> list[HTTPResponse]:
        rules = [("/files/(.*)", PackedHandler, {"path": str(folder), "shelf": Shelf()})]
        socket, port = bind_unused_port()
        server = HTTPServer(Application(rules))
        server.add_socket(socket)
        client = AsyncHTTPClient(force_instance=True)
        found = []
        for address, headers in questions:
            found.append(
                await client.fetch(
                    f"http://127.0.0.1:{port}/files/{address}",
                    headers=headers,
                    decompress_response=False,
                    raise_error=False,
                )
            )
        client.close()
        server.stop()
        await server.close_all_connections()
        return found

    return asyncio.run(ask())


def test_text_is_compressed_for_those_who_take_it(folder: Path) -> None:
    takes = {"Accept-Encoding": "gzip, deflate, br"}
    packed, plain, picture = asked(folder, ("a.js?v=1", takes), ("a.js", {}), ("a.png", takes))
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.body) == SCRIPT and len(packed.body) < len(SCRIPT) / 4
    assert packed.headers["Cache-Control"] == FOR_EVER
    assert plain.body == SCRIPT and "Content-Encoding" not in plain.headers
    assert plain.headers["Cache-Control"] == ASK_EACH_TIME
    assert "Content-Encoding" not in picture.headers


def test_an_unchanged_file_is_not_sent_again(folder: Path) -> None:
    takes = {"Accept-Encoding": "gzip"}
    first = asked(folder, ("a.js", takes))[0]
    again = asked(folder, ("a.js", {**takes, "If-None-Match": first.headers["Etag"]}))[0]
    assert (again.code, again.body) == (304, b"")


def test_a_changed_file_is_packed_anew(folder: Path) -> None:
    shelf = Shelf()
    before = shelf.packed(folder / "a.js")
    (folder / "a.js").write_bytes(SCRIPT + b"more")
    assert gzip.decompress(shelf.packed(folder / "a.js")) == SCRIPT + b"more"
    assert gzip.decompress(before) == SCRIPT


@pytest.mark.parametrize("address", ["../outside.js", "%2e%2e/outside.js", "none.js", ""])
def test_nothing_outside_the_folder_is_sent(folder: Path, address: str) -> None:
    answer = asked(folder, (address, {"Accept-Encoding": "gzip"}))[0]
    assert answer.code in (403, 404) and SCRIPT not in (answer.body or b"")
