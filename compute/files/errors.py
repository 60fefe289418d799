"""The error for input that a user can put right."""

import re
from pathlib import Path


class InputError(ValueError):
    """A file or value from the user is wrong; the message says what, where, and what is right."""


def missing(path: str | Path) -> InputError:
    """The error for a file that is not there; of a job's file it asks whether the job has finished."""
    jobs = [part for part in Path(path).parts[:-1] if re.fullmatch(r"job\d{3,}", part)]
    asked = f" Did {jobs[-1]} finish?" if jobs else ""
    return InputError(f"{path} does not exist.{asked} Pick another file.")
