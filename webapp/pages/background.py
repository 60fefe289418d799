"""Reading files away from the event loop, and coming back to the page with what was read."""

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import panel as pn
from sqlalchemy.exc import OperationalError
from tornado.ioloop import IOLoop

from db.errors import Closed
from webapp.pages.frame import callback_failed
from webapp.pages.visitor import open_anew

T = TypeVar("T")
log = logging.getLogger("halfmap.web")
SILENT = (
    "The database does not answer at the moment. What is shown may be old; it goes on by itself."
)


class Background:
    """Runs readers in the application's threads; what they return reaches the page they belong to.

    Only the newest answer to each `subject` arrives: a slow read never overwrites a later one.
    Outside a served page everything happens at once.
    """

    def __init__(self, threads: ThreadPoolExecutor) -> None:
        self._threads = threads
        self._document = pn.state.curdoc
        self._loop = None if self._document is None else IOLoop.current()
        self._turns: dict[str, int] = {}
        self._busy: set[str] = set()
        self._silence = Silence()

    def is_busy(self, subject: str) -> bool:
        """Whether a read of this subject is under way."""
        return subject in self._busy

    def run(self, subject: str, read: Callable[[], T], then: Callable[[T], None]) -> None:
        """Read in a thread, then call `then` on the page with the result."""
        turn = self._turns[subject] = self._turns.get(subject, 0) + 1
        document, loop = self._document, self._loop
        if document is None or document.session_context is None or loop is None:
            then(read())
            return
        self._busy.add(subject)
        arrived = partial(loop.add_callback, self._done, subject, turn, then)
        # Only from the loop's own thread may the document be asked: while it is being changed, what another thread
        # asks of it is held with the changes, and may be lost when they are let go.
        self._threads.submit(read).add_done_callback(arrived)

    def _done(self, subject: str, turn: int, then: Callable[[Any], None], future: Future) -> None:
        document = self._document
        if document is not None and document.session_context is not None:
            document.add_next_tick_callback(partial(self._arrive, subject, turn, then, future))

    def _arrive(self, subject: str, turn: int, then: Callable[[Any], None], future: Future) -> None:
        if turn == self._turns[subject]:
            self._busy.discard(subject)
            self.arrive(future.result, then)

    def arrive(self, result: Callable[[], T], then: Callable[[T], None]) -> None:
        """Call `then` on the page with a result; an error in its place is told in the page's own way."""
        try:
            found = result()
            self._silence.end()
            then(found)
        except OperationalError as error:  # the page asks again by itself
            self._silence.tell(error)
        except Closed:  # the visitor may not see this project any more
            if self._document is not None:
                open_anew(self._document)
        except Exception as error:  # the page's last line of defence: recorded, and told by its id
            callback_failed(error)


class Silence:
    """Tells the visitor once that the database does not answer, until it does again."""

    def __init__(self) -> None:
        self._told: Any = None

    def tell(self, error: OperationalError) -> None:
        """Say so, where that is not said already."""
        if self._told is None and pn.state.notifications is not None:
            log.warning("the database does not answer: %s", error.orig)
            self._told = pn.state.notifications.warning(SILENT, duration=0)

    def end(self) -> None:
        """Take the sentence away."""
        if self._told is not None:
            self._told.destroy()
            self._told = None
