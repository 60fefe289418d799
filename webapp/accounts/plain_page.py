"""What the plain pages of accounts have in common: who asks, the sheet around, forms and refusals."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import urlsplit

from markupsafe import Markup
from tornado.web import RequestHandler

from compute.files.errors import InputError
from compute.files.given_text import is_number
from webapp.accounts.desk import Desk, Origin, TooMany
from webapp.accounts.gate import COOKIE, client_address
from webapp.accounts.link import OneTimeLink
from webapp.accounts.passwords import SHORTEST
from webapp.accounts.sheets import sheet
from webapp.accounts.visitors import Visit
from webapp.settings import Settings

T = TypeVar("T")
log = logging.getLogger("halfmap.web")


@dataclass(frozen=True, slots=True)
class Doors:
    """What the pages of accounts work with; `link` lets in one browser of this machine."""

    desk: Desk
    threads: Executor
    link: OneTimeLink | None = None

    @property
    def settings(self) -> Settings:
        """What the installation is told."""
        return self.desk.settings


class PlainPage(RequestHandler):
    """A page of HTML without scripts. Tornado checks the token of every form before `post` is called."""

    def initialize(self, doors: Doors) -> None:
        """What the page works with."""
        self.doors, self.desk = doors, doors.desk

    @property
    def visit(self) -> Visit | None:
        """Who asks, as the gate has found it."""
        return getattr(self.request, "visit", None)

    @property
    def origin(self) -> Origin:
        """Where the visitor comes from."""
        address = client_address(self.request, self.doors.settings)
        browser = self.request.headers.get("User-Agent", "")
        return Origin(address, "".join(sign for sign in browser if sign.isprintable()))

    async def in_thread(self, work: Callable[[], T]) -> T:
        """The result of work that would hold up others."""
        return await asyncio.get_running_loop().run_in_executor(self.doors.threads, work)

    def show(self, page: str, /, **values: Any) -> None:
        """Answer with a page."""
        visit = self.visit
        theme = "dark" if self.get_cookie("theme") == "dark" else "light"
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.set_header("Cache-Control", "no-store")
        given = {
            "theme": theme,
            "visitor": visit.visitor if visit else None,
            "banner": visit.banner if visit else "",
            "xsrf": Markup(self.xsrf_form_html()),
            "shortest": SHORTEST,
        }
        self.finish(sheet(page, given | values))

    def word(self, name: str) -> str:
        """A field of a form."""
        return self.get_body_argument(name, "")

    def number(self, name: str) -> int:
        """A field of a form that holds a number. Raises InputError."""
        text = self.word(name)
        if not is_number(text):
            raise InputError(f"'{text[:20]}' is no number")
        return int(text)

    def password(self, name: str) -> str:
        """A field as it was typed: blanks of a password count."""
        return self.get_body_argument(name, "", strip=False)

    def refused(self, error: InputError | TooMany) -> str:
        """Set the status for an error, and return what to say."""
        if isinstance(error, TooMany):
            self.set_status(HTTPStatus.TOO_MANY_REQUESTS)
            self.set_header("Retry-After", str(round(error.seconds) + 1))
            return as_sentence(error.sentence)
        self.set_status(HTTPStatus.FORBIDDEN)
        return as_sentence(str(error))

    def give_session(self, key: str) -> None:
        """Let the browser keep the key of its session."""
        server = self.doors.settings.server
        self.set_signed_cookie(
            COOKIE,
            key,
            expires_days=self.doors.settings.login.session_days,
            httponly=True,
            secure=server.is_https,
            samesite="Lax",
            path=server.prefix or "/",
        )

    def go(self, place: str) -> None:
        """Send the browser to a page of ours."""
        self.redirect(f"{self.doors.settings.server.prefix}{local(place)}", status=303)

    def write_error(self, status_code: int, **_: Any) -> None:
        """What went wrong, as a page; a form that has lain too long has lost its token."""
        sentence = "Something went wrong; the server's log has the details."
        if status_code == HTTPStatus.FORBIDDEN:
            sentence = "The form was too old or came from elsewhere: open the page again."
        elif status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
            sentence = "This address does not take such a request."
        self.show("note", title="That did not work", sentence=sentence)


def local(place: str) -> str:
    """A page of ours, whatever was asked for: never an address elsewhere."""
    parts = urlsplit(place)
    is_ours = place.startswith("/") and not parts.scheme and not parts.netloc
    is_plain = is_ours and "\\" not in place and place.isprintable() and not place.startswith("//")
    return place if is_plain else "/"


def address_of(handler: PlainPage) -> str:
    """The address of this server as its users know it."""
    public = handler.doors.settings.server.public_url.rstrip("/")
    return public or f"{handler.request.protocol}://{handler.request.host}"


def as_sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
