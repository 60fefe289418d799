"""Which micrograph of a list a particle's micrograph name means: equality, and help where names differ."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from compute.files.errors import InputError

_JOB_FOLDER = re.compile(r"(?:^|/)job\d{3,}/")


def stripped_name(name: str) -> str:
    """A micrograph's name without the job folder that it is in: what follows `…/jobNNN/`, else the whole name."""
    found = _JOB_FOLDER.search(name)
    return name[found.end() :] if found else name


def output_stem(name: str) -> str:
    """Where a micrograph's stack goes below the folder of an extraction: its stripped name without ending.

    Leading slashes and steps upwards are left out, so that nothing is written outside the folder.
    """
    path = PurePosixPath(stripped_name(name))
    parts = [part for part in path.with_suffix("").parts if part not in ("/", "..", ".")]
    return "/".join(parts)


def parse_map(text: str, option: str) -> list[tuple[str, str]]:
    """The pairs of a text `OLD=NEW,OLD=NEW`; InputError where it is none."""
    pairs = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        old, equals, new = part.partition("=")
        if not equals or not (old or new):
            raise InputError(
                f"{option} is '{text}' but must be OLD=NEW, or several of these with commas"
            )
        pairs.append((old, new))
    return pairs


def mapped(name: str, pairs: Sequence[tuple[str, str]]) -> str:
    """A stripped name after the replacements: the first fitting start, and the first fitting ending.

    A pair whose old part is an ending begins with a dot; starts are compared with the whole name and
    with the stripped one.
    """
    plain = stripped_name(name)
    starts = [pair for pair in pairs if not _is_ending(pair[0])]
    for old, new in starts:
        whole = bool(old) and name.startswith(old)
        if whole or plain.startswith(old):
            plain = new + (name if whole else plain)[len(old) :]
            break
    for old, new in (pair for pair in pairs if _is_ending(pair[0])):
        if plain.endswith(old):
            return plain.removesuffix(old) + new
    return plain


def _is_ending(old: str) -> bool:
    return old.startswith(".") and not old.startswith(("./", ".."))


def index_of_names(names: Sequence[str], where: str) -> dict[str, int]:
    """Position of each micrograph by its stripped name.

    Raises InputError where two have the same one, or would write the same stack.
    """
    found: dict[str, int] = {}
    stems: dict[str, int] = {}
    for position, name in enumerate(names):
        for table, key in ((found, stripped_name(name)), (stems, output_stem(name))):
            if key in table:
                raise InputError(
                    f"{where}: '{names[table[key]]}' and '{name}' cannot be told apart ('{key}'); "
                    "keep one of them"
                )
            table[key] = position
    return found


def suggested_map(wanted: Sequence[str], known: Mapping[str, int]) -> str:
    """The `OLD=NEW` that makes the most wanted names equal to known ones; empty where none helps.

    Names are compared by their last part, with and without ending; a last part that several known
    names have says nothing.
    """
    by_file: dict[str, list[str]] = {}
    by_stem: dict[str, list[str]] = {}
    for name in known:
        by_file.setdefault(PurePosixPath(name).name, []).append(name)
        by_stem.setdefault(PurePosixPath(name).stem, []).append(name)
    votes: Counter[str] = Counter()
    for full in wanted:
        name = stripped_name(full)
        path = PurePosixPath(name)
        found = by_file.get(path.name) or by_stem.get(path.stem) or []
        if len(found) != 1:
            continue
        other = PurePosixPath(found[0])
        changes = _changed_start(name, found[0])
        if other.suffix != path.suffix:
            start = _changed_start(str(path.with_suffix("")), str(other.with_suffix("")))
            changes = (*start, f"{path.suffix}={other.suffix}")
        if changes:
            votes[",".join(changes)] += 1
    return votes.most_common(1)[0][0] if votes else ""


def _changed_start(old: str, new: str) -> tuple[str, ...]:
    """What differs at the start of two paths with the same end, as `OLD=NEW` in whole folders."""
    old_parts, new_parts = old.split("/"), new.split("/")
    while old_parts and new_parts and old_parts[-1] == new_parts[-1]:
        old_parts.pop(), new_parts.pop()
    start, end = ("".join(part + "/" for part in parts) for parts in (old_parts, new_parts))
    return (f"{start}={end}",) if start != end else ()
