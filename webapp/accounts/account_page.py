"""One's own account: password, sessions, tokens."""

from http import HTTPStatus

from tornado.web import HTTPError

from compute.files.errors import InputError
from webapp.accounts.desk import TooMany
from webapp.accounts.gate import COOKIE
from webapp.accounts.plain_page import PlainPage, address_of


class MemberPage(PlainPage):
    """A page for whoever is signed in; the gate has turned away everybody else, and this makes sure."""

    @property
    def user_id(self) -> int:
        """Who asks."""
        if self.visit is None or self.visit.visitor.is_program:
            raise HTTPError(HTTPStatus.FORBIDDEN)
        return self.visit.visitor.user_id


class AccountPage(MemberPage):
    """One's own account: password, sessions, tokens."""

    async def get(self) -> None:
        """Show it."""
        changed = self.get_query_argument("done", "")
        good = {"password": "The password is changed.", "session": "That browser is signed out."}
        await self._page(good=good.get(changed, ""))

    async def post(self) -> None:
        """Do what a form asks for."""
        acts = {
            "sign_out": self._sign_out,
            "password": self._change_password,
            "end_session": self._end_session,
            "make_token": self._make_token,
            "revoke_token": self._revoke_token,
        }
        act = acts.get(self.word("action"))
        if act is None:
            raise HTTPError(HTTPStatus.BAD_REQUEST)
        user_id = self.user_id
        try:
            await act(user_id)
        except (InputError, TooMany) as error:
            await self._page(problem=self.refused(error))

    async def _sign_out(self, user_id: int) -> None:
        session_id = self.visit.visitor.session_id if self.visit else None
        if session_id is not None:
            await self.in_thread(lambda: self.desk.end_session(user_id, session_id))
        self.clear_cookie(COOKIE, path=self.doors.settings.server.prefix or "/")
        self.go("/login")

    async def _change_password(self, user_id: int) -> None:
        session_id = self.visit.visitor.session_id if self.visit else None
        words = self.password("present"), self.password("password"), self.password("again")
        await self.in_thread(lambda: self.desk.change_password(user_id, session_id, *words))
        self.go("/account?done=password")

    async def _end_session(self, user_id: int) -> None:
        session_id = self.number("id")
        await self.in_thread(lambda: self.desk.end_session(user_id, session_id))
        self.go("/account?done=session")

    async def _make_token(self, user_id: int) -> None:
        name, days = self.word("name"), self.number("days") if self.word("days") else None
        made = await self.in_thread(lambda: self.desk.make_token(user_id, name, days))
        await self._page(new_token=made)

    async def _revoke_token(self, user_id: int) -> None:
        token_id = self.number("id")
        await self.in_thread(lambda: self.desk.revoke_token(user_id, token_id))
        self.go("/account")

    async def _page(self, **values: str) -> None:
        user_id = self.user_id
        found = await self.in_thread(lambda: self.desk.account(user_id))
        oidc = self.doors.settings.login.oidc
        self.show(
            "account",
            user=found.user,
            about=[
                *([found.user.full_name] if found.user.full_name else []),
                *(["admin"] if found.user.is_admin else []),
                *(f"group {group.name}" for group in found.groups),
            ],
            has_password=found.has_password,
            sessions=found.sessions,
            session_id=self.visit.visitor.session_id if self.visit else None,
            tokens=found.tokens,
            address=address_of(self),
            oidc=oidc.label if oidc is not None else "",
            **values,
        )
