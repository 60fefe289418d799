"""When parts of a page are made: what is seen first comes first, the rest while the browser is busy with that."""

from collections.abc import Callable

import panel as pn


def is_served() -> bool:
    """Whether a browser waits for the page that is being made."""
    return pn.state.curdoc is not None and pn.state.curdoc.session_context is not None


def after_sending(work: Callable[[], None]) -> None:
    """Do the work once the frame of the page is on its way: the browser reads its scripts meanwhile."""
    if is_served():
        pn.state.curdoc.add_next_tick_callback(work)
    else:
        work()


def after_drawing(work: Callable[[], None]) -> None:
    """Do the work once the browser has drawn the page; at once where it has."""
    if is_served():
        pn.state.onload(work)
    else:
        work()
