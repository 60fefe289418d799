"""When parts of a page are made: what is seen first comes first, the rest while the browser is busy with that."""

from collections.abc import Callable

import panel as pn

from webapp.pages.frame import callback_failed

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
    document = pn.state.curdoc
    context = document.session_context

    def look() -> None:
        session = context.session
        if session is None or not session.connection_count:
            return
        try:
            work()
        except Exception as error:  # the page's last line of defence: recorded, and told by its id
            callback_failed(error)

    # Bokeh's own: that of Panel counts every call as work of the page, which costs more than the look itself.
    document.add_periodic_callback(look, milliseconds)
