"""Wall and processor time by phase, and counts of work, of one process."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import torch

_counted_s: dict[int, float] = {}
"""Processor time of this process, by its number, that is some stopwatch's start-up already."""


class Stopwatch:
    """Adds up the seconds of phases, which may lie within one another: an outer one counts what its inner ones do not.

    Processor time is that of the thread that measures. Several threads may measure at once; wall times then overlap. A
    phase ends when its work on a GPU has been done.
    """

    def __init__(self, device: torch.device | None = None) -> None:
        self._device = device if device is not None and device.type == "cuda" else None
        self._lock = threading.Lock()
        self._own = threading.local()
        self._phases: dict[str, list[float]] = {}
        self._work: dict[str, int] = {}

    @contextmanager
    def measure(self, phase: str) -> Iterator[None]:
        """What is done within counts for this phase, less what is measured inside it."""
        inside: list[list[float]] = getattr(self._own, "inside", [])
        self._own.inside = inside
        wall, cpu = time.perf_counter(), time.thread_time()
        inside.append([0.0, 0.0])
        try:
            yield
            if self._device is not None:
                torch.cuda.current_stream(self._device).synchronize()
        finally:
            wall, cpu = time.perf_counter() - wall, time.thread_time() - cpu
            inner = inside.pop()
            self.add(phase, wall - inner[0], cpu - inner[1])
            if inside:
                inside[-1][0] += wall
                inside[-1][1] += cpu

    def attribute(self, phase: str, seconds: float) -> None:
        """Of what this thread is measuring, so many seconds belong to this phase, as whoever spent them tells."""
        self.add(phase, seconds, seconds)
        inside: list[list[float]] = getattr(self._own, "inside", [])
        if inside:
            inside[-1][0] += seconds
            inside[-1][1] += seconds

    def add(self, phase: str, wall_s: float, cpu_s: float) -> None:
        """So many more seconds of a phase."""
        with self._lock:
            total = self._phases.setdefault(phase, [0.0, 0.0])
            total[0] += wall_s
            total[1] += cpu_s

    def add_start_up(self) -> None:
        """What this process has taken so far, imports above all.

        One process may be leader and both halves: each has waited for all of it, but it was spent once.
        """
        age_s, spent_s = time.time() - psutil.Process().create_time(), time.process_time()
        self.add("start-up", age_s, spent_s - _counted_s.get(os.getpid(), 0.0))
        _counted_s[os.getpid()] = spent_s

    def count(self, work: str, number: int) -> None:
        """So much more of some work has been done."""
        with self._lock:
            self._work[work] = self._work.get(work, 0) + number

    def take(self) -> dict[str, dict[str, float] | dict[str, int]]:
        """What was measured since the last time: wall_s and cpu_s by phase, and work by name."""
        with self._lock:
            phases, self._phases = self._phases, {}
            work, self._work = self._work, {}
        return {
            "wall_s": {name: one[0] for name, one in phases.items()},
            "cpu_s": {name: one[1] for name, one in phases.items()},
            "work": work,
        }
