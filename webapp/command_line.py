"""The command that asks for the same as a form."""

import shlex
from collections.abc import Mapping
from typing import Any

from webapp.options import stem

COMMANDS = {"importing": "import"}
"""Jobs whose command is another word than their name."""


def command_line(job_type: str, parameters: Mapping[str, Any]) -> str:
    """The command that asks for the same as a form."""
    words = ["halfmap", COMMANDS.get(job_type, job_type)]
    for name, value in parameters.items():
        option = "--" + stem(name).replace("_", "-")
        if isinstance(value, bool):
            words.append(option if value else "--no-" + option.lstrip("-"))
        elif value is not None:
            words += [option, str(value)]
    return shlex.join(words)
