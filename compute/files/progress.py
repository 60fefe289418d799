"""`progress.jsonl`: one JSON record per event, written by a running job and read by anybody."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import psutil
from pydantic import TypeAdapter, ValidationError

from compute.files.errors import InputError
from compute.files.events import (
    SCHEMA_VERSION,
    AnyEvent,
    End,
    Event,
    GpuLoad,
    Heartbeat,
    Iteration,
    Memory,
    NoiseSpectrum,
    OrientationHistogram,
    Phase,
    Rank,
    Start,
    Warn,
)

__all__ = [
    "AnyEvent",
    "End",
    "Event",
    "GpuLoad",
    "Heartbeat",
    "Iteration",
    "Memory",
    "NoiseSpectrum",
    "OrientationHistogram",
    "Phase",
    "ProgressWriter",
    "Rank",
    "Repeater",
    "Start",
    "Warn",
    "event_line",
    "follow_progress",
    "read_progress",
]

HEARTBEAT_S = 15.0
BYTES_PER_GB = 1e9


class Repeater:
    """A background thread that calls an action every `interval_s` seconds until it is stopped."""

    def __init__(self, action: Callable[[], None], interval_s: float) -> None:
        self._action = action
        self._interval_s = interval_s
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stopped.wait(self._interval_s):
            self._action()

    def stop(self) -> None:
        """Stop, and wait for a call that is under way."""
        self._stopped.set()
        self._thread.join()


class ProgressWriter:
    """Appends events to a progress file; may be used from several threads.

    Every record is handed to the system as a whole line as soon as it is written. A line that an
    earlier, killed process left unfinished is cut off first.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        _cut_half_line(self.path)
        self._file = self.path.open("ab", buffering=0)
        self._lock = threading.Lock()
        self._process = psutil.Process()
        self._phase = Phase(phase="starting")
        self._phase_began_s = time.monotonic()
        self._done = 0
        self._heart: Repeater | None = None
        self._gpus: Callable[[], list[GpuLoad]] = list

    def __enter__(self) -> "ProgressWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def write(self, event: Event) -> None:
        """Append one event."""
        line = event_line(event)
        with self._lock:
            self._file.write(line)

    def enter(self, phase: str, iteration: int | None = None, total: int = 0) -> None:
        """Record that a phase of `total` steps has begun; later heartbeats speak of it."""
        event = Phase(phase=phase, iteration=iteration, total=total)
        with self._lock:
            self._phase, self._phase_began_s, self._done = event, time.monotonic(), 0
        self.write(event)

    def advance(self, steps: int = 1) -> None:
        """Count steps of the present phase as done; writes nothing."""
        with self._lock:
            self._done += steps

    def warn(self, message: str, code: str | None = None) -> None:
        """Record a warning that belongs to the present iteration."""
        self.write(Warn(message=message, code=code, iteration=self._phase.iteration))

    def beat(self) -> None:
        """Record a sign of life: the present phase, its progress, memory and processor use."""
        with self._lock:
            phase, done = self._phase, self._done
            elapsed_s = time.monotonic() - self._phase_began_s
        left_s = elapsed_s * (phase.total - done) / done if 0 < done <= phase.total else None
        self.write(
            Heartbeat(
                phase=phase.phase,
                iteration=phase.iteration,
                done=done,
                total=phase.total,
                seconds_left=left_s,
                memory_GB=self._process.memory_info().rss / BYTES_PER_GB,
                cpu_percent=self._process.cpu_percent(),
                gpus=self._gpus(),
            )
        )

    def start_heartbeat(
        self,
        interval_s: float = HEARTBEAT_S,
        gpus: Callable[[], list[GpuLoad]] | None = None,
    ) -> None:
        """Beat every `interval_s` seconds from a background thread until the writer is closed.

        `gpus` tells how busy the job's GPUs are.
        """
        if gpus is not None:
            self._gpus = gpus
        if self._heart is None:
            self._heart = Repeater(self.beat, interval_s)

    def close(self) -> None:
        """Stop the heartbeat and close the file; a second call does nothing."""
        if self._heart is not None:
            self._heart.stop()
            self._heart = None
        self._file.close()


def _cut_half_line(path: Path) -> None:
    """Cut off what follows the last line end of `path`, if it exists."""
    if not path.exists():
        return
    data = path.read_bytes()
    if not data.endswith(b"\n") and data:
        with path.open("r+b") as file:
            file.truncate(data.rfind(b"\n") + 1)


def event_line(event: Event) -> bytes:
    """The event as one line of JSON, line end included."""
    return event.model_dump_json().encode() + b"\n"


def read_progress(path: Path | str) -> list[AnyEvent]:
    """All events in `path`, in the order of writing; a half-written last line is left out.

    Raises InputError naming the line when a complete line is not a known event.
    """
    return follow_progress(path, 0)[0]


def follow_progress(path: Path | str, offset: int) -> tuple[list[AnyEvent], int]:
    """The events of `path` from byte `offset` on, and the offset at which to go on reading.

    Only complete lines are read: what a job has not finished writing is returned by a later call.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            file.seek(offset)
            data = file.read()
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist: has the job been started?") from error
    complete = data[: data.rfind(b"\n") + 1]
    reader: TypeAdapter[AnyEvent] = TypeAdapter(AnyEvent)
    events = []
    position = offset
    for line in complete.splitlines(keepends=True):
        try:
            events.append(reader.validate_json(line))
        except ValidationError as error:
            problem = error.errors()[0]
            where = ".".join(str(part) for part in problem["loc"]) or "record"
            raise InputError(
                f"{path}, at byte {position}: not an event of schema {SCHEMA_VERSION}"
                f" ({where}: {problem['msg']})"
            ) from error
        position += len(line)
    return events, position
