"""`halfmap token`: what programs on other machines show instead of a password."""

from collections.abc import Sequence
from datetime import timedelta

from compute.files.errors import InputError
from db.repository import people, tokens
from webapp.access import Access, opened
from webapp.commands.output import guarded, parser, show_json, show_rows

EXAMPLE = "halfmap token make laptop --days 30"


def main(words: Sequence[str]) -> int:
    """The exit status of `halfmap token …`."""
    made = parser("token", "List, make and revoke tokens for programs.", EXAMPLE)
    made.add_argument("action", choices=["list", "make", "revoke"])
    made.add_argument("name", nargs="?", default="", help="of a new token; number of one to revoke")
    made.add_argument("--days", type=int, help="how long it is good; for ever without it")
    made.add_argument("--user", default="", help="somebody else's, for admins")
    asked = made.parse_args(list(words))

    def act() -> int:
        with opened() as access:
            user_id = _user(access, asked.user)
            if asked.action == "list":
                return _list(access, user_id, asked.json)
            if asked.action == "make":
                return _make(access, user_id, asked.name, asked.days, asked.json)
            return _revoke(access, user_id, asked.name, asked.json)

    return guarded("token", act)


def _user(access: Access, name: str) -> int:
    """Whose tokens are meant. Raises InputError where somebody is no admin and names somebody else."""
    if not name:
        return access.user_id
    with access.database.reading() as session:
        access.check_admin(session)
        found = people.find_user(session, name)
    if found is None:
        raise InputError(f"there is no user '{name}'")
    return found.id


def _list(access: Access, user_id: int, as_json: bool) -> int:
    with access.database.reading() as session:
        found = tokens.tokens(session, user_id)
    names = ("id", "name", "created_at", "used_at", "expires_at")
    listed = [{name: getattr(one, name) for name in names} for one in found]
    show_rows(listed, names, as_json, "There are no tokens.")
    return 0


def _make(access: Access, user_id: int, name: str, days: int | None, as_json: bool) -> int:
    if days is not None and days < 1:
        raise InputError(f"a token is good for a day or more, not {days}")
    lasts = None if days is None else timedelta(days=days)
    with access.database.writing() as session:
        made, text = tokens.make(session, user_id, name, who=access.user_id, lasts=lasts)
    if as_json:
        show_json({"id": made.id, "name": made.name, "token": text, "expires_at": made.expires_at})
    else:
        print(f"{text}\nIt is not shown again.")
    return 0


def _revoke(access: Access, user_id: int, words: str, as_json: bool) -> int:
    if not words.isdigit():
        raise InputError("name the number of the token: 'halfmap token list' shows it")
    with access.database.writing() as session:
        tokens.revoke(session, int(words), user_id=user_id, who=access.user_id)
    if as_json:
        show_json({"id": int(words), "is_revoked": True})
    else:
        print(f"Token {words} opens nothing any more.")
    return 0
