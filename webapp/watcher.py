"""What is known of a job at work: its processes, its signs of life, and, once it is over, how it ended.

Pure verdicts and small looks at folders and processes; the supervisor acts on them.
"""

import contextlib
import errno
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from compute.files.errors import InputError
from compute.files.events import AnyEvent, End
from compute.files.progress import follow_progress
from compute.files.relion import JobFolder
from webapp.launch import outcome
from webapp.launch.keeper import PRINTED, LaunchRecord
from webapp.launch.processes import Found

SILENCE_S = 27.0
"""The sign of life that was due (they come every 15 s) is missed for long enough; told within half a minute."""
FULL = (errno.ENOSPC, errno.EDQUOT)
STOPPED_STATUS = 143
FAILED_STATUS = 1


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a job is over that has not said so itself."""

    reason: Literal["stopped", "failed"]
    sentence: str
    status: int = FAILED_STATUS


def news(folder: Path, offset: int) -> tuple[list[AnyEvent], int, bool]:
    """Events behind a byte of a job's records, the byte to go on from, and whether the file is a new one.

    A file that is shorter than what was read is another one: it is read from its beginning.
    """
    path = JobFolder(folder).progress
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        return [], offset, False
    is_new = size < offset
    start = 0 if is_new else offset
    if size == start:
        return [], start, is_new
    events, end = follow_progress(path, start)
    return events, end, is_new


def last_record(folder: Path, start: int) -> End | None:
    """The last record of the attempt whose records begin at a byte; None where it has left none."""
    try:
        events = news(folder, start)[0]
    except InputError:
        return None
    ends = [event for event in events if isinstance(event, End)]
    return ends[-1] if ends else None


def advice(folder: Path, root: str, start: int) -> str:
    """How to go on with a job, in a sentence."""
    return outcome.Watch(folder / root, start).advice()


def folder_bytes(folder: Path) -> int:
    """The size of all files of a folder."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(parent, name)).st_size
    return total


def trouble(found: Sequence[Found], silent_s: float, since: str) -> str:
    """What holds a living job up, in a sentence; nothing where all is well."""
    frozen = [process.pid for process in found if process.is_frozen]
    if frozen:
        names = ", ".join(str(pid) for pid in frozen)
        noun = "Process" if len(frozen) == 1 else "Processes"
        verb = "is" if len(frozen) == 1 else "are"
        return (
            f"{noun} {names} {verb} frozen (SIGSTOP): the job waits; wake with kill -CONT {names}."
        )
    if silent_s > SILENCE_S:
        return f"No sign of life since {since}."
    return ""


def verdict_here(
    folder: Path, root: str, start: int, record: LaunchRecord | None, wants_stop: bool
) -> Verdict:
    """How a job of this machine ended whose processes are gone and which left no last record."""
    if wants_stop:
        return Verdict("stopped", "The job was stopped.", STOPPED_STATUS)
    how = advice(folder, root, start)
    if is_full(folder):
        return Verdict(
            "failed", f"The disk of {folder} is full. Make room there. {how}", FAILED_STATUS
        )
    if record is None:
        return Verdict("failed", f"The job could not be started{_last_words(folder)}.")
    if not record.is_of_this_boot:
        return Verdict("failed", f"The machine {record.host} was restarted meanwhile. {how}", 137)
    return Verdict("failed", f"All processes of the job were killed, its keeper too. {how}", 137)


def close_folder(folder: Path, root: str, start: int, verdict: Verdict) -> None:
    """Leave a verdict in the job's folder as its last record, where that can be written."""
    with contextlib.suppress(OSError):
        outcome.Watch(folder / root, start).close(verdict.sentence, verdict.reason, verdict.status)


def is_full(folder: Path) -> bool:
    """Whether nothing more can be written to a folder because its disk or a quota is full."""
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(bytes(1 << 16))
            probe.flush()
            os.fsync(probe.fileno())
    except OSError as error:
        return error.errno in FULL
    return False


def _last_words(folder: Path) -> str:
    """The last line that a job that never began has printed."""
    try:
        lines = (folder / PRINTED).read_text(errors="replace").strip().splitlines()
    except OSError:
        return ""
    return f": {lines[-1].strip().rstrip('.')}" if lines else ""
