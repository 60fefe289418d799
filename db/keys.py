"""Keys that are handed out once and kept as hashes: cookies, links, tokens."""

import hashlib
import secrets


def new_key() -> str:
    """A new key that nobody guesses: 256 random bits, in letters that an address may hold."""
    return secrets.token_urlsafe(32)


def key_hash(key: str) -> str:
    """What is kept of a key. A plain hash is enough for random ones; passwords need more."""
    return hashlib.sha256(key.encode()).hexdigest()
