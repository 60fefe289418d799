"""Whether a command is meant for a server on another machine."""

from collections.abc import Sequence

from compute.files.errors import InputError
from webapp.settings import Settings, read_settings

ONLY_THERE = "download"
COMMANDS = {
    *("jobs", "status", "log", "stop", "continue", "rename", "delete", "submit", "project"),
    ONLY_THERE,
}
"""What also works at a server: with --server, or with [remote] in the settings."""


def settings_for(name: str, words: Sequence[str]) -> Settings | None:
    """The settings with which a command goes to a server; None where it works here."""
    if name not in COMMANDS:
        return None
    is_named = any(word == "--server" or word.startswith("--server=") for word in words)
    try:
        settings = read_settings()
    except InputError:
        if name == ONLY_THERE or is_named:
            raise
        return None  # said by the command itself
    return settings if is_named or settings.remote.server or name == ONLY_THERE else None
