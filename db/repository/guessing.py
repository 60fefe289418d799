"""Guessing of passwords is made slow: after some failures in a row each further one costs twice the wait."""

from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from db.models.accounts import LoginFailure
from db.session import now

FREE = 5
"""Failures of an account that cost nothing: people mistype."""
FREE_FROM_ADDRESS = 20
"""The same for an address, which a whole lab may share."""
FIRST_WAIT_S = 2.0
LONGEST_WAIT_S = 15 * 60.0
FORGOTTEN_AFTER = timedelta(days=1)


def account(name: str) -> str:
    """What counts the failures of an account, one that does not exist included."""
    return f"account {name.strip().lower()[:150]}"


def address(text: str) -> str:
    """What counts the failures from an address."""
    return f"address {text[:64]}"


def wait_s(count: int, free: int = FREE) -> float:
    """How long nobody may try again after so many failures in a row, when `free` cost nothing."""
    if count < free:
        return 0.0
    return min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(count - free, 30))


def seconds_left(session: Session, *subjects: str) -> float:
    """How long it is until the next try is let through; 0 where it is now."""
    query = select(LoginFailure).where(LoginFailure.subject.in_(subjects))
    moment = now(session)
    found = [_ends(one) - moment for one in session.scalars(query)]
    return max((one.total_seconds() for one in found), default=0.0)


def failed(session: Session, *subjects: str) -> None:
    """Count a failure."""
    moment = now(session)
    session.execute(delete(LoginFailure).where(LoginFailure.failed_at < moment - FORGOTTEN_AFTER))
    for subject in sorted(set(subjects)):
        found = session.get(LoginFailure, subject, with_for_update=True)
        if found is None:
            session.add(LoginFailure(subject=subject, count=1, failed_at=moment))
        else:
            found.count, found.failed_at = found.count + 1, moment


def succeeded(session: Session, account: str, address: str = "") -> None:
    """Forget the failures of an account; from the address it was one less, as whoever guesses may own an account."""
    session.execute(delete(LoginFailure).where(LoginFailure.subject == account))
    one_less = update(LoginFailure).where(LoginFailure.subject == address, LoginFailure.count > 0)
    session.execute(one_less.values(count=LoginFailure.count - 1))


def _ends(found: LoginFailure) -> datetime:
    free = FREE_FROM_ADDRESS if found.subject.startswith("address ") else FREE
    return found.failed_at + timedelta(seconds=wait_s(found.count, free))
