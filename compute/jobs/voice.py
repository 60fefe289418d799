"""Where a running job speaks, and how its end is said, recorded and marked."""

import contextlib
import signal
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from compute.files import events
from compute.files.errors import InputError
from compute.files.log import Log
from compute.files.progress import ProgressWriter
from compute.files.relion import JobFolder, clear_markers, write_exit_marker


class StopAsked(SystemExit):
    """Ends a job that was asked to stop at the next good moment, which has come; `sentence` says so."""

    def __init__(self, sentence: str) -> None:
        super().__init__(128 + signal.SIGTERM)
        self.sentence = sentence


@dataclass(slots=True)
class Voice:
    """Where a running job speaks: run.out, run.err and progress.jsonl."""

    log: Log
    progress: ProgressWriter


def refuse(job: JobFolder, sentence: str) -> None:
    """Say and record why the job of this folder could not be started."""
    with contextlib.suppress(InputError), speaking(job):
        raise InputError(sentence)


@contextlib.contextmanager
def speaking(job: JobFolder) -> Iterator[Voice]:
    """The voice of a job in its folder; how the job ends is said, recorded and marked."""
    with contextlib.ExitStack() as stack:
        try:
            job.path.mkdir(parents=True, exist_ok=True)
            clear_markers(job.path)
            progress = stack.enter_context(ProgressWriter(job.progress))
            log = Log(job.run_out, job.run_err, progress, sys.stdout, sys.stderr)
            voice = Voice(stack.enter_context(log), progress)
        except OSError as error:
            sentence = f"the folder {job.path} cannot be written: {error.strerror}"
            print(f" ERROR: {sentence}", file=sys.stderr)
            raise InputError(sentence) from None
        try:
            yield voice
        except BaseException as error:
            _report_failure(job, voice, error)
            raise
        write_exit_marker(job.path, "success")


def origin(error: BaseException) -> BaseException:
    """The stop that was asked for, where an error came while the job gave way to it; else the error itself.

    A stop may come at any moment, and what is left in the middle may complain of it: an archive is closed while a
    member is being written.
    """
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, SystemExit | KeyboardInterrupt):
        cause = cause.__context__
    return error if cause is None else cause


def _report_failure(job: JobFolder, voice: Voice, error: BaseException) -> None:
    """The last record of a job that failed or was stopped; what nobody foresaw goes to run.err at full length."""
    error = origin(error)
    is_stopped = isinstance(error, SystemExit | KeyboardInterrupt)
    sentence = sentence_of(error)
    # On a full disc each of these may fail, and the next may still work.
    with contextlib.suppress(OSError):
        if not is_stopped and not isinstance(error, InputError | OSError):
            voice.log.detail("".join(traceback.format_exception(error)))
        voice.log.error(sentence)
    reason: Literal["stopped", "failed"] = "stopped" if is_stopped else "failed"
    with contextlib.suppress(OSError):
        voice.progress.write(
            events.End(reason=reason, message=sentence, exit_status=exit_status(error))
        )
    with contextlib.suppress(OSError):
        write_exit_marker(job.path, "aborted" if is_stopped else "failure")


def sentence_of(error: BaseException) -> str:
    """What an error says to the user."""
    if isinstance(error, StopAsked):
        return error.sentence
    if isinstance(error, SystemExit | KeyboardInterrupt):
        return "The job was stopped."
    if isinstance(error, ValueError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or 'a file'}: {error.strerror}"
    return f"{type(error).__name__}: {error} (an error of the program; run.err tells where)"


def exit_status(error: BaseException) -> int:
    """The exit status of a job that ends with this error: 2 for unusable input, 1 for anything unforeseen."""
    error = origin(error)
    if isinstance(error, SystemExit) and isinstance(error.code, int):
        return error.code
    if isinstance(error, KeyboardInterrupt):
        return 128 + signal.SIGINT
    return 2 if isinstance(error, ValueError) else 1
