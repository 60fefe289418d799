"""Users and lab groups."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from db.errors import Conflict, NotFound, Refused
from db.models.people import LabGroup, LabGroupMember, User
from db.repository import audit, logins, rows
from db.session import now


def create_user(
    session: Session,
    name: str,
    *,
    who: int | None,
    full_name: str = "",
    email: str | None = None,
    unix_user: str | None = None,
    is_admin: bool = False,
) -> User:
    """A new user. Raises Conflict where the name is taken."""
    name = name.strip()
    if not name:
        raise Refused("a user needs a name")
    if find_user(session, name) is not None:
        raise Conflict(f"there is already a user '{name}'")
    user = User(
        name=name,
        full_name=full_name,
        email=email,
        unix_user=unix_user,
        is_admin=is_admin,
        created_at=now(session),
    )
    session.add(user)
    session.flush()
    audit.note(session, who, "created user", subject=name, is_admin=is_admin)
    return user


def find_user(session: Session, name: str) -> User | None:
    """The user of this name."""
    return session.scalar(select(User).where(User.name == name))


def user_of_unix(session: Session, unix_user: str) -> User | None:
    """The active user who works under a Unix account."""
    query = select(User).where(User.unix_user == unix_user, User.is_active).order_by(User.id)
    return session.scalars(query.limit(1)).first()


def ensure_unix_user(session: Session, unix_user: str) -> User:
    """The user of a Unix account, made with the account's name where there is none: the first one is an admin.

    A name that somebody signs in with already is that person's: the Unix account gets another one.
    """
    found = user_of_unix(session, unix_user)
    if found is not None:
        return found
    is_first = session.scalar(select(User.id).limit(1)) is None
    name = unix_user if find_user(session, unix_user) is None else f"{unix_user}@unix"
    return create_user(session, name, who=None, unix_user=unix_user, is_admin=is_first)


def users(session: Session, *, active_only: bool = False) -> Sequence[User]:
    """All users by name."""
    query = select(User).order_by(User.name)
    return session.scalars(query.where(User.is_active) if active_only else query).all()


def set_active(session: Session, user_id: int, is_active: bool, *, who: int | None) -> User:
    """Let a user in, or keep one out, ending what is open. The last admin stays."""
    user = rows.user(session, user_id, lock=True)
    if not is_active:
        _keep_an_admin(session, user)
    user.is_active = is_active
    if not is_active:
        logins.shut_out(session, user_id, who=who)
    audit.note(session, who, "let user in" if is_active else "kept user out", subject=user.name)
    return user


def set_admin(session: Session, user_id: int, is_admin: bool, *, who: int | None) -> User:
    """Make a user an admin, or no longer. The last admin stays."""
    user = rows.user(session, user_id, lock=True)
    if not is_admin:
        _keep_an_admin(session, user)
    user.is_admin = is_admin
    audit.note(session, who, "changed admin", subject=user.name, is_admin=is_admin)
    return user


def save_settings(session: Session, user_id: int, settings: dict[str, Any]) -> User:
    """Keep what a user has chosen (columns, theme, notifications), merged into what was kept before."""
    user = rows.user(session, user_id, lock=True)
    user.settings = user.settings | settings
    return user


def create_group(session: Session, name: str, *, who: int | None) -> LabGroup:
    """A new lab group. Raises Conflict where the name is taken."""
    name = name.strip()
    if not name:
        raise Refused("a group needs a name")
    if session.scalar(select(LabGroup.id).where(LabGroup.name == name)) is not None:
        raise Conflict(f"there is already a group '{name}'")
    group = LabGroup(name=name, created_at=now(session))
    session.add(group)
    session.flush()
    audit.note(session, who, "created group", subject=name)
    return group


def groups(session: Session, *, user_id: int | None = None) -> Sequence[LabGroup]:
    """All lab groups by name, or those of one user."""
    query = select(LabGroup).order_by(LabGroup.name)
    if user_id is not None:
        query = query.join(LabGroupMember).where(LabGroupMember.user_id == user_id)
    return session.scalars(query).all()


def group_members(session: Session, group_id: int) -> Sequence[User]:
    """The users of a lab group by name."""
    query = select(User).join(LabGroupMember).where(LabGroupMember.group_id == group_id)
    return session.scalars(query.order_by(User.name)).all()


def join_group(session: Session, group_id: int, user_id: int, *, who: int | None) -> None:
    """Make a user a member of a lab group; nothing changes where that is so already."""
    group, user = _group(session, group_id), rows.user(session, user_id)
    if session.get(LabGroupMember, (group_id, user_id)) is None:
        session.add(LabGroupMember(group_id=group_id, user_id=user_id))
        audit.note(session, who, "added to group", subject=user.name, group=group.name)


def leave_group(session: Session, group_id: int, user_id: int, *, who: int | None) -> None:
    """End a user's membership of a lab group."""
    group, user = _group(session, group_id), rows.user(session, user_id)
    session.execute(
        delete(LabGroupMember).where(
            LabGroupMember.group_id == group_id, LabGroupMember.user_id == user_id
        )
    )
    audit.note(session, who, "removed from group", subject=user.name, group=group.name)


def _group(session: Session, group_id: int) -> LabGroup:
    group = session.get(LabGroup, group_id)
    if group is None:
        raise NotFound(f"there is no group {group_id}")
    return group


def _keep_an_admin(session: Session, user: User) -> None:
    others = select(User.id).where(User.is_admin, User.is_active, User.id != user.id).limit(1)
    if user.is_admin and session.scalar(others) is None:
        raise Refused(f"'{user.name}' is the last admin: name another one first")
