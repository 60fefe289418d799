"""What running jobs write, followed once for all pages: the records in `progress.jsonl`."""

import threading
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from compute.files.events import AnyEvent, End, Heartbeat, Iteration, Memory, Phase, Start, Warn
from compute.files.progress import follow_progress

HEARTBEATS_KEPT = 2000
FOLDERS_KEPT = 60


@dataclass(frozen=True, slots=True)
class JobRecords:
    """The records of a job so far. `position` grows with every record, so pages compare one number.

    `iterations` are those that count: what a continuation has replaced is left out.
    """

    position: int = 0
    start: Start | None = None
    iterations: tuple[Iteration, ...] = ()
    phase: Phase | None = None
    heartbeats: tuple[Heartbeat, ...] = ()
    warnings: tuple[Warn, ...] = ()
    memory: tuple[Memory, ...] = ()
    end: End | None = None

    @property
    def newest(self) -> Iteration | None:
        """The last finished iteration."""
        return self.iterations[-1] if self.iterations else None


def extended(records: JobRecords, events: Iterable[AnyEvent], position: int) -> JobRecords:
    """The records with more events behind them."""
    for event in events:
        records = _with(records, event)
    return replace(records, position=position)


def _with(records: JobRecords, event: AnyEvent) -> JobRecords:
    if isinstance(event, Start):
        last = event.continued_after_iteration
        kept = tuple(
            row for row in records.iterations if last is not None and row.iteration <= last
        )
        warnings = records.warnings if last is not None or not records.iterations else ()
        return replace(
            records, start=event, iterations=kept, end=None, phase=None, warnings=warnings
        )
    if isinstance(event, Iteration):
        return replace(records, iterations=(*records.iterations, event))
    if isinstance(event, Phase):
        return replace(records, phase=event)
    if isinstance(event, Heartbeat):
        return replace(records, heartbeats=(*records.heartbeats, event)[-HEARTBEATS_KEPT:])
    if isinstance(event, Warn):
        return replace(records, warnings=(*records.warnings, event))
    if isinstance(event, Memory):
        return replace(records, memory=(*records.memory, event))
    return replace(records, end=event)


class RecordReader:
    """Reads each job's records once, however many pages look at it; may be used by several threads."""

    def __init__(self) -> None:
        self._known: dict[Path, JobRecords] = {}
        self._lock = threading.Lock()

    def read(self, folder: Path) -> JobRecords:
        """The records of the job in a folder; empty before it has written any.

        Raises InputError for records that cannot be understood.
        """
        path = folder / "progress.jsonl"
        try:
            size = path.stat().st_size
        except FileNotFoundError:
            return JobRecords()
        with self._lock:
            known = self._known.pop(folder, JobRecords())
            if size < known.position:
                known = JobRecords()
            if size > known.position:
                events, position = follow_progress(path, known.position)
                known = extended(known, events, position)
            self._known[folder] = known
            while len(self._known) > FOLDERS_KEPT:
                self._known.pop(next(iter(self._known)))
            return known
