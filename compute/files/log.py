"""What a job says: lines to `run.out` and the terminal, warnings to `run.err` and the events."""

from pathlib import Path
from types import TracebackType
from typing import Protocol, runtime_checkable

from compute.files.progress import ProgressWriter


@runtime_checkable
class Terminal(Protocol):
    """What lines can be said to: standard output, or any text stream."""

    def write(self, text: str, /) -> object:
        """Take text."""

    def flush(self) -> object:
        """Show it now."""


class Log:
    """The voice of the leading process; both files are appended to when a job is started again.

    `terminal` also gets every line (None: none does), `errors` those that say why a job fails
    (None: `terminal` does); `progress` gets the warnings.
    """

    def __init__(
        self,
        out: Path | str,
        err: Path | str,
        progress: ProgressWriter | None = None,
        terminal: Terminal | None = None,
        errors: Terminal | None = None,
    ) -> None:
        Path(out).parent.mkdir(parents=True, exist_ok=True)
        self._out = Path(out).open("a", buffering=1, encoding="utf-8")
        self._err = Path(err).open("a", buffering=1, encoding="utf-8")
        self._progress = progress
        self._terminal = terminal
        self._errors = errors or terminal

    def __enter__(self) -> "Log":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def line(self, text: str = "") -> None:
        """Say one line (or several, parted by line ends)."""
        self._say(text, self._terminal)

    def warning(self, text: str, code: str | None = None) -> None:
        """Warn: in `run.out`, on the terminal, in `run.err` and among the events."""
        self.line(f" WARNING: {text}")
        self._err.write(f" WARNING: {text}\n")
        if self._progress is not None:
            self._progress.warn(text, code)

    def error(self, text: str) -> None:
        """Say why the job fails, in `run.err` as well."""
        self._say(f" ERROR: {text}", self._errors)
        self._err.write(f" ERROR: {text}\n")

    def detail(self, text: str) -> None:
        """Write to `run.err` only what helps to find a fault of the program."""
        self._err.write(text)

    def _say(self, text: str, terminal: Terminal | None) -> None:
        """Write a line to `run.out` and to a terminal."""
        self._out.write(text + "\n")
        if terminal is not None:
            terminal.write(text + "\n")
            terminal.flush()

    def close(self) -> None:
        """Close both files."""
        self._out.close()
        self._err.close()
