"""The address of a page is understood whatever somebody has written into it."""

from collections.abc import Iterator
from types import SimpleNamespace

import param
import pytest
from bokeh.document import Document
from panel.io.state import set_curdoc

from webapp.pages.address import Address


class Kept(param.Parameterized):
    """What a page shows."""

    iteration = param.Integer(default=0)
    tab = param.String(default="")


@pytest.fixture(autouse=True)
def _page() -> Iterator[None]:
    with set_curdoc(Document()):
        yield


def address(uri: str, host: str = "lab.example:5006") -> Address:
    return Address.from_request(SimpleNamespace(protocol="http", host=host, uri=uri))


def test_an_address_is_taken_to_pieces() -> None:
    made = address("/halfmap/job?id=3&tab=map")
    assert (made.protocol, made.hostname, made.port) == ("http:", "lab.example", "5006")
    assert (made.pathname, made.search) == ("/halfmap/job", "?id=3&tab=map")
    assert made.href == "http://lab.example:5006/halfmap/job?id=3&tab=map"
    assert made.query_params == {"id": 3, "tab": "map"}


@pytest.mark.parametrize("text", ["²", "٣", "a?b", "what?", "?", "[1", "{", "nan", "9" * 5000, "="])
def test_wild_words_are_texts(text: str) -> None:
    assert address(f"/job?x={text}").query_params == {"x": text}


@pytest.mark.parametrize("host", ["[::1]:5006", "[::1]", "", "lab"])
def test_every_host_is_understood(host: str) -> None:
    made = address("/queue", host)
    assert made.pathname == "/queue" and made.search == "" and made.query_params == {}


def test_what_a_page_shows_and_its_address_follow_each_other() -> None:
    page, made = Kept(tab="log"), address("/job?id=3&it=²&tab=map&x=a?b")
    made.sync(page, {"iteration": "it", "tab": "tab"})
    assert page.iteration == 0
    page.tab, page.iteration = "log", 4
    assert made.query_params == {"id": 3, "it": 4, "tab": "log", "x": "a?b"}
    made.search = "?id=3&it=2&tab=map"
    assert (page.iteration, page.tab) == (2, "map")
