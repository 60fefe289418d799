"""The gate in front of every address: nothing is answered to a stranger but the pages on which one signs in.

It stands before the table of addresses, so that a new page, endpoint or websocket is closed from its first day.
"""

import ipaddress
from collections.abc import Collection
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlsplit

from sqlalchemy.exc import SQLAlchemyError
from tornado.httputil import HTTPServerRequest
from tornado.routing import Matcher
from tornado.web import RequestHandler, decode_signed_value

from webapp.accounts.visitors import Doorkeeper, Visit
from webapp.settings import Settings

COOKIE = "halfmap"
SAFE = ("GET", "HEAD", "OPTIONS")
OPEN = frozenset({"/login", "/oidc", "/oidc-back", "/invitation", "/healthz", "/favicon.ico"})
"""Addresses that strangers reach: where one signs in, and whether the server lives."""
OPEN_FOLDER = "/assets/"
"""Style sheet, scripts and pictures of the program itself."""
API = "/api/"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why a request is turned away; `login` where signing in would help."""

    status: HTTPStatus
    sentence: str
    login: str = ""


@dataclass(frozen=True, slots=True)
class Gate(Matcher):
    """Matches what is to be turned away; what it lets through carries its `visit`."""

    keeper: Doorkeeper
    settings: Settings
    secret: str
    hosts: Collection[str]

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        """The verdict for `Refusal`, or None for what may pass."""
        verdict = self._verdict(request)
        return None if verdict is None else {"target_kwargs": {"verdict": verdict}}

    def _verdict(self, request: HTTPServerRequest) -> Verdict | None:
        path = request.path.removeprefix(self.settings.server.prefix) or "/"
        if path == "/healthz":
            return None
        if request.host.lower() not in self.hosts:
            return Verdict(
                HTTPStatus.MISDIRECTED_REQUEST,
                f"this server does not know itself as {request.host}: name it in 'origins' of the settings",
            )
        if path.startswith(OPEN_FOLDER) and request.method in SAFE and not is_socket(request):
            return None
        try:
            visit = self._visit(request, path)
        except SQLAlchemyError:
            return Verdict(HTTPStatus.SERVICE_UNAVAILABLE, "the database does not answer")
        request.visit = visit  # type: ignore[attr-defined]
        is_program = visit is not None and visit.visitor.is_program
        is_act = request.method not in SAFE or is_socket(request)
        if is_act and not is_program and not self._is_ours(request):
            return Verdict(HTTPStatus.FORBIDDEN, "the request comes from another site")
        if visit is not None or path in OPEN:
            return None
        return self._turned_away(request, path)

    def _visit(self, request: HTTPServerRequest, path: str) -> Visit | None:
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() == "bearer" and path.startswith(API):
            return self.keeper.by_token(token.strip())
        proxy = self.settings.login.proxy
        if proxy is not None and is_trusted(request, self.settings):
            name = request.headers.get(proxy.header, "").strip()
            if name:
                return self.keeper.by_name(name, proxy.creates_users)
        key = session_key(request, self.secret, self.settings.login.session_days)
        return self.keeper.by_session(key) if key else None

    def _is_ours(self, request: HTTPServerRequest) -> bool:
        """Whether a change or a websocket was asked for by one of our own pages, as the browser says."""
        source = request.headers.get("Origin") or request.headers.get("Referer") or ""
        return urlsplit(source).netloc.lower() in self.hosts

    def _turned_away(self, request: HTTPServerRequest, path: str) -> Verdict:
        if path.startswith(API):
            return Verdict(HTTPStatus.UNAUTHORIZED, "sign in, or show a token")
        if is_socket(request) or request.method not in SAFE:
            return Verdict(HTTPStatus.FORBIDDEN, "sign in first")
        wanted = path + (f"?{request.query}" if request.query else "")
        login = f"{self.settings.server.prefix}/login"
        return Verdict(
            HTTPStatus.FOUND,
            "sign in first",
            login + (f"?next={quote(wanted)}" if wanted != "/" else ""),
        )


class Refusal(RequestHandler):
    """Says why a request was turned away, in the way that the asker understands."""

    def initialize(self, verdict: Verdict) -> None:
        """What is to be said."""
        self.verdict = verdict

    def check_xsrf_cookie(self) -> None:
        """Nothing is changed here."""

    def prepare(self) -> None:
        """Answer, whatever the method."""
        verdict = self.verdict
        if verdict.login:
            self.redirect(verdict.login)
            return
        self.set_status(verdict.status)
        if verdict.status == HTTPStatus.UNAUTHORIZED:
            self.set_header("WWW-Authenticate", 'Bearer realm="halfmap"')
        if API in self.request.path:
            self.finish({"error": verdict.sentence})
        else:
            self.set_header("Content-Type", "text/plain; charset=utf-8")
            self.finish(f"{verdict.sentence[0].upper()}{verdict.sentence[1:]}.\n")


def session_key(request: HTTPServerRequest, secret: str, days: int) -> str:
    """The key in a request's cookie; empty where there is none or its signature is wrong."""
    cookie = request.cookies.get(COOKIE)
    if cookie is None:
        return ""
    value = decode_signed_value(secret, COOKIE, cookie.value, max_age_days=max(days, 365))
    return value.decode() if value else ""


def is_socket(request: HTTPServerRequest) -> bool:
    """Whether a request asks for a websocket."""
    return request.headers.get("Upgrade", "").lower() == "websocket"


def is_trusted(request: HTTPServerRequest, settings: Settings) -> bool:
    """Whether a request comes straight from one of our proxies."""
    return _address(request.remote_ip) in settings.server.proxies


def client_address(request: HTTPServerRequest, settings: Settings) -> str:
    """Where a request comes from: the last address that none of our own proxies has."""
    found = request.remote_ip or ""
    if not is_trusted(request, settings):
        return found
    said = request.headers.get("X-Forwarded-For", "").split(",")
    for one in reversed([part.strip() for part in said if part.strip()]):
        found = one
        if _address(one) not in settings.server.proxies:
            break
    return found


def _address(text: str | None) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text or "")
    except ValueError:
        return None
