"""Who may come in: one person, over loopback, by a link that is good once; and the files that pages show."""

import asyncio
import hmac
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from bokeh.server.auth_provider import AuthProvider
from tornado.web import RequestHandler

from compute.files.errors import InputError
from webapp.components.volume_file import browser_map
from webapp.store import Store, check_inside

COOKIE = "halfmap"
CHUNK_BYTES = 1 << 20
NO_ENTRY = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Halfmap</title>
<link rel="stylesheet" href="/assets/app.css"></head><body><main>
<h1>The link is used up or wrong</h1>
<p>Halfmap lets in whoever opens the link that <code>halfmap serve</code> prints, once. Start it again, or copy
the newest line that begins with <code>Open</code>.</p></main></body></html>"""


class OneTimeLink(AuthProvider):
    """Lets in the browser that opens the link; afterwards its cookie counts, until it expires."""

    def __init__(self, user: str) -> None:
        self.user = user
        self.target = "/"
        self._token: str | None = secrets.token_urlsafe(24)
        super().__init__()

    @property
    def path(self) -> str:
        """The part of the link behind the address."""
        return f"/login?token={self._token}"

    def redeem(self, token: str) -> bool:
        """Whether a token is the one that is still good; it is not afterwards."""
        if self._token is None or not hmac.compare_digest(token, self._token):
            return False
        self._token = None
        return True

    @property
    def get_user(self) -> Callable[[RequestHandler], str | None]:
        """The user that a request comes from, by its signed cookie."""

        def user(handler: RequestHandler) -> str | None:
            found = handler.get_signed_cookie(COOKIE)
            return found.decode() if found else None

        return user

    @property
    def get_user_async(self) -> None:
        """Not used."""
        return None

    @property
    def login_url(self) -> str:
        """Where visitors without a cookie are sent."""
        return "/login"

    @property
    def get_login_url(self) -> None:
        """Not used."""
        return None

    @property
    def login_handler(self) -> type[RequestHandler]:
        """The page behind the link."""
        provider = self

        class Login(RequestHandler):
            """Takes the token and gives the cookie."""

            def get(self) -> None:
                if not provider.redeem(self.get_query_argument("token", "")):
                    self.set_status(403)
                    self.finish(NO_ENTRY)
                    return
                self.set_signed_cookie(COOKIE, provider.user, httponly=True, samesite="Lax")
                self.redirect(provider.target)

        return Login

    @property
    def logout_url(self) -> None:
        """Not used."""
        return None

    @property
    def logout_handler(self) -> None:
        """Not used."""
        return None


class Served(RequestHandler):
    """A file of a job, for its members. Every request is checked: user, project, real path."""

    def initialize(self, store: Store, threads: ThreadPoolExecutor) -> None:
        """What the handler works with."""
        self.store, self.threads = store, threads

    def prepare(self) -> None:
        """Turn away whoever is not signed in."""
        if not self.get_signed_cookie(COOKIE):
            self.set_status(403)
            self.finish("Sign in first.")

    async def in_thread(self, work: Callable[[], Any]) -> Any:
        """The result of reading away from the event loop; problems become a plain answer."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self.threads, work)
        except InputError as error:
            self.set_status(404)
            self.finish(str(error))
            return None

    def path(self) -> tuple[Path, float | None]:
        """The file asked for, and the particle's diameter. Raises InputError."""
        number = self.get_query_argument("job")
        if not number.isdigit():
            raise InputError(f"'{number}' is not the number of a job")
        view = self.store.job(int(number))
        diameter = view.job.parameters.get("particle_diameter_A")
        return check_inside(view.folder, self.get_query_argument("file")), diameter


class MapHandler(Served):
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


class FileHandler(Served):
    """A file as it is."""

    async def get(self) -> None:
        """Send the file, piece by piece."""
        found = await self.in_thread(self.path)
        if found is None:
            return
        path = found[0]
        self.set_header("Content-Type", "application/octet-stream")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Content-Length", str(path.stat().st_size))
        name = path.name.replace('"', "")
        self.set_header("Content-Disposition", f'attachment; filename="{name}"')
        with path.open("rb") as file:
            while piece := await self.in_thread(lambda: file.read(CHUNK_BYTES)):
                self.write(piece)
                await self.flush()
        self.finish()
