"""What admins ask for: users, groups, invitations, the banner, and the list of who did what."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy.orm import Session

from db.errors import NotAllowed
from db.models.accounts import Invitation
from db.models.people import AuditEntry, LabGroup, User
from db.models.queue import Machine
from db.repository import audit, banner, invitations, logins, machines, people, rows
from db.repository.machines import Held
from db.session import Database
from webapp.settings import Settings

AUDIT_LINES = 50


@dataclass(frozen=True, slots=True)
class UserLine:
    """A user in the admin's list; `acts` are what can be done, as word and text."""

    user: User
    seen_at: datetime | None
    acts: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class GroupLine:
    """A lab group with its members."""

    group: LabGroup
    members: Sequence[User]


@dataclass(frozen=True, slots=True)
class InvitationLine:
    """An invitation that waits: for whom, and by whom."""

    id: int
    words: str
    by: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class AuditLine:
    """Who did what and when."""

    id: int
    time: datetime
    who: str
    action: str
    subject: str
    url: str = ""
    project: str = ""
    """Of the job that the entry is about, where that is not in the bin."""


@dataclass(frozen=True, slots=True)
class Root:
    """A data folder and what is to be said about it."""

    path: Path
    words: str


@dataclass(frozen=True, slots=True)
class MachineLine:
    """A machine on which jobs are started directly, in words."""

    name: str
    cores: int
    memory: str
    gpus: str
    held: str
    seen_at: datetime | None


@dataclass(frozen=True, slots=True)
class Overview:
    """What the admin page shows."""

    users: Sequence[UserLine]
    groups: Sequence[GroupLine]
    invitations: Sequence[InvitationLine]
    roots: Sequence[Root]
    machines: Sequence[MachineLine]
    audit: Sequence[AuditLine]
    banner: str


@dataclass(frozen=True, slots=True)
class AdminDesk:
    """The acts of one admin; every one of them is refused to anybody else."""

    database: Database
    settings: Settings
    user_id: int

    def overview(self, before_id: int | None = None) -> Overview:
        """Everything at a glance; `before_id` pages on in the list of what happened."""
        with self.database.reading() as session:
            self._check(session)
            users = people.users(session)
            names = {user.id: user.name for user in users}
            seen = logins.last_seen(session)
            happened = audit.entries(session, before_id=before_id, limit=AUDIT_LINES)
            return Overview(
                [UserLine(one, seen.get(one.id), _acts(one)) for one in users],
                [
                    GroupLine(one, people.group_members(session, one.id))
                    for one in people.groups(session)
                ],
                [_line(one, names) for one in invitations.waiting(session)],
                [_root(path) for path in self.settings.data_roots],
                [
                    _machine(one, machines.held(session, one.name))
                    for one in machines.machines(session)
                ],
                _happened(happened, names, audit.open_jobs(session, happened)),
                banner.banner(session),
            )

    def invite(self, note: str, group_id: int | None, is_admin: bool) -> tuple[Invitation, str]:
        """A new invitation with the key of its link."""
        with self.database.writing() as session:
            self._check(session)
            return invitations.invite(
                session, who=self.user_id, note=note, group_id=group_id, is_admin=is_admin
            )

    def offer_new_password(self, user_id: int) -> tuple[Invitation, str]:
        """A link under which a user sets a new password."""
        with self.database.writing() as session:
            self._check(session)
            return invitations.offer_new_password(session, user_id, who=self.user_id)

    def withdraw(self, invitation_id: int) -> None:
        """Make a link worthless."""
        with self.database.writing() as session:
            self._check(session)
            invitations.withdraw(session, invitation_id, who=self.user_id)

    def set_active(self, user_id: int, is_active: bool) -> None:
        """Open or close an account; closing ends all that it has open."""
        with self.database.writing() as session:
            self._check(session)
            people.set_active(session, user_id, is_active, who=self.user_id)

    def set_admin(self, user_id: int, is_admin: bool) -> None:
        """Make somebody an admin, or no longer."""
        with self.database.writing() as session:
            self._check(session)
            people.set_admin(session, user_id, is_admin, who=self.user_id)

    def sign_out(self, user_id: int) -> None:
        """End all sessions and tokens of a user."""
        with self.database.writing() as session:
            self._check(session)
            logins.shut_out(session, user_id, who=self.user_id)

    def make_group(self, name: str) -> None:
        """A new lab group."""
        with self.database.writing() as session:
            self._check(session)
            people.create_group(session, name[:100], who=self.user_id)

    def join_group(self, group_id: int, user_id: int) -> None:
        """Put somebody into a lab group."""
        with self.database.writing() as session:
            self._check(session)
            people.join_group(session, group_id, user_id, who=self.user_id)

    def leave_group(self, group_id: int, user_id: int) -> None:
        """Take somebody out of a lab group."""
        with self.database.writing() as session:
            self._check(session)
            people.leave_group(session, group_id, user_id, who=self.user_id)

    def set_banner(self, text: str) -> None:
        """Tell everybody something, or (empty) no longer."""
        with self.database.writing() as session:
            self._check(session)
            banner.set_banner(session, text[:500], who=self.user_id)

    def _check(self, session: Session) -> None:
        user = rows.user(session, self.user_id)
        if not (user.is_admin and user.is_active):
            raise NotAllowed("this takes an admin")


def _acts(user: User) -> list[tuple[str, str]]:
    if not user.is_active:
        return [("open", "Open")]
    admin = ("not_admin", "No admin") if user.is_admin else ("make_admin", "Make admin")
    return [
        ("new_password", "New password"),
        admin,
        ("sign_out_user", "Sign out"),
        ("close", "Close"),
    ]


def _line(one: Invitation, names: dict[int, str]) -> InvitationLine:
    words = one.note or f"number {one.id}"
    if one.user_id is not None:
        words = f"new password of {names.get(one.user_id, '')}"
    if one.is_admin:
        words += " (admin)"
    return InvitationLine(one.id, words, names.get(one.created_by or 0, ""), one.expires_at)


def _root(path: Path) -> Root:
    if not path.is_dir():
        return Root(path, "does not exist")
    can = "can be written to" if os.access(path, os.W_OK) else "read only"
    room = os.statvfs(path)
    free_GB = room.f_bavail * room.f_frsize / 1e9
    free = f"{free_GB / 1000:.1f} TB" if free_GB >= 1000 else f"{free_GB:.0f} GB"
    return Root(path, f"{can}, {free} free")


def _machine(one: Machine, held: Sequence[Held]) -> MachineLine:
    """What it has, and what jobs hold of it."""
    names = [str(gpu.get("name") or f"GPU {gpu['index']}") for gpu in one.gpus]
    counts = {name: names.count(name) for name in names}
    gpus = ", ".join(f"{count} × {name}" for name, count in counts.items()) or "none"
    cores, in_use = sum(two.cores for two in held), sum(len(two.gpus) for two in held)
    words = f"{cores} cores" + (f", {in_use} GPUs" if one.gpus else "")
    memory_GB = one.memory_GB or (one.load or {}).get("memory_GB")
    memory = f"{memory_GB:.0f} GB" if memory_GB else "not known"
    jobs = f"{len(held)} job: " if len(held) == 1 else f"{len(held)} jobs: "
    return MachineLine(
        one.name, one.cores, memory, gpus, f"{jobs}{words}" if held else "idle", one.seen_at
    )


def _happened(
    found: Sequence[AuditEntry], names: Mapping[int, str], open_jobs: Mapping[int, str]
) -> list[AuditLine]:
    """Entries with the names of people, and with job and project where the job has a page."""
    return [
        AuditLine(
            one.id,
            one.time,
            names.get(one.user_id or 0, ""),
            one.action,
            one.subject,
            f"job?id={one.job_id}" if one.job_id in open_jobs else "",
            open_jobs.get(one.job_id or 0, ""),
        )
        for one in found
    ]
