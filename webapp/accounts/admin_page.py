"""The page of admins: users, invitations, groups, the banner, and what happened."""

from http import HTTPStatus
from typing import Any

import psutil
from tornado.web import HTTPError

from compute.files.errors import InputError
from compute.files.given_text import is_number
from db.errors import NotAllowed
from db.models.accounts import Invitation
from webapp.accounts.account_page import MemberPage
from webapp.accounts.admin import AUDIT_LINES, AdminDesk
from webapp.accounts.plain_page import address_of


class AdminPage(MemberPage):
    """Shows everything, and does what its forms ask for."""

    @property
    def admin(self) -> AdminDesk:
        """The acts of whoever asks; refused to all but admins."""
        return AdminDesk(self.desk.database, self.doors.settings, self.user_id)

    async def get(self) -> None:
        """Show it."""
        await self._page()

    async def post(self) -> None:
        """Do what a form asks for."""
        try:
            made = await self._do(self.word("action"))
        except NotAllowed as error:
            self.refused(error)
            self.show("note", title="Not for you", sentence=f"This takes an admin: {error}.")
        except InputError as error:
            await self._page(problem=self.refused(error))
        else:
            if made is None:
                self.go("/admin")
            else:
                await self._page(link=made)

    async def _do(self, action: str) -> dict[str, object] | None:
        """Do it; what to show of a link that was made."""
        admin = self.admin
        if action == "invite":
            note, group = self.word("note"), self.number("group") if self.word("group") else None
            is_admin = self.word("is_admin") == "1"
            found = await self.in_thread(lambda: admin.invite(note, group, is_admin))
            return self._link("Invitation", *found)
        if action == "banner":
            text = self.word("text")
            return await self.in_thread(lambda: admin.set_banner(text))
        if action == "make_group":
            name = self.word("name")
            return await self.in_thread(lambda: admin.make_group(name))
        if action in ("join_group", "leave_group"):
            act = admin.join_group if action == "join_group" else admin.leave_group
            group_id, user_id = self.number("id"), self.number("user")
            return await self.in_thread(lambda: act(group_id, user_id))
        return await self._do_with(action, self.number("id"))

    async def _do_with(self, action: str, subject: int) -> dict[str, object] | None:
        """What is done with one user or one invitation."""
        admin = self.admin
        if action == "new_password":
            made = await self.in_thread(lambda: admin.offer_new_password(subject))
            return self._link("New password", *made)
        acts = {
            "withdraw": lambda: admin.withdraw(subject),
            "open": lambda: admin.set_active(subject, True),
            "close": lambda: admin.set_active(subject, False),
            "make_admin": lambda: admin.set_admin(subject, True),
            "not_admin": lambda: admin.set_admin(subject, False),
            "sign_out_user": lambda: admin.sign_out(subject),
        }
        if action not in acts:
            raise HTTPError(HTTPStatus.BAD_REQUEST)
        await self.in_thread(acts[action])
        return None

    def _link(self, title: str, made: Invitation, key: str) -> dict[str, object]:
        url = f"{address_of(self)}/invitation?key={key}"
        return {"title": title, "url": url, "expires_at": made.expires_at}

    async def _page(self, **values: object) -> None:
        admin, before = self.admin, self.get_query_argument("before", "")
        before_id = int(before) if is_number(before) else None
        try:
            found = await self.in_thread(lambda: admin.overview(before_id))
        except NotAllowed:
            self.set_status(HTTPStatus.FORBIDDEN)
            self.show("note", title="Not for you", sentence="This page is for admins.")
            return
        source = self.doors.settings.source
        self.show(
            "admin",
            users=found.users,
            groups=found.groups,
            invitations=found.invitations,
            roots=found.roots,
            machines=found.machines,
            profiles=sorted(self.doors.settings.profiles),
            audit=found.audit,
            older=found.audit[-1].id if len(found.audit) == AUDIT_LINES else None,
            settings_file=str(source) if source else "the settings file",
            open_pages=open_pages(self.application),
            memory_MB=round(psutil.Process().memory_info().rss / 1e6),
            **({"banner": found.banner} | values),
        )


def open_pages(application: Any) -> int:
    """How many pages a server holds: those that are open, and those that it has not yet forgotten."""
    return sum(len(list(one.sessions)) for one in application.applications.values())
