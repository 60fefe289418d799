"""The gate on the served application: every address behind it, open pages watched, and the files that pages show."""

import asyncio
import json
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from bokeh.server.auth_provider import AuthProvider
from bokeh.server.server import Server
from sqlalchemy.exc import SQLAlchemyError
from tornado.httputil import HTTPHeaders
from tornado.ioloop import PeriodicCallback
from tornado.routing import Rule
from tornado.web import OutputTransform, RequestHandler

from compute.files.errors import InputError
from compute.files.given_text import is_number
from webapp.accounts.gate import Gate, Refusal
from webapp.accounts.visitors import Doorkeeper, Visit, Visitor
from webapp.api.downloads import send
from webapp.components.volume_file import browser_map
from webapp.report.facts import facts_of
from webapp.report.page import report_html
from webapp.report.provenance import provenance
from webapp.store import Store
from webapp.views import JobView

log = logging.getLogger("halfmap.web")
LOOK_MS = 2000
"""How soon a page closes whose visitor may no longer be here."""
SIGNED_OUT = 4401
"""The code with which its connection is closed."""
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' blob: data:; worker-src 'self' blob:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
"""Pages load and send nothing elsewhere, whatever gets into them; Bokeh needs scripts that are made in the page."""


class GateProvider(AuthProvider):
    """Tells Bokeh whom the gate has let in; the gate has turned away everybody else before."""

    @property
    def get_user(self) -> Callable[[RequestHandler], str | None]:
        """The name of the visitor."""

        def user(handler: RequestHandler) -> str | None:
            visit: Visit | None = getattr(handler.request, "visit", None)
            return visit.visitor.name if visit else None

        return user

    @property
    def login_url(self) -> str:
        """Where visitors without a session are sent."""
        return "/login"

    @property
    def get_user_async(self) -> None:
        """Not used."""
        return None

    @property
    def get_login_url(self) -> None:
        """Not used."""
        return None

    @property
    def login_handler(self) -> None:
        """The login page is an address of its own."""
        return None

    @property
    def logout_url(self) -> None:
        """Not used."""
        return None

    @property
    def logout_handler(self) -> None:
        """Not used."""
        return None


class Headers(OutputTransform):
    """What every answer tells the browser: load nothing from elsewhere, do not guess, tell nobody our addresses."""

    def transform_first_chunk(
        self, status_code: int, headers: HTTPHeaders, chunk: bytes, finishing: bool
    ) -> tuple[int, HTTPHeaders, bytes]:
        """Add the headers."""
        headers["Content-Security-Policy"] = POLICY
        headers["X-Content-Type-Options"] = "nosniff"
        headers["Referrer-Policy"] = "same-origin"
        headers["X-Frame-Options"] = "DENY"
        if "Server" in headers:
            del headers["Server"]
        return status_code, headers, chunk


def put_behind(server: Server, gate: Gate, rules: Sequence[Rule] = ()) -> None:
    """Put every address of a server behind the gate; `rules` come before the server's own addresses."""
    application = server._tornado
    application.add_handlers(".*", [Rule(gate, Refusal), *rules])
    application.transforms.append(Headers)


LEFT = (1000, 1001)
"""The codes with which browsers close the connection of a page that they leave (RFC 6455, 7.4.1)."""


class Watch:
    """Closes open pages of whoever may no longer be here: signed out, session ended, account closed.

    Pages that were left are forgotten at once: nobody comes back to them, and each takes some megabytes.
    """

    def __init__(self, server: Server, keeper: Doorkeeper, threads: ThreadPoolExecutor) -> None:
        self._server, self._keeper, self._threads = server, keeper, threads
        self._timer = PeriodicCallback(self.look, LOOK_MS)

    def start(self) -> None:
        """Look again and again, and hear at once of every page that is left."""
        application = self._server._tornado
        lost = application.client_lost

        def client_lost(connection: Any) -> None:
            session = connection._session  # a connection that has ended does not know it any more
            lost(connection)
            is_left = session is not None and connection._socket.close_code in LEFT
            if is_left and session.connection_count == 0:
                session.request_expiration()

        application.client_lost = client_lost
        self._timer.start()

    def stop(self) -> None:
        """Look no more."""
        self._timer.stop()

    async def look(self) -> None:
        """Look once."""
        connected = [
            (one, one._session, _visitor_of(one))
            for one in self._server._tornado._clients
            if one._session is not None
        ]
        visitors = {visitor for _, _, visitor in connected if visitor is not None}
        if not connected:
            return
        loop = asyncio.get_running_loop()
        try:
            good = await loop.run_in_executor(self._threads, self._keeper.still_good, visitors)
        except SQLAlchemyError as error:
            log.warning("who may still be here cannot be known: %s", error)
            return
        for connection, session, visitor in connected:
            if visitor not in good:
                session.request_expiration()
                connection._socket.close(SIGNED_OUT, "signed out")


def _visitor_of(connection: Any) -> Visitor | None:
    visit: Visit | None = getattr(connection._socket.request, "visit", None)
    return visit.visitor if visit else None


class Served(RequestHandler):
    """Something of a job, for its members. Every request is checked: user and project."""

    def initialize(self, store: Store, threads: ThreadPoolExecutor) -> None:
        """What the handler works with: the store becomes that of whoever asks."""
        visit: Visit = self.request.visit  # type: ignore[attr-defined]
        self.store, self.threads = replace(store, user_id=visit.visitor.user_id), threads

    async def in_thread(self, work: Callable[[], Any]) -> Any:
        """The result of reading away from the event loop; problems become a plain answer."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self.threads, work)
        except InputError as error:
            self.set_status(404)
            self.finish(str(error))
            return None

    def view(self) -> JobView:
        """The job asked for. Raises InputError."""
        number = self.get_query_argument("job")
        if not is_number(number):
            raise InputError(f"'{number[:40]}' is not the number of a job")
        return self.store.job(int(number))


class ServedFile(Served):
    """A file of a job, by its real path."""

    def path(self) -> tuple[Path, float | None]:
        """The file asked for, and the particle's diameter. Raises InputError."""
        view = self.view()
        diameter = view.job.parameters.get("particle_diameter_A")
        return self.store.file(view, self.get_query_argument("file")), diameter


class MapHandler(ServedFile):
    """A map as the browser's viewer wants it."""

    async def get(self) -> None:
        """Send the map."""

        def work() -> bytes:
            path, diameter = self.path()
            return browser_map(path, diameter)

        found = await self.in_thread(work)
        if found is not None:
            self.set_header("Content-Type", "application/octet-stream")
            self.set_header("Content-Encoding", "gzip")
            self.set_header("Cache-Control", "private, max-age=3600")
            self.finish(found)


class FileHandler(ServedFile):
    """A file as it is."""

    async def get(self) -> None:
        """Send the file, or the part of it that is asked for."""
        found = await self.in_thread(self.path)
        if found is not None:
            await send(self, found[0], self.threads)


class ReportHandler(Served):
    """A job as one document, or its provenance as JSON (`form=json`), to be kept."""

    async def get(self) -> None:
        """Send the document."""
        is_json = self.get_query_argument("form", "html") == "json"

        def work() -> tuple[str, bytes]:
            view = self.view()
            records = self.store.job_records(view)
            known = (view.attempts, view.inputs, view.outputs)
            facts = facts_of(view.job, view.project, records, *known)
            stem = f"job{view.job.number:03d}"
            if is_json:
                text = json.dumps(provenance(facts), indent=2, ensure_ascii=False)
                return f"{stem}_provenance.json", text.encode()
            return f"{stem}_report.html", report_html(facts).encode()

        found = await self.in_thread(work)
        if found is not None:
            kind = "application/json" if is_json else "text/html; charset=utf-8"
            self.set_header("Content-Type", kind)
            self.set_header("Content-Disposition", f'attachment; filename="{found[0]}"')
            self.set_header("Cache-Control", "no-store")
            self.finish(found[1])
