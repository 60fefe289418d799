"""Command-line words to a job's parameters and back to help, from the parameters' own model."""

import difflib
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import NoneType
from typing import Any, get_args

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from compute.params.option import JobParams, unit
from webapp.relion_options import EVERYWHERE, IGNORED, REFUSED

RELION_PROGRAM = re.compile(
    r"\brelion_(refine|preprocess|mask_create|postprocess|image_handler|star_handler|import)(_mpi)?`?$"
)
RELION_TASKS = {"auto_refine", "extract"}
"""RELION's options that say what its program is to do: with them, absent options mean what they mean there."""
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")


class OptionError(ValueError):
    """A command line that cannot be understood; the message is one sentence for the user."""


@dataclass(frozen=True, slots=True)
class Spelling:
    """One word of the command line: the field that it sets, and to what if no value follows."""

    field: str
    value: bool | None
    is_relion: bool


@dataclass(slots=True)
class Parsed:
    """What a command line says: values and the words that gave them, by field, and remarks on it."""

    values: dict[str, Any] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    wants_help: bool = False
    is_relion: bool = False


def normal(word: str) -> str:
    """An option's word without dashes in front, with `_` for `-` and in small letters."""
    return word.lstrip("-").replace("-", "_").lower()


def details(info: FieldInfo) -> dict[str, Any]:
    """Group, names and marks that the model states for a field."""
    extra = info.json_schema_extra
    return dict(extra) if isinstance(extra, dict) else {}


def stem(name: str) -> str:
    """A field's name without its unit."""
    return name.rpartition("_")[0] if unit(name) else name


def is_flag(info: FieldInfo) -> bool:
    """Whether a field is a yes or no."""
    return bool in (info.annotation, *get_args(info.annotation))


def names(name: str, info: FieldInfo) -> list[str]:
    """The words that set a field, ours first, for help."""
    words = ["--" + stem(name).replace("_", "-")]
    for word in (f"--{name}", *details(info)["relion"]):
        if normal(word) not in {normal(known) for known in words}:
            words.append(word)
    return words


def spellings(model: type[JobParams]) -> dict[str, Spelling]:
    """Every accepted word, normalised, with the field that it sets."""
    found: dict[str, Spelling] = {}
    for name, info in model.model_fields.items():
        relion = {normal(word) for word in details(info)["relion"]}
        for word in {normal(word) for word in names(name, info)} | relion:
            found[word] = Spelling(name, True if is_flag(info) else None, word in relion)
            if is_flag(info):
                found["no_" + word] = Spelling(name, False, False)
        for word in details(info).get("relion_off", []):
            found[normal(word)] = Spelling(name, False, True)
            found["no_" + normal(word)] = Spelling(name, True, False)
    return found


def parse(model: type[JobParams], words: Sequence[str]) -> Parsed:
    """What the words say about the model's fields; OptionError names the first wrong one."""
    table = spellings(model)
    shorthands: dict[str, dict[str, Any]] = getattr(model, "SHORTHANDS", {})
    parsed = Parsed()
    rest = _without_program(list(words), model, parsed)
    while rest:
        word, equals, attached = rest.pop(0).partition("=")
        if not word.startswith("-") or NUMBER.fullmatch(word) or word in {"-", "--"}:
            raise OptionError(f"'{word}' does not belong to an option: options start with --")
        key = normal(word)
        if equals:
            rest.insert(0, attached)
        if key in {"help", "h"}:
            parsed.wants_help = True
        elif key in table:
            parsed.is_relion = parsed.is_relion or key in getattr(model, "RELION_MARKS", ())
            _take(model, table[key], word, rest, parsed, bool(equals))
        elif key in shorthands:
            parsed.values.update(shorthands[key])
        elif key in EVERYWHERE or (
            "particles" in model.model_fields and (key in IGNORED or key in REFUSED)
        ):
            _take_foreign(key, word, rest, parsed)
        else:
            raise OptionError(_unknown(word, [*table, *shorthands]))
    if parsed.is_relion and not parsed.values.get("continue_from"):
        _as_relion_means(model, parsed)
    return parsed


def build(model: type[JobParams], parsed: Parsed) -> JobParams:
    """The checked parameters; OptionError holds one line for each thing that is wrong."""
    try:
        return model.model_validate(parsed.values)
    except ValidationError as error:
        lines = [_complaint(model, parsed, dict(problem)) for problem in error.errors()]
        raise OptionError("\n".join(lines)) from None


def help_text(model: type[JobParams]) -> str:
    """All options in their groups, with units, bounds and defaults."""
    groups: dict[str, list[str]] = {}
    for name, info in model.model_fields.items():
        groups.setdefault(details(info)["group"], []).append(_help_of(name, info))
    for word, values in getattr(model, "SHORTHANDS", {}).items():
        meaning = " ".join(
            "--" + stem(name).replace("_", "-") + ("" if value is True else f" {value}")
            for name, value in values.items()
        )
        first = next(iter(values))
        group = details(model.model_fields[first])["group"]
        groups[group].append(f"  --{word}\n        The same as {meaning}.")
    return "\n\n".join(f"{group}:\n" + "\n".join(rows) for group, rows in groups.items())


def _complaint(model: type[JobParams], parsed: Parsed, problem: dict[str, Any]) -> str:
    """What is wrong with one value, as a line that names the option as it was written."""
    message = str(problem["msg"]).removeprefix("Value error, ").removeprefix("Input ")
    name = str(problem["loc"][0]) if problem["loc"] else ""
    if name not in model.model_fields:
        return message
    if problem["type"] == "missing":
        return f"{names(name, model.model_fields[name])[-1]} is needed"
    word = parsed.words.get(name) or names(name, model.model_fields[name])[0]
    joint = ": " if problem["type"] == "value_error" else " "
    return f"{word} {parsed.values.get(name, '')}{joint}{message}"


def _take(
    model: type[JobParams],
    spelling: Spelling,
    word: str,
    rest: list[str],
    parsed: Parsed,
    has_value: bool,
) -> None:
    info = model.model_fields[spelling.field]
    parsed.words[spelling.field] = word
    if spelling.value is not None:
        if has_value:
            raise OptionError(f"{word} is a yes or no: write {word} or --no-{normal(word)}")
        parsed.values[spelling.field] = spelling.value
        return
    if not has_value and (not rest or rest[0].startswith("--")):
        if normal(word) != "gpu":
            raise OptionError(f"{word} needs a value")
        rest.insert(0, "")
    value = rest.pop(0)
    below_zero = value.startswith("-") and NUMBER.fullmatch(value) is not None
    if spelling.is_relion and below_zero and details(info).get("zero_is_off"):
        value = "0"
    parsed.values[spelling.field] = value


def _take_foreign(key: str, word: str, rest: list[str], parsed: Parsed) -> None:
    foreign = EVERYWHERE.get(key) or IGNORED.get(key) or REFUSED[key]
    value = rest.pop(0) if foreign.takes_value and rest else ""
    if key in REFUSED and value not in foreign.harmless:
        given = f"{word} {value}".strip()
        raise OptionError(f"{given} is not possible here: {foreign.reason}")
    parsed.is_relion = parsed.is_relion or key in RELION_TASKS
    parsed.notes.append(f"{word} is not needed: {foreign.reason}.")


def _without_program(words: list[str], model: type[JobParams], parsed: Parsed) -> list[str]:
    """The words behind RELION's program name, with the processes of its launcher taken over."""
    ends = [n for n, word in enumerate(words) if RELION_PROGRAM.search(word)]
    if not ends:
        return words
    parsed.is_relion = hasattr(model, "RELION_MARKS")
    if "mpi" not in model.model_fields:
        return words[ends[0] + 1 :]
    for word, value in zip(words[: ends[0]], words[1 : ends[0]], strict=False):
        if word in {"-n", "-np"}:
            parsed.values["mpi"] = value
    return words[ends[0] + 1 :]


def _as_relion_means(model: type[JobParams], parsed: Parsed) -> None:
    """Give absent options the meaning that they have for RELION, and say each one."""
    for name, info in model.model_fields.items():
        known = details(info)
        if name in parsed.values:
            continue
        if "relion_absent_text" in known:
            parsed.notes.append(
                f"{known['relion'][0]} is not given: RELION then takes {known['relion_absent_text']}, "
                f"here it is {_shown(name, info, info.default)}."
            )
        if "relion_absent" not in known:
            continue
        value = known["relion_absent"]
        parsed.values[name] = value
        word = (known["relion"] or known["relion_off"])[0]
        parsed.notes.append(
            f"{word} is not given: {stem(name).replace('_', ' ')} is {_shown(name, info, value)}, as "
            f"for RELION (our own default: {_shown(name, info, info.default)})."
        )


def _unknown(word: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(normal(word), known, n=1, cutoff=0.6)
    hint = f": did you mean --{near[0]}?" if near else "; --help lists all options"
    return f"{word} is not an option{hint}"


def _shown(name: str, info: FieldInfo, value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if value in (None, ""):
        return "none"
    if value == 0 and details(info).get("zero_is_off"):
        return "off"
    number = f"{value:g}" if isinstance(value, float) else str(value)
    return f"{number} {unit(name)}".strip()


def _help_of(name: str, info: FieldInfo) -> str:
    words = names(name, info)
    if is_flag(info):
        words = [words[0], "--no-" + words[0].lstrip("-"), *words[1:]]
    kind = "" if is_flag(info) else f" {_kind(info)}"
    marks = [text for text in (unit(name), _bounds(info)) if text]
    marks += [f"{word} turns it off" for word in details(info).get("relion_off", [])]
    if details(info).get("zero_is_off"):
        marks.append("0 turns it off")
    if info.default not in (None, "") and not info.is_required():
        marks.append(f"default: {_shown(name, info, info.default)}")
    text = f"{info.description} [{'; '.join(marks)}]" if marks else str(info.description)
    body = textwrap.fill(text, 96, initial_indent=" " * 8, subsequent_indent=" " * 8)
    return f"  {', '.join(words)}{kind}\n{body}"


def _kind(info: FieldInfo) -> str:
    kinds = [part for part in get_args(info.annotation) if part is not NoneType]
    if kinds and all(isinstance(part, str) for part in kinds):
        return "{" + ",".join(kinds) + "}"
    kind = kinds[0] if kinds else info.annotation
    return "N" if kind is int else "X" if kind is float else "TEXT"


def _bounds(info: FieldInfo) -> str:
    words = {"ge": "from", "gt": "above", "le": "to", "lt": "below"}
    parts = [
        f"{words[mark]} {getattr(bound, mark):g}"
        for bound in info.metadata
        for mark in words
        if getattr(bound, mark, None) is not None
    ]
    return " ".join(parts)
