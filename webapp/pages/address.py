"""The address of a page as its server knows it: what a page shows is kept in it, so that a link opens just that."""

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import panel as pn
from panel.io.location import Location
from panel.util import edit_readonly

from compute.files.given_text import is_number


class Address(Location):
    """The address of a page, whatever somebody has written into it.

    Panel's own takes it to pieces by its signs, and fails where there are more of them than it expects (a second
    question mark, a host of IPv6) and where digits are those of other scripts.
    """

    @classmethod
    def from_request(cls, request: Any) -> "Address":
        """The address that was asked for."""
        host = urlsplit(f"//{request.host or ''}")
        path, mark, query = (request.uri or "/").partition("?")
        search = mark + query.partition("#")[0]
        made = cls()
        with edit_readonly(made):
            made.param.update(
                protocol=f"{request.protocol}:",
                hostname=host.hostname or "",
                port=str(host.port or ""),
                pathname=path,
                search=search,
                href=f"{request.protocol}://{request.host}{path}{search}",
            )
        return made

    @property
    def query_params(self) -> dict[str, Any]:
        """What stands behind the question mark, by name: numbers where they are such, else texts."""
        pairs = parse_qsl(self.search.removeprefix("?"), keep_blank_values=True)
        return {name: int(text) if is_number(text) else text for name, text in pairs}


def address_of_page() -> Address | None:
    """The address of the page that is being made; None outside a served page."""
    document = pn.state.curdoc
    context = document.session_context if document is not None else None
    return Address.from_request(context.request) if context is not None else None
