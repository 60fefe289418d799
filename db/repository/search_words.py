"""What a person means who types into the search: free words, and words with a filter in front."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from db.words import State

WORD = re.compile(r'(?:(?P<name>[A-Za-z]+):)?(?:"(?P<quoted>[^"]*)"?|(?P<plain>\S+))')
FILTERS: Mapping[str, str] = {
    "tag": "tag",
    "tags": "tag",
    "state": "state",
    "status": "state",
    "is": "is",
    "type": "type",
    "kind": "type",
    "by": "by",
    "author": "by",
    "user": "by",
    "from": "by",
    "project": "project",
    "in": "project",
}
STATE_WORDS: Mapping[str, tuple[State, ...]] = {
    **{str(one): (one,) for one in State},
    "queued": (State.WAITING,),
    "active": (State.STARTING, State.RUNNING, State.STOPPING),
    "done": (State.FINISHED,),
    "completed": (State.FINISHED,),
    "error": (State.FAILED,),
    "crashed": (State.FAILED,),
}
STOPPED = "stopped"
STARRED = ("starred", "star", "favourite", "favorite")
NUMBER = re.compile(r"#?(?:job)?0*(\d{1,9})", re.IGNORECASE)
LONGEST = 200
MOST_TERMS = 12


@dataclass(slots=True)
class Wanted:
    """What is searched for. All terms and tags must be there; of states, types, authors and projects any will do."""

    terms: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    states: list[State] = field(default_factory=list)
    types: list[str] = field(default_factory=list)
    authors: list[str] = field(default_factory=list)
    projects: list[str] = field(default_factory=list)
    is_starred: bool = False
    is_stopped: bool = False
    problem: str = ""
    """One sentence on a filter that cannot be fulfilled."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing was asked for."""
        return not (self.terms or self.is_starred or self.problem or self.is_about_jobs) and not (
            self.authors or self.projects
        )

    @property
    def is_about_jobs(self) -> bool:
        """Whether only jobs can be meant."""
        return bool(self.tags or self.states or self.types or self.is_stopped)


def understood(text: str) -> Wanted:
    """The words of a search: `d2 tag:best state:failed type:refine by:ana in:beta is:starred "two words" #tag`."""
    wanted = Wanted()
    for match in list(WORD.finditer(text[:LONGEST].replace("\0", " ")))[:MOST_TERMS]:
        value = match["quoted"] if match["quoted"] is not None else match["plain"] or ""
        name = FILTERS.get((match["name"] or "").lower())
        is_half_typed = value.endswith(":") and value[:-1].lower() in FILTERS
        if is_half_typed:
            continue
        if name is None:
            _free(wanted, match["quoted"] or match.group(0).replace('"', ""))
        elif value.strip():
            _filter(wanted, name, value.strip())
    return wanted


def number_in(term: str) -> int | None:
    """The number of a job that a term may be: `19`, `#19`, `job19`, `job019`."""
    match = NUMBER.fullmatch(term)
    return int(match[1]) if match is not None else None


def states_called(word: str) -> tuple[State, ...]:
    """The states that a word or its beginning names; nothing for a word that names none."""
    word = word.lower()
    if word in STATE_WORDS:
        return STATE_WORDS[word]
    return next((found for name, found in STATE_WORDS.items() if name.startswith(word)), ())


def _free(wanted: Wanted, term: str) -> None:
    term = term.strip()
    if term.startswith("#") and len(term) > 1 and number_in(term) is None:
        wanted.tags.append(term[1:])
    elif term:
        wanted.terms.append(term)


def _filter(wanted: Wanted, name: str, value: str) -> None:
    lists = {
        "type": wanted.types,
        "by": wanted.authors,
        "project": wanted.projects,
    }
    if name == "tag":
        wanted.tags.append(value.lstrip("#"))
    elif name in lists:
        lists[name].append(value)
    elif name == "is" and value.lower() in STARRED:
        wanted.is_starred = True
    elif STOPPED.startswith(value.lower()) and len(value) > len("stop"):
        wanted.is_stopped = True
    elif found := states_called(value):
        wanted.states.extend(found)
    else:
        known = ", ".join([*map(str, State), STOPPED])
        wanted.problem = f"there is no state '{value}': jobs are {known}"
