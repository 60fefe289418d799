"""Answers `/api/v1`: finds the endpoint, checks what is given, and says in JSON what is wrong."""

import asyncio
import json
import logging
import uuid
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import replace
from datetime import datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

from sqlalchemy.exc import SQLAlchemyError
from tornado.web import RequestHandler

from compute.files.errors import InputError
from db.errors import NotAllowed, NotFound, Refused
from webapp.accounts.visitors import Visit
from webapp.api.downloads import send
from webapp.api.endpoint import Call, Endpoint, understood
from webapp.api.openapi import ENDPOINTS, document
from webapp.launch.local import LaunchError
from webapp.store import Store

log = logging.getLogger("halfmap.web")
LARGEST_BODY = 1_000_000
FORM_TOKEN = "X-Form-Token"
"""The header with what a page's changes have to show as `X-XSRFToken`."""


class ApiHandler(RequestHandler):
    """All endpoints; what is allowed is the store's to say."""

    def initialize(self, store: Store, threads: Executor, prefix: str) -> None:
        """What the endpoints work with: the store becomes that of whoever asks."""
        visit: Visit = self.request.visit  # type: ignore[attr-defined]
        self.visitor = visit.visitor
        self.store = replace(store, user_id=self.visitor.user_id)
        self.threads, self.prefix = threads, prefix

    def check_xsrf_cookie(self) -> None:
        """Programs show a token, which no other site can make a browser do; browsers need that of a form."""
        if not self.visitor.is_program:
            super().check_xsrf_cookie()

    async def get(self, path: str) -> None:
        """Read."""
        await self._answer(path)

    async def head(self, path: str) -> None:
        """Only what would be said before an answer."""
        await self._answer(path)

    async def post(self, path: str) -> None:
        """Make or ask for something."""
        await self._answer(path)

    async def put(self, path: str) -> None:
        """Set something."""
        await self._answer(path)

    async def delete(self, path: str) -> None:
        """Take something away."""
        await self._answer(path)

    async def _answer(self, path: str) -> None:
        """Find the endpoint, let it work in a thread, and send what it says."""
        if path == "/openapi.json":
            self._send(HTTPStatus.OK, document(self.prefix))
            return
        fitting = [one for one in ENDPOINTS if one.pattern.fullmatch(path)]
        method = "GET" if self.request.method == "HEAD" else self.request.method
        found = next((one for one in fitting if one.method == method), None)
        if found is None:
            self._no_endpoint(path, fitting)
            return
        try:
            call = self._understood(found, path)
            loop = asyncio.get_running_loop()
            answer = await loop.run_in_executor(self.threads, found.answer, call)
            if found.is_file:
                await send(self, answer, self.threads)
            else:
                self._hand_out_token(method)
                self._send(found.status, answer)
        except (InputError, LaunchError) as error:
            self._send(_status(error), {"error": str(error)})
        except SQLAlchemyError as error:
            log.error("the database does not answer: %s", error)
            self._send(503, {"error": "the database does not answer: try again"})
        except Exception:  # the last line of defence: recorded, and told by its id
            number = uuid.uuid4().hex[:8]
            log.exception("%s %s failed, id %s", self.request.method, path, number)
            self._send(500, {"error": f"that did not work; the server's log has it under {number}"})

    def _hand_out_token(self, method: str) -> None:
        """Tell a page of ours what it has to show with a change; pages elsewhere cannot read the answer."""
        if method == "GET" and not self.visitor.is_program:
            self.set_header(FORM_TOKEN, self.xsrf_token.decode())

    def _no_endpoint(self, path: str, fitting: list[Endpoint]) -> None:
        if not fitting:
            self._send(404, {"error": f"there is no {path[:80]}: see /api/v1/openapi.json"})
            return
        allowed = ", ".join(one.method for one in fitting)
        self.set_header("Allow", allowed)
        self._send(405, {"error": f"{path[:80]} takes {allowed}"})

    def _understood(self, found: Endpoint, path: str) -> Call:
        """The request in words of ours. Raises InputError."""
        match = found.pattern.fullmatch(path)
        assert match is not None
        place = {name: unquote(text) for name, text in match.groupdict().items()}
        given = {name: self.get_query_argument(name) for name in self.request.query_arguments}
        query = understood(found.query, given, "the address")
        body = understood(found.body, self._body(), "the request")
        return Call(self.store, self.visitor, place, query, body)

    def _body(self) -> Mapping[str, Any]:
        text = self.request.body
        if len(text) > LARGEST_BODY:
            raise InputError(f"the request is longer than {LARGEST_BODY} bytes")
        if not text.strip():
            return {}
        try:
            found = json.loads(text)
        except ValueError:
            raise InputError("the request is not JSON") from None
        if not isinstance(found, dict):
            raise InputError("the request is not a JSON object")
        return found

    def _send(self, status: int, value: Any) -> None:
        self.set_status(status)
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.set_header("Cache-Control", "no-store")
        self.finish(json.dumps(value, default=_plain, ensure_ascii=False).replace("</", "<\\/"))

    def write_error(self, status_code: int, **_: Any) -> None:
        """What went wrong before an endpoint was found."""
        words = {403: "show a token, or the form's token", 405: "there is no such method"}
        self._send(status_code, {"error": words.get(status_code, "that did not work")})


def _status(error: Exception) -> int:
    """The status that tells a program what kind of problem it is."""
    kinds: list[tuple[type[Exception], HTTPStatus]] = [
        (NotFound, HTTPStatus.NOT_FOUND),
        (NotAllowed, HTTPStatus.FORBIDDEN),
        (Refused, HTTPStatus.CONFLICT),
        (InputError, HTTPStatus.UNPROCESSABLE_ENTITY),
    ]
    found = next((status for kind, status in kinds if isinstance(error, kind)), None)
    return found or HTTPStatus.UNPROCESSABLE_ENTITY


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else str(value)
