"""Jobs at Slurm: submitted once, looked at, stopped, and judged when they are over."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from compute.files.atomic import write_whole
from compute.files.events import End
from webapp.launch.keeper import PRINTED
from webapp.launch.local import LaunchError
from webapp.launch.profiles import Profile
from webapp.launch.slurm_text import (
    SENTENCES,
    SlurmJob,
    file_pattern,
    lost_nodes,
    read_accounting,
    read_number,
    read_queue,
    read_shown_job,
)

TIMEOUT_S = 60.0
SCRIPT = "run_submit.script"
NAME = "halfmap-{}"
"""A job's name at Slurm, which its launch id makes unique: a job is found by it where its number was lost."""


class SlurmUnavailable(LaunchError):
    """Slurm does not answer; nothing is known about its jobs."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a job is over, and one sentence on it."""

    state: Literal["finished", "stopped", "failed"]
    sentence: str


class Slurm:
    """The commands of one Slurm, as this machine reaches it."""

    def __init__(self, variables: Mapping[str, str] | None = None) -> None:
        self._variables = dict(os.environ if variables is None else variables)

    def submit(
        self,
        profile: Profile,
        launch_id: str,
        folder: Path,
        directory: Path,
        text: str,
        variables: Mapping[str, str],
    ) -> int:
        """The number of the job that runs this script, which is kept in `folder`, in a directory.

        It is never requeued: Slurm would start it again while processes on a lost node may still write.
        """
        path = folder / SCRIPT
        write_whole(path, text.encode())
        given = ",".join(f"{name}={value}" for name, value in variables.items())
        printed = self._ask(
            "sbatch",
            "--parsable",
            "--no-requeue",
            f"--job-name={NAME.format(launch_id)}",
            f"--output={file_pattern(str(folder / PRINTED))}",
            "--open-mode=append",
            f"--chdir={directory}",
            f"--export=ALL,{given}",
            *profile.options,
            str(path),
        )
        return read_number(printed)

    def find(self, launch_id: str) -> SlurmJob | None:
        """The job that was submitted for a launch, where Slurm still knows it."""
        name = NAME.format(launch_id)
        queue = self._ask(
            "squeue", "--noheader", "--states=all", f"--name={name}", "--format=%i|%T|%r|%N"
        )
        return next(iter(read_queue(queue).values()), None)

    def queue(self) -> dict[int, SlurmJob]:
        """Our own user's jobs that Slurm has not forgotten."""
        return read_queue(
            self._ask("squeue", "--noheader", "--states=all", "--me", "--format=%i|%T|%r|%N")
        )

    def job(self, number: int) -> SlurmJob | None:
        """What Slurm, or else its accounting, knows of a job; None where both have forgotten it.

        A job that only the accounting still calls waiting or running is none: its end was never told there.
        """
        try:
            return read_shown_job(self._ask("scontrol", "--oneliner", "show", "job", str(number)))
        except SlurmUnavailable:
            raise
        except LaunchError:
            found = self.accounted(number)
            return found if found is not None and found.is_over else None

    def accounted(self, number: int) -> SlurmJob | None:
        """What the accounting knows of a job; None without accounting."""
        try:
            printed = self._ask(
                "sacct",
                "--noheader",
                "--parsable2",
                f"--jobs={number}",
                "--format=JobID,State,ExitCode,MaxRSS,NodeList",
            )
        except LaunchError:
            return None
        return read_accounting(printed, number)

    def lost_nodes(self, nodes: str) -> list[str]:
        """Those of these nodes that do not answer."""
        if not nodes:
            return []
        return lost_nodes(
            self._ask("sinfo", "--noheader", "--Node", f"--nodes={nodes}", "--format=%N|%T")
        )

    def cancel(self, number: int) -> None:
        """End a job; one that is over already is left as it is."""
        self._ask("scancel", str(number))

    def _ask(self, *words: str) -> str:
        """What a command prints; LaunchError with its last words where it fails."""
        try:
            done = subprocess.run(
                words,
                env=self._variables,
                capture_output=True,
                text=True,
                timeout=TIMEOUT_S,
                stdin=subprocess.DEVNULL,
            )
        except FileNotFoundError:
            raise SlurmUnavailable(f"{words[0]} is not installed on this machine") from None
        except subprocess.TimeoutExpired:
            raise SlurmUnavailable(f"{words[0]} did not answer within {TIMEOUT_S:g} s") from None
        if done.returncode == 0:
            return done.stdout
        said = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        sentence = f"{words[0]}: {said.removeprefix(words[0] + ': ').removeprefix('error: ')}"
        is_away = any(word in done.stderr for word in ("Unable to contact", "Socket timed out"))
        raise SlurmUnavailable(sentence) if is_away else LaunchError(sentence)


def judge(end: End | None, job: SlurmJob | None, advice: str = "") -> Ending:
    """How a job is over: by its own last record, else by Slurm's word; `advice` says how to go on.

    A process that was ended by signal 9 at a memory limit leaves Slurm with FAILED where the batch script itself
    lived on; both are told as memory.
    """
    if end is not None and not (
        job is not None and job.state in SENTENCES and end.reason == "failed"
    ):
        states: dict[str, Literal["finished", "stopped", "failed"]] = {
            "stopped": "stopped",
            "failed": "failed",
        }
        return Ending(states.get(end.reason, "finished"), end.message)
    tail = f" {advice}" if advice else ""
    if job is None:
        return Ending("failed", f"Slurm no longer knows the job, which left no last record.{tail}")
    if job.stage == "stopped":
        return Ending("stopped", "The job was cancelled at Slurm.")
    if job.stage == "finished":
        return Ending("failed", f"The job ended without leaving a last record.{tail}")
    return Ending("failed", f"{_why(job)}{tail}")


def _why(job: SlurmJob) -> str:
    """Why a job failed, as a sentence."""
    held = "" if job.memory_GB is None else f" (it held {job.memory_GB:.1f} GB)"
    number = job.exit_signal or (job.exit_status - 128 if job.exit_status > 128 else 0)
    if job.state == "OUT_OF_MEMORY":
        return f"{SENTENCES[job.state]}{held}."
    if job.state in SENTENCES:
        return f"{SENTENCES[job.state].removesuffix('.')}{_on(job.nodes)}."
    if number == signal.SIGKILL or job.exit_status == signal.SIGKILL:
        return (
            f"The job was killed by signal 9, by the system or by somebody{held}{_on(job.nodes)}."
        )
    if number:
        return f"The job was ended by signal {number} ({signal.strsignal(number)}){_on(job.nodes)}."
    return f"The job ended with exit status {job.exit_status} at Slurm and left no reason."


def _on(nodes: str) -> str:
    return f" (node {nodes})" if nodes else ""


def states_in_words(job: SlurmJob, lost: Sequence[str]) -> str:
    """What to say of a job that is not over: why it waits, or that its node does not answer."""
    if lost:
        return f"node not answering: {', '.join(lost)}"
    if job.stage == "waiting":
        return f"waits at Slurm: {REASONS.get(job.reason, job.reason or 'no reason given')}"
    if job.state in {"SUSPENDED", "STOPPED"}:
        return "Slurm has suspended the job"
    return ""


REASONS = {
    "Resources": "the cluster is busy",
    "Priority": "jobs of higher priority come first",
    "Dependency": "another job must end first",
    "PartitionTimeLimit": "the time limit asked for is longer than the partition allows",
    "PartitionNodeLimit": "the partition has fewer nodes than asked for",
    "ReqNodeNotAvail": "the nodes asked for are not available",
    "Reservation": "the nodes are reserved",
    "JobHeldUser": "the job is held by its user",
    "JobHeldAdmin": "the job is held by an administrator",
    "BeginTime": "its time to begin has not come",
    "AssocGrpCpuLimit": "the group's limit of cores is reached",
    "AssocGrpGRES": "the group's limit of GPUs is reached",
    "QOSMaxCpuPerUserLimit": "the user's limit of cores is reached",
    "QOSMaxJobsPerUserLimit": "the user's limit of jobs is reached",
}
"""Why jobs wait (squeue's manual, JOB REASON CODES), in words."""
