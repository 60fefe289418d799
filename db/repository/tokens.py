"""Tokens with which programs come in, in the name of a user."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from db.errors import NotFound, Refused
from db.keys import key_hash, new_key
from db.models.accounts import ApiToken
from db.models.people import User
from db.repository import audit, rows
from db.session import now

PREFIX = "halfmap_"
"""How every token begins, so that it is known for what it is where somebody has left it lying about."""
USED_EVERY = timedelta(minutes=5)


def make(
    session: Session, user_id: int, name: str, *, who: int | None, lasts: timedelta | None = None
) -> tuple[ApiToken, str]:
    """A new token of a user with its text, which is shown once."""
    name = name.strip()[:100]
    if not name:
        raise Refused("a token needs a name, such as the machine that uses it")
    user = rows.user(session, user_id)
    if not user.is_active:
        raise Refused(f"the account '{user.name}' is closed")
    text = PREFIX + new_key()
    moment = now(session)
    made = ApiToken(
        key_hash=key_hash(text),
        user_id=user_id,
        name=name,
        created_at=moment,
        expires_at=None if lasts is None else moment + lasts,
    )
    session.add(made)
    session.flush()
    audit.note(session, who, "made token", subject=name, user=user.name)
    return made, text


def find(session: Session, text: str) -> tuple[ApiToken, User] | None:
    """The token of a text with its user, while both are good."""
    query = select(ApiToken, User).join(User, User.id == ApiToken.user_id)
    found = session.execute(
        query.where(
            ApiToken.key_hash == key_hash(text),
            ApiToken.revoked_at.is_(None),
            or_(ApiToken.expires_at.is_(None), ApiToken.expires_at > now(session)),
            User.is_active,
        )
    ).first()
    return (found[0], found[1]) if found is not None else None


def is_stale(session: Session, found: ApiToken) -> bool:
    """Whether it is time to note that a token is in use."""
    return found.used_at is None or now(session) - found.used_at > USED_EVERY


def touch(session: Session, token_id: int) -> None:
    """Note that a token is in use now."""
    session.execute(update(ApiToken).where(ApiToken.id == token_id).values(used_at=now(session)))


def tokens(session: Session, user_id: int) -> Sequence[ApiToken]:
    """The good tokens of a user, newest first."""
    query = select(ApiToken).where(
        ApiToken.user_id == user_id,
        ApiToken.revoked_at.is_(None),
        or_(ApiToken.expires_at.is_(None), ApiToken.expires_at > now(session)),
    )
    return session.scalars(query.order_by(ApiToken.id.desc())).all()


def revoke(session: Session, token_id: int, *, user_id: int, who: int | None) -> None:
    """Make a token of a user worthless. Raises NotFound where the user has no such token."""
    found = session.get(ApiToken, token_id)
    if found is None or found.user_id != user_id:
        raise NotFound(f"there is no token {token_id}")
    if found.revoked_at is None:
        found.revoked_at = now(session)
        audit.note(session, who, "revoked token", subject=found.name)
