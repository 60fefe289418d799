"""Names in a script of shell replaced by values, each of which stays a value wherever its name stands."""

import re
import shlex
from collections.abc import Mapping
from typing import Literal

from compute.files.given_text import is_one_line
from webapp.launch.local import LaunchError

Place = Literal["word", "quotes", "comment", "document"]
"""On its own as a word; where the shell looks into quoted values; in a comment; in a document of `<<`."""

NAME = re.compile(r"XXX([A-Za-z][A-Za-z0-9_]*?)XXX")
PLAIN = re.compile(r"[A-Za-z0-9_.,:/=+@%^-]*")
DIRECTIVE = "#SBATCH"
DOCUMENT = re.compile(r"<<(?!<)-?[ \t]*(?P<quote>['\"\\]?)(?P<mark>[^\s'\"\\;|&<>()]+)(?P=quote)?")
QUOTES = {"'": "'", '"': '"', "`": "`", "((": "))"}
"""What opens and closes a place in which single quotes do not keep a value."""
WHERE = {
    "quotes": " inside quotes",
    "comment": " in a comment",
    "document": " in a document of <<",
    "word": "",
}


def filled(template: str, values: Mapping[str, str], whole: Mapping[str, str]) -> str:
    """The template with its names replaced; directives whose value is empty are left out.

    `values` are quoted, `whole` are pieces of shell put in as they are. On directive lines, in quotes and in documents
    of `<<` only plain values are put in, so that no value can become a command. Raises LaunchError naming the value
    or name that does not fit.
    """
    lines: list[str] = []
    before = ""
    for line in template.splitlines():
        is_directive = line.startswith(DIRECTIVE)
        if not (is_directive and any(values.get(name) == "" for name in NAME.findall(line))):
            lines.append(_line(line, before, values, whole))
        before += f"{line}\n"
    return "\n".join(lines) + "\n"


def _line(line: str, before: str, values: Mapping[str, str], whole: Mapping[str, str]) -> str:
    """A line with its names replaced; `before` are the lines of the template above it."""
    is_directive = line.startswith(DIRECTIVE)

    def value(found: re.Match[str]) -> str:
        name = found[1]
        is_whole = name in whole and not is_directive
        if not is_whole and name not in values:
            raise LaunchError(f"the submission template names XXX{name}XXX, which nothing gives")
        text = whole[name] if is_whole else values[name]
        place = "directive" if is_directive else place_at_end(before + line[: found.start()])
        if PLAIN.fullmatch(text):
            return text if text or is_whole or place != "word" else "''"
        if place == "word" and (is_whole or is_one_line(text)):
            return text if is_whole else shlex.quote(text)
        if place == "comment" and is_one_line(text):
            return text
        raise LaunchError(
            f"{text!r} cannot stand{WHERE.get(place, '')} in the line '{line}' of a submission script: "
            "use letters, digits and . , : / = + - _"
        )

    return NAME.sub(value, line)


def place_at_end(text: str) -> Place:
    """Where the next character after the beginning of a script would stand.

    A quoted value is one word only where it stands on its own: within double quotes, backquotes and arithmetic the
    shell looks into it, in a document of `<<` too, and a comment ends with its first new line.
    """
    closes, marks, position = "", [], 0
    while position < len(text):
        sign, two = text[position], text[position : position + 2]
        if sign == "\\" and closes != "'":
            position += 1
        elif closes:
            if text.startswith(closes, position):
                position += len(closes) - 1
                closes = ""
        elif two in QUOTES or sign in QUOTES:
            closes = QUOTES.get(two) or QUOTES[sign]
            position += len(closes) - 1
        elif sign == "#" and (position == 0 or text[position - 1] in " \t\n;|&()<>"):
            end = text.find("\n", position)
            if end < 0:
                return "comment"
            position = end - 1
        elif found := DOCUMENT.match(text, position):
            marks.append(found["mark"])
            position = found.end() - 1
        elif sign == "\n" and marks:
            after = _after_documents(text, position + 1, marks)
            if after is None:
                return "document"
            marks, position = [], after - 1
        position += 1
    return "quotes" if closes or text.endswith(("$", "\\")) else "word"


def _after_documents(text: str, start: int, marks: list[str]) -> int | None:
    """Where the shell reads on after the documents that begin at `start`; None where they do not end."""
    position = start
    for mark in marks:
        line = None
        while line != mark:
            end = text.find("\n", position)
            if end < 0:
                return None
            line, position = text[position:end].lstrip("\t"), end + 1
    return position
