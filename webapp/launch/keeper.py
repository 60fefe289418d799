"""`python -m webapp.launch.keeper`: stays beside a job from its start, so that its end is always recorded.

It belongs to nobody: the supervisor and the browser may come and go. It starts a launch once and never again.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from webapp.launch import local, outcome
from webapp.launch.processes import boot_id, started_at

ALREADY_STARTED = 3
PRINTED = "run.launch"
"""The file in a job's folder for what is printed beside its log: words of MPI, of shells and of the system."""


@dataclass(frozen=True, slots=True)
class LaunchRecord:
    """Where the keeper of a launch runs, and since when."""

    launch_id: str
    host: str
    boot_id: str
    pid: int
    pid_started_at: float
    slurm_id: str = ""

    @property
    def is_of_this_boot(self) -> bool:
        """Whether this machine has run without a break since the launch."""
        return self.host == socket.gethostname() and self.boot_id == boot_id()


def record_path(folder: Path, launch_id: str) -> Path:
    """The file whose existence means that a launch has begun."""
    return folder / f".launch-{launch_id}.json"


def read_record(folder: Path, launch_id: str) -> LaunchRecord | None:
    """The record of a launch; None where it has not begun."""
    try:
        return LaunchRecord(**json.loads(record_path(folder, launch_id).read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def begin(folder: Path, launch_id: str) -> bool:
    """Leave the record of a launch; False where it has been begun before, by whomever.

    The record is linked to its name whole, so that nobody reads half of it.
    """
    pid = os.getpid()
    slurm_id = os.environ.get("SLURM_JOB_ID", "")
    record = LaunchRecord(
        launch_id, socket.gethostname(), boot_id(), pid, started_at(pid) or time.time(), slurm_id
    )
    unfinished = folder / f".launch-{launch_id}.{socket.gethostname()}.{pid}.tmp"
    unfinished.write_text(json.dumps(asdict(record)) + "\n")
    try:
        os.link(unfinished, record_path(folder, launch_id))
    except FileExistsError:
        return False
    finally:
        unfinished.unlink()
    return True


def words(folder: Path, root: str, launch_id: str, job: Sequence[str], python: str) -> list[str]:
    """The command of a keeper for a job's command; `root` is the first part of its files' names."""
    return [python, "-P", "-m", "webapp.launch.keeper", str(folder), root, launch_id, "--", *job]


def start(
    command: Sequence[str], variables: dict[str, str], directory: Path, printed: Path
) -> subprocess.Popen[bytes]:
    """A keeper that is started with this command in a directory and needs nobody; its caller may wait for it."""
    with printed.open("ab") as output:
        return subprocess.Popen(
            list(command),
            cwd=directory,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def main(arguments: list[str]) -> int:
    """Exit status of a launch that is kept to its end: that of the job, or 3 where it had begun before."""
    folder, root, launch_id, separator, *job = arguments
    if separator != "--" or not job:
        print("usage: python -m webapp.launch.keeper FOLDER ROOT LAUNCH-ID -- COMMAND")
        return 2
    path = Path(folder)
    stopped: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda number, frame: stopped.append(number))
    if not begin(path, launch_id):
        return ALREADY_STARTED
    ending = outcome.Watch(path / root)
    variables = {**os.environ, "HALFMAP_JOB_ID": launch_id}
    status = 128 + stopped[0] if stopped else local.run(job, variables)
    try:
        return ending.settle(status)
    except OSError as error:
        print(f"the end of the job could not be recorded: {error}", file=sys.stderr)
        return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
