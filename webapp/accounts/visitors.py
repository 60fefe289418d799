"""Who a request comes from: a browser with a session, a program with a token, or a name that a proxy vouches for."""

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import timedelta

from db.models.people import User
from db.repository import banner, logins, people, tokens
from db.session import Database


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who is signed in. Without a session it is a program with a token, or somebody behind a proxy."""

    user_id: int
    name: str
    is_admin: bool
    session_id: int | None = None
    is_program: bool = False


@dataclass(frozen=True, slots=True)
class Visit:
    """What pages know of the request that they answer: who asks, and what everybody is told."""

    visitor: Visitor
    banner: str = ""


@dataclass(frozen=True, slots=True)
class Doorkeeper:
    """Looks visitors up; `threads` note when sessions and tokens were last used."""

    database: Database
    threads: Executor
    session_lasts: timedelta

    def by_session(self, key: str) -> Visit | None:
        """The visit of a browser that holds this key."""
        with self.database.reading() as session:
            found = logins.find(session, key)
            if found is None:
                return None
            login, user = found
            is_stale = logins.is_stale(session, login)
            visit = Visit(_visitor(user, session_id=login.id), banner.banner(session))
        if is_stale:
            self._write(lambda session: logins.touch(session, login.id, self.session_lasts))
        return visit

    def by_token(self, text: str) -> Visit | None:
        """The visit of a program that holds this token."""
        with self.database.reading() as session:
            found = tokens.find(session, text)
            if found is None:
                return None
            token, user = found
            is_stale = tokens.is_stale(session, token)
        if is_stale:
            self._write(lambda session: tokens.touch(session, token.id))
        return Visit(_visitor(user, is_program=True))

    def by_name(self, name: str, creates_users: bool) -> Visit | None:
        """The visit of somebody whom a proxy has signed in; a user is made where that is wanted."""
        with self.database.reading() as session:
            user = people.find_user(session, name)
            words = banner.banner(session)
        if user is None and creates_users:
            with self.database.writing() as session:
                user = people.find_user(session, name) or people.create_user(
                    session, name, who=None
                )
        if user is None or not user.is_active:
            return None
        return Visit(_visitor(user), words)

    def still_good(self, visitors: set[Visitor]) -> set[Visitor]:
        """Those of some visitors who may still be here."""
        sessions = {one.session_id for one in visitors if one.session_id is not None}
        with self.database.reading() as session:
            good = logins.good_sessions(session, sessions)
            active = {user.id for user in people.users(session, active_only=True)}
        return {
            one
            for one in visitors
            if (one.session_id in good if one.session_id is not None else one.user_id in active)
        }

    def _write(self, change: Callable) -> None:
        def work() -> None:
            with self.database.writing() as session:
                change(session)

        self.threads.submit(work)


def _visitor(user: User, session_id: int | None = None, is_program: bool = False) -> Visitor:
    return Visitor(user.id, user.name, user.is_admin, session_id, is_program)
