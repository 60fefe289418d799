"""How a job ended, where it could not say so itself: killed, crashed, or stopped before it had begun."""

import signal
import sys
from pathlib import Path
from typing import Literal

from compute.files.events import AnyEvent, End, Iteration, Start
from compute.files.log import Log
from compute.files.progress import ProgressWriter, follow_progress
from compute.files.relion import IterationFiles, write_exit_marker
from webapp.launch.out_of_memory import killed, oom_kills

CRASHES = (
    signal.SIGILL,
    signal.SIGABRT,
    signal.SIGBUS,
    signal.SIGFPE,
    signal.SIGKILL,
    signal.SIGSEGV,
)
LOST_HELPER = 255
"""The exit status of MPICH's mpiexec whose proxy has gone."""
STOPS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)


class Watch:
    """Looks at the records of a refinement from its start on; made before the job is started."""

    def __init__(self, root: Path, start: int | None = None) -> None:
        """`start` is the size that the job's progress file had then; without it, what it has now."""
        self._files = IterationFiles(root)
        progress = self._files.job.progress
        present = progress.stat().st_size if progress.exists() else 0
        self._start = present if start is None else start
        self._kills_before = oom_kills()

    def settle(self, status: int) -> int:
        """The job's exit status as a shell has it; a job that left no last record gets one, and its marker."""
        number = signal_of(status)
        status = status if number is None else 128 + number
        if not self._files.folder.is_dir():
            return status
        events = self._events()
        if status == 0 or any(isinstance(event, End) for event in events):
            return status
        is_stopped = number in STOPS
        sentence = "The job was stopped." if is_stopped else self._sentence(status, number, events)
        self.close(sentence, "stopped" if is_stopped else "failed", status)
        return status

    def close(self, sentence: str, reason: Literal["stopped", "failed"], status: int) -> None:
        """Leave the last record and the marker of a job that cannot do it itself."""
        with (
            ProgressWriter(self._files.job.progress) as progress,
            Log(self._files.job.run_out, self._files.job.run_err, progress, sys.stderr) as log,
        ):
            log.error(sentence)
            progress.write(End(reason=reason, message=sentence, exit_status=status))
        write_exit_marker(self._files.folder, "aborted" if reason == "stopped" else "failure")

    def advice(self, is_memory: bool = False) -> str:
        """How to go on, for a sentence."""
        return self._advice(self._events(), is_memory)

    def _events(self) -> list[AnyEvent]:
        """The records that the job has written."""
        if not self._files.job.progress.exists():
            return []
        return follow_progress(self._files.job.progress, self._start)[0]

    def _sentence(self, status: int, number: int | None, events: list[AnyEvent]) -> str:
        """Why the job ended, and how to go on."""
        is_memory = False
        if status == LOST_HELPER and any(len(one.ranks) > 1 for one in starts(events)):
            why = (
                "MPI's launcher lost touch with the processes that it had started: its helper "
                "(such as hydra_pmi_proxy) was killed, or a host went away."
            )
        elif number is None:
            why = f"The job ended with exit status {status} and left no reason."
        elif number == signal.SIGKILL:
            why, is_memory = killed(events, oom_kills() - self._kills_before)
        else:
            why = f"The job crashed: {signal.strsignal(number)} (signal {number})."
        return f"{why} {self._advice(events, is_memory)}"

    def _advice(self, events: list[AnyEvent], is_memory: bool) -> str:
        """What to do next: go on after the last iteration with a checkpoint, of this run or the one before it."""
        fewer = " with fewer processes (--mpi)" if is_memory else ""
        done = [event.iteration for event in events if isinstance(event, Iteration)]
        done += [one.continued_after_iteration or 0 for one in starts(events)]
        left = [number for number in done if number and self._files.checkpoint(number).is_file()]
        if not left:
            return f"Start it again{fewer}."
        return f"Go on{fewer} with --continue {self._files.optimiser(max(left))}."


def starts(events: list[AnyEvent]) -> list[Start]:
    """The first records of the runs among these."""
    return [event for event in events if isinstance(event, Start)]


def signal_of(status: int) -> int | None:
    """The signal that ended a job, from its status: 128 + n from a process, n from mpiexec.

    1 and 2 are statuses of our own: the job failed, and its input cannot be used.
    """
    number = status - 128 if status > 128 else status
    is_own = status in {1, 2}
    return number if not is_own and number in {*CRASHES, *STOPS} else None
