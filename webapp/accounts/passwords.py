"""Passwords: what is good enough, their Argon2 hashes, and whether one is right."""

import threading

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from db.errors import Refused

SHORTEST = 10
LONGEST = 500
WEAK = ("password", "passwort", "1234567", "qwerty", "letmein", "halfmap", "cryoem", "cryo-em")
"""What makes a password of little more than SHORTEST characters easy to guess."""
HASHER = PasswordHasher(time_cost=1, memory_cost=47104, parallelism=1)
"""Argon2id with 46 MiB and one pass: the first choice of the OWASP Password Storage Cheat Sheet."""
AT_ONCE = threading.BoundedSemaphore(2)
"""So many checks at a time: a crowd at the door must not fill the memory."""
NOBODY = (
    "$argon2id$v=19$m=47104,t=1,p=1$aGFsZm1hcC1ub2JvZHk$MYpOrqTxSI2OUd8zIzxnhWkF6eGGzDSvtWtkOYkIKzQ"
)
"""A hash that no password has: an unknown name takes as long as a wrong password."""


def check_password(password: str, name: str) -> None:
    """Raise Refused, saying why, for a password that would be guessed."""
    if len(password) < SHORTEST:
        raise Refused(f"a password has {SHORTEST} characters or more: a few words in a row will do")
    if len(password) > LONGEST:
        raise Refused(f"a password has {LONGEST} characters at most")
    plain = password.lower()
    for word in (*WEAK, name.lower()):
        if len(word) >= 3 and word in plain:
            plain = plain.replace(word, "")
    if len(set(plain)) < 5:
        raise Refused(
            "this password would be guessed: take a few words that do not belong together"
        )


def hashed(password: str) -> str:
    """The hash of a password, with its settings and salt in it."""
    with AT_ONCE:
        return HASHER.hash(password)


def is_right(kept: str | None, password: str) -> bool:
    """Whether a password belongs to a hash; without a hash it takes as long and is wrong."""
    with AT_ONCE:
        try:
            HASHER.verify(kept or NOBODY, password[: LONGEST + 1])
        except (VerificationError, InvalidHashError):
            return False
    return kept is not None


def is_outdated(kept: str) -> bool:
    """Whether a hash was made with weaker settings than today's."""
    return HASHER.check_needs_rehash(kept)
