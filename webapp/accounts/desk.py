"""What the pages of accounts ask for: signing in, one's own account, and, for admins, everybody's.

Rights are checked here and nowhere else; the pages only hide what would be refused.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from db.errors import Refused
from db.models.accounts import ApiToken, LoginSession
from db.models.people import LabGroup, User
from db.repository import guessing, invitations, logins, people, rows, tokens
from db.session import Database
from webapp.accounts import passwords
from webapp.settings import Settings

WRONG = "the name or the password is wrong"


class TooMany(Exception):
    """Signing in has failed too often; when the next try is let through."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"too many tries, {seconds:.0f} s to go")
        self.seconds = seconds

    @property
    def sentence(self) -> str:
        """What the visitor is told."""
        wait = f"{self.seconds:.0f} s" if self.seconds < 90 else f"{self.seconds / 60:.0f} min"
        return f"too many wrong passwords: wait {wait} and try again"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where somebody comes from: address and browser, as far as they say."""

    address: str = ""
    browser: str = ""


@dataclass(frozen=True, slots=True)
class Account:
    """What an account page shows."""

    user: User
    has_password: bool
    groups: Sequence[LabGroup]
    sessions: Sequence[LoginSession]
    tokens: Sequence[ApiToken]


@dataclass(frozen=True, slots=True)
class Desk:
    """Signing in, and one's own account."""

    database: Database
    settings: Settings

    @property
    def session_lasts(self) -> timedelta:
        """How long a session lasts without a visit."""
        return timedelta(days=self.settings.login.session_days)

    def has_passwords(self) -> bool:
        """Whether anybody can sign in with a password."""
        with self.database.reading() as session:
            return logins.somebody_has_password(session)

    def sign_in(self, name: str, password: str, origin: Origin) -> str:
        """The key of a new session. Raises Refused for a wrong password, TooMany after too many of them.

        A try counts as failed until it has turned out right, so that many at once are no way around the count.
        """
        subjects = guessing.account(name), guessing.address(origin.address)
        with self.database.writing() as session:
            left = guessing.seconds_left(session, *subjects)
            if left > 0:
                raise TooMany(left)
            guessing.failed(session, *subjects)
            user = people.find_user(session, name.strip())
            kept = logins.password_hash(session, user.id) if user and user.is_active else None
        if not passwords.is_right(kept, password) or user is None or kept is None:
            raise Refused(WRONG)
        with self.database.writing() as session:
            guessing.succeeded(session, *subjects)
            if passwords.is_outdated(kept):
                logins.renew_password_hash(session, user.id, passwords.hashed(password))
        return self.begin(user.id, "password", origin)

    def begin(self, user_id: int, method: str, origin: Origin) -> str:
        """The key of a new session of somebody who has shown who they are."""
        with self.database.writing() as session:
            _, key = logins.begin(
                session,
                user_id,
                method,
                lasts=self.session_lasts,
                address=origin.address,
                browser=origin.browser,
            )
        return key

    def invited(self, key: str) -> str | None:
        """The name of the user whom a link gives a new password; None where it makes a user. Raises NotFound."""
        with self.database.reading() as session:
            found = invitations.find(session, key)
            return rows.user(session, found.user_id).name if found.user_id is not None else None

    def accept(
        self, key: str, name: str, full_name: str, password: str, again: str, origin: Origin
    ) -> str:
        """Use an invitation; the key of the session that begins. Raises InputError."""
        known = self.invited(key)
        if known is None:
            check_name(name)
        _check_twice(password, again, known or name)
        kept = passwords.hashed(password)
        with self.database.writing() as session:
            user = invitations.accept(session, key, name, full_name.strip()[:200])
            logins.set_password_hash(session, user.id, kept, who=user.id)
            logins.revoke_all(session, user.id, who=user.id)
            guessing.succeeded(session, guessing.account(user.name))
        return self.begin(user.id, "invitation", origin)

    def account(self, user_id: int) -> Account:
        """What a user's own page shows."""
        with self.database.reading() as session:
            return Account(
                rows.user(session, user_id),
                logins.password_hash(session, user_id) is not None,
                people.groups(session, user_id=user_id),
                logins.open_sessions(session, user_id),
                tokens.tokens(session, user_id),
            )

    def change_password(
        self, user_id: int, session_id: int | None, present: str, password: str, again: str
    ) -> None:
        """Change one's own password; the other sessions end. Raises Refused, TooMany."""
        with self.database.writing() as session:
            user = rows.user(session, user_id)
            subject = guessing.account(user.name)
            left = guessing.seconds_left(session, subject)
            if left > 0:
                raise TooMany(left)
            guessing.failed(session, subject)
            kept = logins.password_hash(session, user_id)
        if kept is not None and not passwords.is_right(kept, present):
            raise Refused("the present password is wrong: nothing has changed")
        _check_twice(password, again, user.name)
        made = passwords.hashed(password)
        with self.database.writing() as session:
            guessing.succeeded(session, subject)
            logins.set_password_hash(session, user_id, made, who=user_id)
            logins.revoke_all(session, user_id, who=user_id, but=session_id)

    def end_session(self, user_id: int, session_id: int) -> None:
        """Sign out one of one's own browsers."""
        with self.database.writing() as session:
            logins.revoke(session, session_id, user_id=user_id, who=user_id)

    def make_token(self, user_id: int, name: str, days: int | None) -> str:
        """The text of a new token."""
        lasts = None if days is None else timedelta(days=days)
        with self.database.writing() as session:
            return tokens.make(session, user_id, name, who=user_id, lasts=lasts)[1]

    def revoke_token(self, user_id: int, token_id: int) -> None:
        """Make one of one's own tokens worthless."""
        with self.database.writing() as session:
            tokens.revoke(session, token_id, user_id=user_id, who=user_id)


def check_name(name: str) -> None:
    """Raise Refused for a name that cannot be an account's."""
    allowed = "abcdefghijklmnopqrstuvwxyz0123456789._@-"
    if not name.strip() or len(name) > 64 or set(name.strip().lower()) - set(allowed):
        raise Refused("a name to sign in with has letters, digits and . _ @ - only, 64 at most")


def _check_twice(password: str, again: str, name: str) -> None:
    if password != again:
        raise Refused("the two passwords differ: type the same twice")
    passwords.check_password(password, name)
