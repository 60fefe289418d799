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

    `terminal` also gets every line (None: none does); `progress` gets the warnings.
    """

    def __init__(
        self,
        out: Path | str,
        err: Path | str,
        progress: ProgressWriter | None = None,
        terminal: Terminal | None = None,
    ) -> None:
        Path(out).parent.mkdir(parents=True, exist_ok=True)
        self._out = Path(out).open("a", buffering=1, encoding="utf-8")
        self._err = Path(err).open("a", buffering=1, encoding="utf-8")
        self._progress = progress
        self._terminal = terminal

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
        self._out.write(text + "\n")
        if self._terminal is not None:
            self._terminal.write(text + "\n")
            self._terminal.flush()

    def warning(self, text: str, code: str | None = None) -> None:
        """Warn: in `run.out`, on the terminal, in `run.err` and among the events."""
        self.line(f" WARNING: {text}")
        self._err.write(f" WARNING: {text}\n")
        if self._progress is not None:
            self._progress.warn(text, code)

    def error(self, text: str) -> None:
        """Say why the job fails, in `run.err` as well."""
        self.line(f" ERROR: {text}")
        self._err.write(f" ERROR: {text}\n")

    def close(self) -> None:
        """Close both files."""
        self._out.close()
        self._err.close()
