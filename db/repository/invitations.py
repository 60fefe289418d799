"""Links that make an account, or give one a new password: each good once, until it expires."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.errors import NotFound, Refused
from db.keys import key_hash, new_key
from db.models.accounts import Invitation
from db.models.people import User
from db.repository import audit, members, people, rows
from db.session import now
from db.words import Role

LASTS = timedelta(days=7)
GONE = "the link is used up, withdrawn, too old or wrong: ask for a new one"


def invite(
    session: Session,
    *,
    who: int | None,
    note: str = "",
    is_admin: bool = False,
    group_id: int | None = None,
    project_id: int | None = None,
    role: Role = Role.VIEWER,
    lasts: timedelta = LASTS,
) -> tuple[Invitation, str]:
    """A new invitation with the key of its link; whoever uses it joins the group and the project that are named."""
    made, key = _new(session, who, lasts)
    made.note, made.is_admin, made.group_id = note.strip()[:254], is_admin, group_id
    made.project_id, made.role = project_id, role
    session.flush()
    audit.note(session, who, "invited", subject=made.note or f"invitation {made.id}")
    return made, key


def offer_new_password(
    session: Session, user_id: int, *, who: int | None, lasts: timedelta = LASTS
) -> tuple[Invitation, str]:
    """A link under which a user sets a new password."""
    user = rows.user(session, user_id)
    if not user.is_active:
        raise Refused(f"the account '{user.name}' is closed: open it first")
    made, key = _new(session, who, lasts)
    made.user_id = user_id
    audit.note(session, who, "offered new password", subject=user.name)
    return made, key


def find(session: Session, key: str, *, lock: bool = False) -> Invitation:
    """The invitation of a key, while it is good. Raises NotFound."""
    query = select(Invitation).where(Invitation.key_hash == key_hash(key))
    found = session.scalar(query.with_for_update() if lock else query)
    if (
        found is None
        or found.used_at is not None
        or found.revoked_at is not None
        or found.expires_at <= now(session)
    ):
        raise NotFound(GONE)
    return found


def accept(session: Session, key: str, name: str, full_name: str = "") -> User:
    """Use an invitation: the new user, or the one who gets a new password. Raises NotFound, Conflict."""
    found = find(session, key, lock=True)
    if found.user_id is not None:
        user = rows.user(session, found.user_id)
    else:
        user = people.create_user(
            session, name, who=found.created_by, full_name=full_name, is_admin=found.is_admin
        )
        if found.group_id is not None:
            people.join_group(session, found.group_id, user.id, who=found.created_by)
        if found.project_id is not None:
            members.set_role(session, found.project_id, user.id, found.role, who=found.created_by)
    found.used_at, found.used_by = now(session), user.id
    return user


def withdraw(session: Session, invitation_id: int, *, who: int | None) -> None:
    """Make a link worthless."""
    found = session.get(Invitation, invitation_id)
    if found is None:
        raise NotFound(f"there is no invitation {invitation_id}")
    if found.used_at is None and found.revoked_at is None:
        found.revoked_at = now(session)
        audit.note(session, who, "withdrew invitation", subject=found.note or str(found.id))


def waiting(session: Session) -> Sequence[Invitation]:
    """The invitations that can still be used, newest first."""
    query = select(Invitation).where(
        Invitation.used_at.is_(None),
        Invitation.revoked_at.is_(None),
        Invitation.expires_at > now(session),
    )
    return session.scalars(query.order_by(Invitation.id.desc())).all()


def _new(session: Session, who: int | None, lasts: timedelta) -> tuple[Invitation, str]:
    key, moment = new_key(), now(session)
    made = Invitation(
        key_hash=key_hash(key),
        note="",
        created_by=who,
        created_at=moment,
        expires_at=moment + lasts,
        role=Role.VIEWER,
    )
    session.add(made)
    session.flush()
    return made, key
