"""When parts of a page are made: what is seen first comes first, the rest while the browser is busy with that."""

from collections.abc import Callable

import panel as pn

SCRIPTS_MS = 150
"""In this time a browser of this machine asks for the scripts of a page."""


def is_served() -> bool:
    """Whether a browser waits for the page that is being made."""
    return pn.state.curdoc is not None and pn.state.curdoc.session_context is not None


def after_sending(work: Callable[[], None]) -> None:
    """Do the work once the frame of the page is on its way and the browser has had time to ask for its scripts.

    Work holds the server up. Before the scripts are sent the browser waits for it; after that it reads them meanwhile.
    """
    if is_served():
        pn.state.curdoc.add_timeout_callback(work, SCRIPTS_MS)
    else:
        work()


def after_drawing(work: Callable[[], None]) -> None:
    """Do the work once the browser has drawn the page; at once where it has."""
    if is_served():
        pn.state.onload(work)
    else:
        work()


def every(milliseconds: int, work: Callable[[], None]) -> None:
    """Do the work again and again while a browser is connected: a page that nobody looks at costs nothing."""
    if not is_served():
        return
    context = pn.state.curdoc.session_context

    def look() -> None:
        session = context.session
        if session is not None and session.connection_count:
            work()

    pn.state.add_periodic_callback(look, period=milliseconds)
