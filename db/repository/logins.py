"""Passwords (as hashes), accounts elsewhere, and the sessions of browsers that are signed in."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from db.errors import NotFound, Refused
from db.keys import key_hash, new_key
from db.models.accounts import ApiToken, LoginSession, OutsideIdentity, Password
from db.models.people import User
from db.repository import audit, rows
from db.session import now

SEEN_EVERY = timedelta(minutes=1)
"""How exactly it is known when a session was last used."""
KEPT_FOR = timedelta(days=30)
"""How long sessions that are over stay in the list."""


def password_hash(session: Session, user_id: int) -> str | None:
    """The Argon2 hash of a user's password; None for a user without one."""
    found = session.get(Password, user_id)
    return found.hash if found is not None else None


def set_password_hash(session: Session, user_id: int, hashed: str, *, who: int | None) -> None:
    """Give a user another password."""
    user = rows.user(session, user_id, lock=True)
    found = session.get(Password, user_id)
    if found is None:
        session.add(Password(user_id=user_id, hash=hashed, changed_at=now(session)))
    else:
        found.hash, found.changed_at = hashed, now(session)
    audit.note(session, who, "changed password", subject=user.name)


def renew_password_hash(session: Session, user_id: int, hashed: str) -> None:
    """Store the same password hashed with newer settings; nobody has changed anything."""
    found = session.get(Password, user_id)
    if found is not None:
        found.hash = hashed


def somebody_has_password(session: Session) -> bool:
    """Whether an active user can sign in with a password."""
    query = select(Password.user_id).join(User, User.id == Password.user_id).where(User.is_active)
    return session.scalar(query.limit(1)) is not None


def begin(
    session: Session,
    user_id: int,
    method: str,
    *,
    lasts: timedelta,
    address: str = "",
    browser: str = "",
) -> tuple[LoginSession, str]:
    """A new login session, with the key that the browser gets; old ones that are long over are forgotten."""
    moment = now(session)
    session.execute(delete(LoginSession).where(LoginSession.expires_at < moment - KEPT_FOR))
    user = rows.user(session, user_id)
    if not user.is_active:
        raise Refused(f"the account '{user.name}' is closed: ask an admin")
    key = new_key()
    made = LoginSession(
        key_hash=key_hash(key),
        user_id=user_id,
        method=method,
        address=address[:64],
        browser=browser[:300],
        created_at=moment,
        seen_at=moment,
        expires_at=moment + lasts,
    )
    session.add(made)
    session.flush()
    audit.note(session, user_id, "signed in", subject=user.name, method=method, address=address)
    return made, key


def find(session: Session, key: str) -> tuple[LoginSession, User] | None:
    """The session of a key with its user, while both are good."""
    query = select(LoginSession, User).join(User, User.id == LoginSession.user_id)
    found = session.execute(
        query.where(
            LoginSession.key_hash == key_hash(key),
            LoginSession.revoked_at.is_(None),
            LoginSession.expires_at > now(session),
            User.is_active,
        )
    ).first()
    return (found[0], found[1]) if found is not None else None


def is_stale(session: Session, found: LoginSession) -> bool:
    """Whether it is time to note that a session is in use."""
    return now(session) - found.seen_at > SEEN_EVERY


def touch(session: Session, session_id: int, lasts: timedelta) -> None:
    """Note that a session is in use now: it lasts from this moment."""
    moment = now(session)
    still = update(LoginSession).where(
        LoginSession.id == session_id, LoginSession.revoked_at.is_(None)
    )
    session.execute(still.values(seen_at=moment, expires_at=moment + lasts))


def open_sessions(session: Session, user_id: int) -> Sequence[LoginSession]:
    """The sessions of a user that are good, the one that was used last first."""
    query = select(LoginSession).where(
        LoginSession.user_id == user_id,
        LoginSession.revoked_at.is_(None),
        LoginSession.expires_at > now(session),
    )
    return session.scalars(query.order_by(LoginSession.seen_at.desc(), LoginSession.id)).all()


def revoke(session: Session, session_id: int, *, user_id: int, who: int | None) -> None:
    """End one session of a user. Raises NotFound where the user has no such session."""
    found = session.get(LoginSession, session_id)
    if found is None or found.user_id != user_id:
        raise NotFound(f"there is no session {session_id}")
    if found.revoked_at is None:
        found.revoked_at = now(session)
        audit.note(session, who, "signed out", subject=rows.user(session, user_id).name)


def revoke_all(session: Session, user_id: int, *, who: int | None, but: int | None = None) -> int:
    """End all sessions of a user, `but` one perhaps; how many they were."""
    query = update(LoginSession).where(
        LoginSession.user_id == user_id, LoginSession.revoked_at.is_(None)
    )
    if but is not None:
        query = query.where(LoginSession.id != but)
    ended = session.execute(query.values(revoked_at=now(session)).returning(LoginSession.id)).all()
    if ended:
        name = rows.user(session, user_id).name
        audit.note(session, who, "ended sessions", subject=name, count=len(ended))
    return len(ended)


def shut_out(session: Session, user_id: int, *, who: int | None) -> None:
    """End all that a user has open: sessions and tokens."""
    revoke_all(session, user_id, who=who)
    open_tokens = update(ApiToken).where(ApiToken.user_id == user_id, ApiToken.revoked_at.is_(None))
    session.execute(open_tokens.values(revoked_at=now(session)))


def user_of_identity(session: Session, issuer: str, subject: str) -> User | None:
    """The user whom an account elsewhere signs in."""
    found = session.get(OutsideIdentity, (issuer, subject))
    return rows.user(session, found.user_id) if found is not None else None


def add_identity(session: Session, issuer: str, subject: str, user_id: int) -> None:
    """Let an account elsewhere sign in a user."""
    made = OutsideIdentity(issuer=issuer, subject=subject, user_id=user_id, created_at=now(session))
    session.add(made)
    name = rows.user(session, user_id).name
    audit.note(session, user_id, "linked account", subject=name, issuer=issuer)


def good_sessions(session: Session, session_ids: set[int]) -> set[int]:
    """Those of some sessions that are still good."""
    query = (
        select(LoginSession.id)
        .join(User, User.id == LoginSession.user_id)
        .where(
            LoginSession.id.in_(session_ids),
            LoginSession.revoked_at.is_(None),
            LoginSession.expires_at > now(session),
            User.is_active,
        )
    )
    return set(session.scalars(query))


def last_seen(session: Session) -> dict[int, datetime]:
    """When each user's browsers were last seen, by user."""
    query = select(LoginSession.user_id, func.max(LoginSession.seen_at))
    return dict(session.execute(query.group_by(LoginSession.user_id)).all())
