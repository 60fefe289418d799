"""Whose page is being made, and how a page is opened anew when its visitor may see something else than before."""

import panel as pn
from bokeh.document import Document

from db.errors import NotAllowed
from webapp.accounts.visitors import Visit


def visit_if_any() -> Visit | None:
    """The visit whose page is being made; None outside a served page."""
    document = pn.state.curdoc
    context = document.session_context if document is not None else None
    return getattr(context.request, "visit", None) if context is not None else None


def visit_of_page() -> Visit:
    """The visit whose page is being made. Raises NotAllowed outside a page that the gate has let through."""
    visit = visit_if_any()
    if visit is None:
        raise NotAllowed("sign in first")
    return visit


def open_anew(document: Document) -> None:
    """Close the connections of a page: the browser opens its address again, and sees what is there now."""
    context = document.session_context
    session = context.session if context is not None else None
    for connection in list(session._subscribed_connections) if session is not None else []:
        connection._socket.close()
