"""What an endpoint is: method, address, what it takes, and the function that answers."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from compute.files.errors import InputError
from compute.files.given_text import is_number
from db.errors import NotFound
from webapp.accounts.visitors import Visitor
from webapp.store import Store

NAME = re.compile(r"\{(\w+)\}")
REST = "file"
"""The part of an address that may hold slashes."""


class Taken(BaseModel):
    """What an endpoint takes, in its address or as JSON; unknown names are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, slots=True)
class Call:
    """A request that has been understood, with the store of whoever asks."""

    store: Store
    visitor: Visitor
    place: Mapping[str, str]
    query: Any = None
    body: Any = None

    def number(self, name: str) -> int:
        """A number in the address. Raises NotFound for anything else."""
        text = self.place[name]
        if not is_number(text):
            raise NotFound(f"'{text[:40]}' is not the number of a {name.removesuffix('_id')}")
        return int(text)


@dataclass(frozen=True)
class Endpoint:
    """One address with one method. `answer` gives a value for JSON, or the path of a file with `is_file`."""

    method: str
    path: str
    summary: str
    answer: Callable[[Call], Any]
    query: type[Taken] | None = None
    body: type[Taken] | None = None
    status: int = 200
    is_file: bool = False
    answers: str = field(default="")
    """What the answer is, in words."""

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """What an address must look like."""
        parts = NAME.sub(lambda m: f"(?P<{m[1]}>{'.+' if m[1] == REST else '[^/]+'})", self.path)
        return re.compile(parts)

    @property
    def names(self) -> list[str]:
        """The names in the address."""
        return NAME.findall(self.path)


def has_nul(value: Any) -> bool:
    """Whether a value of JSON holds the character NUL, which no text of ours can."""
    if isinstance(value, Mapping):
        return any(has_nul(one) for pair in value.items() for one in pair)
    if isinstance(value, list):
        return any(has_nul(one) for one in value)
    return isinstance(value, str) and "\0" in value


def understood(model: type[Taken] | None, values: Mapping[str, Any], what: str) -> Any:
    """The values as the model wants them. Raises InputError with one sentence."""
    if model is None:
        if values:
            raise InputError(f"{what} takes nothing, not {', '.join(sorted(values))[:80]}")
        return None
    if has_nul(values):
        raise InputError(f"{what} holds the character NUL")
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"])
        said = str(problem["msg"]).removeprefix("Value error, ")
        raise InputError(f"{what}: {where}: {said}" if where else f"{what}: {said}") from None
