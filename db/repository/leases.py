"""Leases: at most one process at a time holds an office, such as that of the supervisor."""

from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from db.models.queue import Lease
from db.session import now

SUPERVISOR = "supervisor"


def take(
    session: Session, name: str, holder: str, lifetime_s: float, *, host: str, pid: int
) -> int | None:
    """Take the office for `lifetime_s` seconds; its term, or None where somebody else holds it and it has not expired.

    `holder` is a name that no other process has, ever. The term grows by one with every change of hands: who acts
    with an old term has lost the office.
    """
    lease = _locked(session, name)
    moment = now(session)
    is_free = lease.holder is None or lease.expires_at is None or lease.expires_at <= moment
    if not is_free and lease.holder != holder:
        return None
    if lease.holder != holder:
        lease.term += 1
        lease.taken_at = moment
    lease.holder, lease.host, lease.pid = holder, host, pid
    lease.expires_at = moment + timedelta(seconds=lifetime_s)
    session.flush()
    return lease.term


def renew(session: Session, name: str, holder: str, term: int, lifetime_s: float) -> bool:
    """Hold the office for another `lifetime_s` seconds; False where it has passed to somebody else.

    An expired lease that nobody has taken is renewed. To be called in the transaction of what only the holder may do.
    """
    lease = _locked(session, name)
    if lease.holder != holder or lease.term != term:
        return False
    lease.expires_at = now(session) + timedelta(seconds=lifetime_s)
    session.flush()
    return True


def give_back(session: Session, name: str, holder: str) -> None:
    """Leave the office, if it is still held."""
    lease = _locked(session, name)
    if lease.holder == holder:
        lease.holder = lease.host = lease.pid = lease.expires_at = None
    session.flush()


def holder(session: Session, name: str) -> Lease | None:
    """The lease as it is now, or None where nobody holds it or it has expired."""
    lease = session.get(Lease, name, populate_existing=True)
    if lease is None or lease.holder is None or lease.expires_at is None:
        return None
    return lease if lease.expires_at > now(session) else None


def _locked(session: Session, name: str) -> Lease:
    """The row of the office, made where it is new; nobody else changes it meanwhile."""
    is_sqlite = session.get_bind().dialect.name == "sqlite"
    insert = sqlite.insert(Lease) if is_sqlite else postgresql.insert(Lease)
    session.execute(insert.values(name=name, term=0).on_conflict_do_nothing())
    query = select(Lease).where(Lease.name == name).with_for_update()
    return session.scalars(query.execution_options(populate_existing=True)).one()
