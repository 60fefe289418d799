"""Signing in with an account elsewhere: OpenID Connect, authorisation code with PKCE (RFC 6749, RFC 7636).

Whoever is signed in already and goes this way links the account elsewhere to the one here. An account elsewhere is
never taken for one here because of its name.
"""

import base64
import hashlib
import hmac
import json
import logging
import secrets
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

import httpx

from compute.files.errors import InputError
from db.errors import Refused
from db.repository import logins, people, rows
from db.session import Database
from webapp.accounts.desk import check_name
from webapp.accounts.plain_page import PlainPage, address_of, as_sentence, local
from webapp.settings import OidcLogin

log = logging.getLogger("halfmap.web")
COOKIE = "halfmap_oidc"
LASTS_DAYS = 10 / (24 * 60)
"""How long one may take to sign in elsewhere: ten minutes."""
SIGNED_WITH = ("RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA")
"""Signatures with the provider's key; never one with a secret that we hold too, never none."""
TIMEOUT_S = 15.0


@dataclass(frozen=True, slots=True)
class Outside:
    """Who the provider says that somebody is."""

    issuer: str
    subject: str
    name: str
    full_name: str


@dataclass(frozen=True, slots=True)
class Provider:
    """The provider of the settings, asked over HTTP. Raises InputError where it does not do its part."""

    settings: OidcLogin

    def addresses(self) -> dict[str, str]:
        """Where its parts are, as it says itself (OpenID Connect Discovery 1.0)."""
        issuer = self.settings.issuer.rstrip("/")
        found = self._json("GET", f"{issuer}/.well-known/openid-configuration")
        if str(found.get("issuer", "")).rstrip("/") != issuer:
            raise InputError(f"{issuer} says that it is {found.get('issuer')}")
        needed = ("authorization_endpoint", "token_endpoint", "jwks_uri", "issuer")
        if missing := [name for name in needed if not isinstance(found.get(name), str)]:
            raise InputError(f"{issuer} does not tell its {', '.join(missing)}")
        return {name: str(found[name]) for name in needed}

    def way(self, back: str, state: str, nonce: str, verifier: str) -> str:
        """The address to which the browser goes."""
        digest = hashlib.sha256(verifier.encode()).digest()
        asked = {
            "response_type": "code",
            "client_id": self.settings.client_id,
            "redirect_uri": back,
            "scope": self.settings.scopes,
            "state": state,
            "nonce": nonce,
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        start = self.addresses()["authorization_endpoint"]
        return f"{start}{'&' if '?' in start else '?'}{urlencode(asked)}"

    def who(self, code: str, back: str, nonce: str, verifier: str) -> Outside:
        """Who has signed in there, by the code that came back."""
        addresses = self.addresses()
        asked = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": back,
            "client_id": self.settings.client_id,
            "code_verifier": verifier,
        }
        secret = self._secret()
        login = (self.settings.client_id, secret) if secret else None
        answer = self._json("POST", addresses["token_endpoint"], data=asked, auth=login)
        keys = self._json("GET", addresses["jwks_uri"])
        claims = checked_token(
            str(answer.get("id_token", "")), keys, addresses["issuer"], self.settings.client_id
        )
        if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()):
            raise InputError("the answer belongs to another attempt to sign in")
        name = str(claims.get(self.settings.name_claim) or "").strip()
        full_name = str(claims.get("name") or "")[:200]
        return Outside(addresses["issuer"], str(claims["sub"])[:255], name, full_name)

    def _secret(self) -> str:
        path = self.settings.client_secret_file
        try:
            return path.expanduser().read_text().strip() if path else ""
        except OSError as error:
            raise InputError(f"the secret {path} cannot be read: {error.strerror}") from None

    def _json(self, method: str, address: str, **options: Any) -> dict[str, Any]:
        try:
            answer = httpx.request(method, address, timeout=TIMEOUT_S, **options)
            found = answer.raise_for_status().json()
        except (httpx.HTTPError, ValueError) as error:
            log.warning("%s: %s", address, error)
            raise InputError(f"{self.settings.label} does not answer as it should") from None
        if not isinstance(found, dict):
            raise InputError(f"{self.settings.label} does not answer as it should")
        return found


def checked_token(text: str, keys: dict[str, Any], issuer: str, client_id: str) -> dict[str, Any]:
    """What an ID token says, if it is signed by the provider, meant for us and still good (OIDC Core 3.1.3.7)."""
    import jwt

    try:
        kind = jwt.get_unverified_header(text)
        known = jwt.PyJWKSet.from_dict(keys).keys
        fitting = [one for one in known if not kind.get("kid") or one.key_id == kind["kid"]]
        if not fitting:
            raise InputError("the provider does not know the key of its own signature")
        claims: dict[str, Any] = jwt.decode(
            text,
            fitting[0],
            algorithms=list(SIGNED_WITH),
            audience=client_id,
            issuer=issuer,
            leeway=60,
            options={"require": ["exp", "iat", "sub", "aud", "iss"]},
        )
    except jwt.PyJWTError as error:
        log.warning("an ID token of %s was refused: %s", issuer, error)
        raise InputError("the provider's answer is not signed as it should be") from None
    if (
        isinstance(claims["aud"], list)
        and len(claims["aud"]) > 1
        and claims.get("azp") != client_id
    ):
        raise InputError("the provider's answer is meant for another program")
    return claims


def user_of(database: Database, outside: Outside, settings: OidcLogin, here: int | None) -> int:
    """The user whom an account elsewhere signs in; `here` is who is signed in already, and links it.

    Raises Refused for an account elsewhere that nobody knows, where such accounts are not made by themselves.
    """
    with database.writing() as session:
        known = logins.user_of_identity(session, outside.issuer, outside.subject)
        if known is not None:
            if here is not None and known.id != here:
                raise Refused("this account elsewhere signs in somebody else here")
            return known.id
        if here is not None:
            logins.add_identity(session, outside.issuer, outside.subject, here)
            return rows.user(session, here).id
        if not settings.creates_users:
            raise Refused(
                "nobody here has this account: ask an admin for an invitation, sign in with your password and link it "
                "on your account page"
            )
        check_name(outside.name)
        if people.find_user(session, outside.name) is not None:
            raise Refused(
                f"there is already a user '{outside.name}': if that is you, sign in with your password and link "
                "this account on your account page"
            )
        made = people.create_user(session, outside.name, who=None, full_name=outside.full_name)
        logins.add_identity(session, outside.issuer, outside.subject, made.id)
        return made.id


class OidcPage(PlainPage):
    """What both steps need."""

    @property
    def provider(self) -> Provider | None:
        """The provider, where there is one."""
        found = self.doors.settings.login.oidc
        return Provider(found) if found is not None else None

    @property
    def back(self) -> str:
        """Where the provider sends the browser."""
        return f"{address_of(self)}/oidc-back"

    def failed(self, sentence: str, status: int = HTTPStatus.FORBIDDEN) -> None:
        """Say why it did not work."""
        self.set_status(status)
        self.show("note", title="Not signed in", sentence=as_sentence(sentence))


class OidcStart(OidcPage):
    """Sends the browser to the provider."""

    async def get(self) -> None:
        """Remember what to expect, and go."""
        provider = self.provider
        if provider is None:
            self.failed("there is no account elsewhere to sign in with", HTTPStatus.NOT_FOUND)
            return
        expected = {name: secrets.token_urlsafe(32) for name in ("state", "nonce", "verifier")}
        place = local(self.get_query_argument("next", "/"))
        try:
            way = await self.in_thread(lambda: provider.way(self.back, **expected))
        except InputError as error:
            self.failed(str(error), HTTPStatus.BAD_GATEWAY)
            return
        server = self.doors.settings.server
        self.set_signed_cookie(
            COOKIE,
            json.dumps({**expected, "next": place}),
            expires_days=LASTS_DAYS,
            httponly=True,
            secure=server.is_https,
            samesite="Lax",
            path=server.prefix or "/",
        )
        self.redirect(way)


class OidcBack(OidcPage):
    """Takes what the provider has sent with the browser."""

    async def get(self) -> None:
        """Sign in, or link the account elsewhere."""
        provider, settings = self.provider, self.doors.settings.login.oidc
        kept = self.get_signed_cookie(COOKIE, max_age_days=LASTS_DAYS)
        self.clear_cookie(COOKIE, path=self.doors.settings.server.prefix or "/")
        expected = json.loads(kept) if kept else {}
        state = self.get_query_argument("state", "")
        if not kept or not hmac.compare_digest(state.encode(), expected["state"].encode()):
            self.failed("the attempt to sign in has lain too long or was another one: try again")
            return
        if provider is None or settings is None or self.get_query_argument("error", ""):
            self.failed("the provider has not let you in")
            return
        code, origin, visit = self.get_query_argument("code", ""), self.origin, self.visit
        here = visit.visitor.user_id if visit is not None else None

        def work() -> str:
            outside = provider.who(code, self.back, expected["nonce"], expected["verifier"])
            user_id = user_of(self.desk.database, outside, settings, here)
            return self.desk.begin(user_id, "oidc", origin)

        try:
            key = await self.in_thread(work)
        except InputError as error:
            self.failed(str(error))
            return
        self.give_session(key)
        self.go("/account" if here is not None else expected["next"])
