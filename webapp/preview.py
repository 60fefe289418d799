"""The web process's way to the preview worker: starts it, asks it, and starts it anew when it fails."""

import contextlib
import math
import os
import select
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import IO, Any

import numpy as np

from compute.files.frames import PROTOCOL, Frame, FrameError, frame_bytes, read_frame
from compute.params.preview import PreviewRequest

START_S = 180.0
"""How long the worker may take to load its libraries and rehearse: long, on a slow disk that others use as well."""


class PreviewError(RuntimeError):
    """A preview that could not be had; the message is one sentence for the user."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the worker says: values as JSON has them, and arrays by name."""

    values: Mapping[str, Any]
    arrays: Mapping[str, np.ndarray]


class PreviewClient:
    """One preview worker for all callers, from any thread; they are served one after the other.

    The worker starts with the first request. One that ends, or does not answer in time, is replaced; a
    request whose worker ended is asked once more. In an asynchronous server call `ask` in a thread.
    """

    def __init__(self, memory_GB: float = 2.0, command: Sequence[str] | None = None) -> None:
        start = [sys.executable, "-m", "compute", "preview", f"--memory-GB={memory_GB:g}"]
        self._command = list(command or start)
        self._turn = threading.Lock()
        self._worker: subprocess.Popen[bytes] | None = None
        self._errors: IO[bytes] | None = None
        self._number = 0
        self._is_starting = False
        self._greeted = -math.inf
        self.starts = 0

    @property
    def pid(self) -> int | None:
        """The worker's process number; None while there is none."""
        return None if self._worker is None else self._worker.pid

    @property
    def has_worker(self) -> bool:
        """Whether a worker has greeted, so that an answer need not wait for its start."""
        return self._worker is not None and not self._is_starting

    def ask(self, request: PreviewRequest, timeout_s: float = 20.0) -> Answer:
        """The answer to a request. PreviewError where there is none, or none in time.

        Waiting for a turn counts, waiting for a worker to start does not.
        """
        deadline = self._take_turn(timeout_s)
        try:
            for is_last in (False, True):
                try:
                    return self._asked(request, deadline, timeout_s)
                except (EOFError, BrokenPipeError, FrameError):
                    said = self._stop()
                    if is_last:
                        raise PreviewError(
                            f"the preview program ended twice on this request{said}"
                        ) from None
            raise AssertionError("unreachable")
        finally:
            self._turn.release()

    def close(self) -> None:
        """End the worker; a later request starts another."""
        with self._turn:
            self._stop()

    def __enter__(self) -> "PreviewClient":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _take_turn(self, timeout_s: float) -> float:
        """Wait for one's turn; until when the answer must be there. PreviewError where others take too long."""
        asked = time.monotonic()

        def deadline() -> float:
            now = time.monotonic()
            return timeout_s + (now if self._is_starting else max(asked, self._greeted))

        while not self._turn.acquire(timeout=max(0.0, deadline() - time.monotonic())):
            if deadline() <= time.monotonic():
                raise PreviewError(f"the preview is busy: no answer within {timeout_s:g} s")
        return deadline()

    def _asked(self, request: PreviewRequest, deadline: float, timeout_s: float) -> Answer:
        """Ask a running worker; starting one does not count against the deadline."""
        if self._worker is None or self._worker.poll() is not None:
            self._stop()
            began = time.monotonic()
            self._is_starting = True
            try:
                self._start()
            finally:
                self._is_starting, self._greeted = False, time.monotonic()
            deadline += time.monotonic() - began
        worker = self._worker
        assert worker is not None and worker.stdin is not None
        self._number += 1
        arguments = request.model_dump(mode="json", exclude={"what"}, exclude_unset=True)
        header = {"id": self._number, "what": request.what, "arguments": arguments}
        worker.stdin.write(frame_bytes(Frame(header)))
        worker.stdin.flush()
        try:
            frame = self._read(deadline)
        except TimeoutError:
            self._stop()
            raise PreviewError(
                f"the preview took longer than {timeout_s:g} s and was stopped"
            ) from None
        if frame.header.get("id") != self._number:
            raise FrameError("an answer to another request")
        if "error" in frame.header:
            raise PreviewError(str(frame.header["error"]))
        return Answer(frame.header["values"], frame.arrays)

    def _start(self) -> None:
        """Start a worker and wait for its greeting."""
        self.starts += 1
        self._errors = tempfile.TemporaryFile()
        try:
            self._worker = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                start_new_session=True,
                bufsize=0,
            )
        except OSError as error:
            self._stop()
            raise PreviewError(f"the preview program cannot be started: {error.strerror}") from None
        try:
            greeting = self._read(time.monotonic() + START_S)
        except TimeoutError:
            self._stop()
            raise PreviewError(f"the preview program did not start within {START_S:g} s") from None
        spoken = greeting.header.get("values", {}).get("protocol")
        if spoken != PROTOCOL:
            self._stop()
            raise PreviewError(
                f"the preview program speaks protocol {spoken} and not {PROTOCOL}: restart the server"
            )

    def _read(self, deadline: float) -> Frame:
        """The worker's next message. TimeoutError after the deadline, EOFError where the worker has ended."""
        worker = self._worker
        assert worker is not None and worker.stdout is not None
        descriptor = worker.stdout.fileno()
        waiting = select.poll()
        waiting.register(descriptor, select.POLLIN)

        def read_exactly(count: int) -> bytes:
            data = bytearray(count)
            view, filled = memoryview(data), 0
            while filled < count:
                left_ms = 1000 * (deadline - time.monotonic())
                if left_ms <= 0 or not waiting.poll(left_ms):
                    raise TimeoutError
                got = os.readv(descriptor, [view[filled:]])
                if not got:
                    raise EOFError
                filled += got
            return bytes(data)

        return read_frame(read_exactly)

    def _stop(self) -> str:
        """End the worker, if there is one; what it said last, to go behind a sentence."""
        worker, errors = self._worker, self._errors
        self._worker = self._errors = None
        said = ""
        if worker is not None:
            worker.kill()
            worker.wait()
            for pipe in (worker.stdin, worker.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()
        if errors is not None:
            errors.seek(0)
            lines = errors.read().decode(errors="replace").strip().splitlines()
            errors.close()
            said = f": {lines[-1]}" if lines else ""
        return said
