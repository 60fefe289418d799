"""The addresses that strangers reach: where one signs in and takes up an invitation, and whether the server lives."""

import logging
from http import HTTPStatus

from tornado.web import RequestHandler

from compute.files.errors import InputError
from webapp.accounts.desk import TooMany
from webapp.accounts.plain_page import PlainPage, as_sentence, local

log = logging.getLogger("halfmap.web")


class LoginPage(PlainPage):
    """Where one signs in."""

    async def get(self) -> None:
        """Show the form, or redeem the one-time link."""
        token = self.get_query_argument("token", "")
        if token:
            await self._redeem(token)
            return
        await self._form(self.get_query_argument("next", "/"))

    async def post(self) -> None:
        """Sign in."""
        name, password, origin = self.word("name"), self.password("password"), self.origin
        try:
            key = await self.in_thread(lambda: self.desk.sign_in(name, password, origin))
        except (InputError, TooMany) as error:
            log.warning("signing in failed from %s: %s", origin.address, error)
            await self._form(self.word("next"), name, self.refused(error))
            return
        self.give_session(key)
        self.go(self.word("next"))

    async def _redeem(self, token: str) -> None:
        link, origin = self.doors.link, self.origin
        if link is None or not link.redeem(token):
            self.set_status(HTTPStatus.FORBIDDEN)
            await self._form("/", problem="The link is used up or wrong.")
            return
        self.give_session(
            await self.in_thread(lambda: self.desk.begin(link.user_id, "link", origin))
        )
        self.go(link.target)

    async def _form(self, wanted: str, name: str = "", problem: str = "") -> None:
        has_passwords = await self.in_thread(self.desk.has_passwords)
        oidc = self.doors.settings.login.oidc
        self.show(
            "login",
            next=local(wanted),
            name=name,
            problem=problem,
            passwords=has_passwords,
            oidc=oidc.label if oidc else "",
            link=self.doors.link is not None,
        )


class InvitationPage(PlainPage):
    """Where an invitation becomes an account, and a forgotten password a new one."""

    async def get(self) -> None:
        """Show the form."""
        await self._form(self.get_query_argument("key", ""))

    async def post(self) -> None:
        """Make the account, and sign in."""
        key, origin = self.word("key"), self.origin
        name, full_name = self.word("name"), self.word("full_name")
        password, again = self.password("password"), self.password("again")
        try:
            session = await self.in_thread(
                lambda: self.desk.accept(key, name, full_name, password, again, origin)
            )
        except InputError as error:
            await self._form(key, self.refused(error), name=name, full_name=full_name)
            return
        self.give_session(session)
        self.go("/")

    async def _form(self, key: str, problem: str = "", **values: str) -> None:
        try:
            known = await self.in_thread(lambda: self.desk.invited(key))
        except InputError as error:
            self.set_status(HTTPStatus.NOT_FOUND)
            self.show("note", title="No invitation", sentence=as_sentence(str(error)))
            return
        self.show("invitation", key=key, known=known, problem=problem, **values)


class HealthPage(RequestHandler):
    """Whether the server lives; says nothing else to strangers."""

    def get(self) -> None:
        """Say so."""
        self.set_header("Cache-Control", "no-store")
        self.finish({"status": "ok"})
