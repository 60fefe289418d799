"""The office of the supervisor: held by one process at a time, however it got lost before."""

import os
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.orm import Session

from db.repository import leases
from db.session import Database
from webapp.launch.processes import is_same, started_at

LIFETIME_S = 30.0


class OfficeLost(RuntimeError):
    """The office has passed to another process: this one must not act any more."""


class Office:
    """The right to act on jobs. Whatever its holder stores is stored only while it holds it."""

    def __init__(self, database: Database, lifetime_s: float = LIFETIME_S) -> None:
        self.database = database
        self.host = socket.gethostname()
        self._pid = os.getpid()
        self._lifetime_s = lifetime_s
        self._name = f"{self.host}|{self._pid}|{started_at(self._pid)}|{uuid.uuid4()}"
        self._term: int | None = None

    @property
    def is_held(self) -> bool:
        """Whether this process has the office, as far as it knows."""
        return self._term is not None

    def take(self) -> str:
        """Take the office where it is free; else who holds it.

        The office of a process of this machine that has died is free at once.
        """
        with self.database.writing() as session:
            lease = leases.holder(session, leases.SUPERVISOR)
            if lease is not None and lease.holder and self._is_dead(lease.holder):
                leases.give_back(session, leases.SUPERVISOR, lease.holder)
            self._term = leases.take(
                session,
                leases.SUPERVISOR,
                self._name,
                self._lifetime_s,
                host=self.host,
                pid=self._pid,
            )
            if self._term is not None or lease is None:
                return ""
            return f"process {lease.pid} on {lease.host}"

    @contextmanager
    def acting(self) -> Iterator[Session]:
        """A writing session of the holder. Raises OfficeLost, and stores nothing, where another one has the office."""
        with self.database.writing() as session:
            if self._term is None or not leases.renew(
                session, leases.SUPERVISOR, self._name, self._term, self._lifetime_s
            ):
                self._term = None
                raise OfficeLost("another supervisor has taken over")
            yield session

    def leave(self) -> None:
        """Give the office back, if it is still held."""
        if self._term is not None:
            self._term = None
            with self.database.writing() as session:
                leases.give_back(session, leases.SUPERVISOR, self._name)

    def _is_dead(self, holder: str) -> bool:
        """Whether the holder was a process of this machine that is no more."""
        host, pid, began, _ = f"{holder}|||".split("|", 3)
        if host != self.host or not pid.isdigit():
            return False
        try:
            return not is_same(int(pid), float(began))
        except ValueError:
            return False


def running_supervisor(database: Database) -> str:
    """Which process supervises a database now; nothing where none does."""
    with database.reading() as session:
        lease = leases.holder(session, leases.SUPERVISOR)
        return f"process {lease.pid} on {lease.host}" if lease is not None else ""
