"""Open pages follow jobs: they are told of what is new within half a second, and closed where they may see no more."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import panel as pn
from bokeh.document import Document
from tornado.ioloop import PeriodicCallback

from webapp.news import Found, News, Pair
from webapp.pages.background import Background

LOOK_MS = 500


@dataclass(slots=True, eq=False)
class Follower:
    """A page, what it follows, and what it was told last."""

    document: Document
    pair: Pair
    background: Background
    then: Callable[[Found], None]
    told: object = None

    @property
    def is_gone(self) -> bool:
        """Whether the page was left and forgotten."""
        context = self.document.session_context
        return context is None or context.destroyed

    @property
    def is_open(self) -> bool:
        """Whether a browser is connected."""
        context = self.document.session_context
        session = context.session if context is not None else None
        return session is not None and session.connection_count > 0

    def tell(self, found: Found | Exception) -> None:
        """Take to the page what is new to it, an error too."""
        mark = type(found) if isinstance(found, Exception) else found.mark
        if mark != self.told and not self.is_gone:
            self.told = mark
            arrive = partial(self.background.arrive, partial(_given, found), self.then)
            self.document.add_next_tick_callback(arrive)


def _given(found: Found | Exception) -> Found:
    if isinstance(found, Exception):
        raise found
    return found


class Following:
    """Looks for news again and again, once for all pages, and tells each of them."""

    def __init__(self, news: News, threads: ThreadPoolExecutor) -> None:
        self._news, self._threads = news, threads
        self._followers: list[Follower] = []
        self._timer = PeriodicCallback(self.look, LOOK_MS)

    def start(self) -> None:
        """Begin to look, on the loop of this thread."""
        self._timer.start()

    def follow(self, pair: Pair, background: Background, then: Callable[[Found], None]) -> None:
        """Call `then` on the page that is being made with what is new, until the page is left."""
        document = pn.state.curdoc
        if document is not None and document.session_context is not None:
            self._followers.append(Follower(document, pair, background, then))

    async def look(self) -> None:
        """Look once."""
        self._followers = [one for one in self._followers if not one.is_gone]
        pairs = {one.pair for one in self._followers if one.is_open}
        if not pairs:
            return
        look = partial(self._news.look, pairs)
        try:
            found = await asyncio.get_running_loop().run_in_executor(self._threads, look)
        except Exception as error:  # the pages' last line of defence: each tells it as its own
            found = dict.fromkeys(pairs, error)
        for one in self._followers:
            if one.pair in found:
                one.tell(found[one.pair])
