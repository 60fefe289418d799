"""Texts that people give: names, titles and folders are one line, and some are numbers."""

import unicodedata
from pathlib import Path

LONGEST_NUMBER = 9


def is_one_line(text: str) -> bool:
    """Whether a text has no control characters: no new line, no tab, no NUL."""
    return not any(unicodedata.category(sign) == "Cc" for sign in text)


def is_there(path: Path) -> bool:
    """Whether a path that somebody has given leads to something; not so what can be no path: too long, with a NUL."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def is_number(text: str) -> bool:
    """Whether a text is a number as rows of tables have them; other scripts have digits of their own."""
    return text.isascii() and text.isdigit() and len(text) <= LONGEST_NUMBER
