"""`halfmap user`: the accounts of people who sign in to the dashboard."""

import argparse
import getpass
import sys
from collections.abc import Sequence
from typing import Any

from sqlalchemy.orm import Session

from compute.files.errors import InputError
from db.models.people import User
from db.repository import invitations, logins, people
from webapp.access import Access, opened
from webapp.accounts.desk import check_name
from webapp.accounts.passwords import check_password, hashed
from webapp.commands.output import guarded, parser, show_json, show_rows

EXAMPLE = "halfmap user add ana --admin"
COLUMNS = ("name", "full_name", "is_admin", "is_active", "has_password", "seen_at")


def main(words: Sequence[str]) -> int:
    """The exit status of `halfmap user …`."""
    asked = _parser().parse_args(list(words))
    acts = {
        "list": _list,
        "add": _add,
        "invite": _invite,
        "password": _password,
        "disable": lambda access, asked: _set_active(access, asked, False),
        "enable": lambda access, asked: _set_active(access, asked, True),
    }

    def act() -> int:
        with opened() as access:
            return acts[asked.action](access, asked)

    return guarded("user", act)


def _parser() -> argparse.ArgumentParser:
    made = parser("user", "List, add, invite, disable and enable users of the dashboard.", EXAMPLE)
    made.add_argument("action", choices=["list", "add", "invite", "password", "disable", "enable"])
    made.add_argument(
        "name", nargs="?", default="", help="the name to sign in with; for invite: whom"
    )
    made.add_argument("--admin", action="store_true", help="the user sees and may do everything")
    made.add_argument("--full-name", default="", help="shown beside the name")
    made.add_argument("--password-stdin", action="store_true", help="read the password from a pipe")
    made.add_argument("--link", action="store_true", help="password: make a link instead of asking")
    return made


def _list(access: Access, asked: argparse.Namespace) -> int:
    with access.database.reading() as session:
        seen = logins.last_seen(session)
        found = [
            {
                **_row(user),
                "has_password": logins.password_hash(session, user.id) is not None,
                "seen_at": seen.get(user.id),
            }
            for user in people.users(session)
        ]
    show_rows(found, COLUMNS, asked.json, "There are no users yet.")
    return 0


def _add(access: Access, asked: argparse.Namespace) -> int:
    check_name(asked.name)
    with access.database.reading() as session:
        access.check_admin(session)
        known = people.find_user(session, asked.name)
        if known is not None and logins.password_hash(session, known.id) is not None:
            raise InputError(f"there is already a user '{asked.name}'")
    kept = hashed(_asked_password(asked.name, asked.password_stdin))
    with access.database.writing() as session:
        user = people.find_user(session, asked.name) or people.create_user(
            session, asked.name, who=access.user_id, full_name=asked.full_name
        )
        if asked.admin and not user.is_admin:
            people.set_admin(session, user.id, True, who=access.user_id)
        logins.set_password_hash(session, user.id, kept, who=access.user_id)
    return _say(asked, _row(user), f"User '{user.name}' can sign in.")


def _invite(access: Access, asked: argparse.Namespace) -> int:
    with access.database.writing() as session:
        access.check_admin(session)
        made, key = invitations.invite(
            session, who=access.user_id, note=asked.name, is_admin=asked.admin
        )
    return _say_link(access, asked, key, made.expires_at)


def _password(access: Access, asked: argparse.Namespace) -> int:
    with access.database.reading() as session:
        access.check_admin(session)
        user = _user(session, asked.name)
    if asked.link:
        with access.database.writing() as session:
            made, key = invitations.offer_new_password(session, user.id, who=access.user_id)
        return _say_link(access, asked, key, made.expires_at)
    kept = hashed(_asked_password(user.name, asked.password_stdin))
    with access.database.writing() as session:
        logins.set_password_hash(session, user.id, kept, who=access.user_id)
        logins.revoke_all(session, user.id, who=access.user_id)
    return _say(
        asked, _row(user), f"'{user.name}' has a new password; what was open is signed out."
    )


def _set_active(access: Access, asked: argparse.Namespace, is_active: bool) -> int:
    with access.database.writing() as session:
        access.check_admin(session)
        user = people.set_active(
            session, _user(session, asked.name).id, is_active, who=access.user_id
        )
    word = "may come in again" if is_active else "is signed out and stays out"
    return _say(asked, _row(user), f"'{user.name}' {word}.")


def _user(session: Session, name: str) -> User:
    found = people.find_user(session, name)
    if found is None:
        raise InputError(f"there is no user '{name}'")
    return found


def _asked_password(name: str, from_pipe: bool) -> str:
    """The password that is typed twice, or read from a pipe; never an option, which others on the machine see."""
    if from_pipe:
        password = sys.stdin.readline().rstrip("\n")
    elif not sys.stdin.isatty():
        raise InputError("there is no terminal to ask for a password: use --password-stdin")
    else:
        password = getpass.getpass(f"Password of {name}: ")
        if getpass.getpass("The same again: ") != password:
            raise InputError("the two passwords differ")
    check_password(password, name)
    return password


def _row(user: User) -> dict[str, Any]:
    names = ("id", "name", "full_name", "is_admin", "is_active", "created_at")
    return {name: getattr(user, name) for name in names}


def _say(asked: argparse.Namespace, row: dict[str, Any], sentence: str) -> int:
    if asked.json:
        show_json(row)
    else:
        print(sentence)
    return 0


def _say_link(access: Access, asked: argparse.Namespace, key: str, expires_at: object) -> int:
    server = access.settings.server
    address = server.public_url.rstrip("/") or f"http://{server.host}:{server.port}"
    link = f"{address}/invitation?key={key}"
    if asked.json:
        show_json({"link": link, "expires_at": expires_at})
    else:
        print(f"{link}\nIt is good once, for 7 days.")
    return 0
