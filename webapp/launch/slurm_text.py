"""Slurm's language: submission scripts from a template, and what its commands print."""

import math
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from compute.files.given_text import is_one_line
from webapp.launch.local import LaunchError
from webapp.launch.profiles import Profile, prelude
from webapp.launch.template import filled

Stage = Literal["waiting", "running", "finished", "stopped", "failed"]

STAGES: dict[str, Stage] = {
    "PENDING": "waiting",
    "CONFIGURING": "waiting",
    "REQUEUED": "waiting",
    "REQUEUE_FED": "waiting",
    "REQUEUE_HOLD": "waiting",
    "RESV_DEL_HOLD": "waiting",
    "SPECIAL_EXIT": "waiting",
    "RUNNING": "running",
    "COMPLETING": "running",
    "RESIZING": "running",
    "SIGNALING": "running",
    "STAGE_OUT": "running",
    "STOPPED": "running",
    "SUSPENDED": "running",
    "COMPLETED": "finished",
    "CANCELLED": "stopped",
    "BOOT_FAIL": "failed",
    "DEADLINE": "failed",
    "FAILED": "failed",
    "NODE_FAIL": "failed",
    "OUT_OF_MEMORY": "failed",
    "PREEMPTED": "failed",
    "REVOKED": "failed",
    "TIMEOUT": "failed",
}
"""Slurm's states (squeue's manual, JOB STATE CODES) and what they mean for a job of ours."""

SENTENCES = {
    "BOOT_FAIL": "Slurm could not start the node of the job.",
    "DEADLINE": "The job's deadline at Slurm passed before it could end.",
    "NODE_FAIL": "The node of the job failed.",
    "OUT_OF_MEMORY": "The job needed more memory than Slurm had given it",
    "PREEMPTED": "Slurm ended the job to make room for another.",
    "REVOKED": "Slurm ended the job because another cluster started it.",
    "TIMEOUT": "The job ran into the time limit that it had at Slurm",
}
BYTES = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}

TEMPLATE = """#!/bin/bash
#SBATCH --nodes=XXXnodesXXX
#SBATCH --ntasks=XXXmpinodesXXX
#SBATCH --cpus-per-task=XXXthreadsXXX
#SBATCH --partition=XXXqueueXXX
#SBATCH --account=XXXaccountXXX
#SBATCH --time=XXXtimeXXX
#SBATCH --mem=XXXmemoryXXX
#SBATCH --gres=XXXgpusXXX
XXXsetupXXX
exec XXXjobXXX
"""
"""The script of sites without one. A directive whose value is empty is left out."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What a job needs of a cluster: processes, threads of each, and GPUs."""

    ranks: int
    threads: int
    gpus: int = 0


@dataclass(frozen=True, slots=True)
class SlurmJob:
    """What Slurm knows of a job: its state in Slurm's word, why, how it ended, and what it held."""

    number: int
    state: str
    reason: str = ""
    exit_status: int = 0
    exit_signal: int = 0
    nodes: str = ""
    restarts: int = 0
    memory_GB: float | None = None

    @property
    def stage(self) -> Stage:
        """What the state means for a job of ours."""
        return STAGES.get(self.state, "running")

    @property
    def is_over(self) -> bool:
        """Whether Slurm has ended the job."""
        return self.stage not in ("waiting", "running")


def nodes_of(profile: Profile, cores: int) -> int:
    """The nodes that a job of so many cores asks for."""
    return math.ceil(cores / profile.cores_per_node) if profile.cores_per_node else profile.nodes


def script(
    profile: Profile,
    demand: Demand,
    job: Sequence[str],
    rank: Sequence[str],
    template: str = TEMPLATE,
    names: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """The submission script: the template with RELION's names replaced.

    `names` are further values, such as RELION's name, outfile and errfile, which sbatch's own options overrule.
    XXXjobXXX is the whole job, MPI included; XXXcommandXXX what one process runs, for templates that start MPI
    themselves. No value can become a command, wherever its name stands: LaunchError names one that does not fit.
    """
    odd = next((word for word in (*job, *rank) if not is_one_line(word)), None)
    if odd is not None:
        raise LaunchError(f"{odd!r} has several lines: no submission script can hold it")
    cores = demand.ranks * demand.threads
    values = {
        "mpinodes": str(demand.ranks),
        "threads": str(demand.threads),
        "cores": str(cores),
        "dedicated": str(profile.cores_per_node or math.ceil(cores / profile.nodes)),
        "nodes": str(nodes_of(profile, cores)),
        "queue": profile.partition,
        "account": profile.account,
        "time": profile.time_limit,
        "memory": f"{math.ceil(profile.memory_GB * 1000)}M" if profile.memory_GB else "",
        **_gpu_values(profile, demand.gpus, nodes_of(profile, cores)),
        **names,
        **profile.variables,
    }
    whole = {
        "job": shlex.join(job),
        "command": shlex.join(rank),
        "setup": "\n".join(prelude(profile)),
    }
    text = filled(template, values, whole)
    if not text.startswith("#!"):
        raise LaunchError("the submission template must start with #!, such as #!/bin/bash")
    return text


def _gpu_values(profile: Profile, gpus: int, nodes: int) -> dict[str, str]:
    """The GPUs of a job: of a node for --gres and --gpus-per-node, of all nodes for --gpus."""
    if not gpus:
        return {"gpus": "", "gpuspernode": "", "gpucount": ""}
    of_a_node = math.ceil(gpus / nodes)
    return {
        "gpus": f"{profile.gpu_resource}:{of_a_node}",
        "gpuspernode": str(of_a_node),
        "gpucount": str(of_a_node * nodes),
    }


def gpus_given(gpu: str, nodes: int) -> str:
    """A `--gpu` text in the numbers that processes at Slurm see: those of the GPUs that they were given, from 0 on.

    On several nodes it is empty, so that each node's processes share out what they have.
    """
    if nodes > 1:
        return ""
    numbers = re.findall(r"[0-9]+", gpu)
    places = {number: str(place) for place, number in enumerate(sorted(set(numbers), key=int))}
    return re.sub(r"[0-9]+", lambda found: places[found[0]], gpu)


def file_pattern(path: str) -> str:
    """A path as sbatch's --output takes it: % starts a pattern there."""
    return path.replace("%", "%%")


def read_number(printed: str) -> int:
    """The job's number from `sbatch --parsable`; LaunchError where there is none."""
    lines = printed.strip().splitlines()
    number = lines[-1].partition(";")[0].strip() if lines else ""
    if not number.isdigit():
        raise LaunchError(f"sbatch gave no job number but '{printed.strip()}'")
    return int(number)


def read_fields(line: str) -> dict[str, str]:
    """The fields of one line of `scontrol --oneliner show …`, whose values may hold spaces."""
    parts = re.split(r"(?:^|\s)([A-Z][A-Za-z0-9/:_-]*)=", line.strip())
    return {name: value.strip() for name, value in zip(parts[1::2], parts[2::2], strict=True)}


def read_shown_job(line: str) -> SlurmJob | None:
    """A job from `scontrol --oneliner show job`; None where the line shows none."""
    fields = read_fields(line)
    if not fields.get("JobId", "").isdigit():
        return None
    status, number = _exit_code(fields.get("ExitCode", "0:0"))
    reason = fields.get("Reason", "")
    return SlurmJob(
        number=int(fields["JobId"]),
        state=fields.get("JobState", ""),
        reason="" if reason in {"None", "(null)"} else reason,
        exit_status=status,
        exit_signal=number,
        nodes=_or_nothing(fields.get("NodeList", "")),
        restarts=int(fields.get("Restarts", "0") or 0),
    )


def read_queue(printed: str) -> dict[int, SlurmJob]:
    """The jobs of `squeue --noheader --format '%i|%T|%r|%N'`, by number."""
    jobs = {}
    for line in printed.splitlines():
        number, state, reason, nodes = (part.strip() for part in f"{line}|||".split("|")[:4])
        if number.isdigit():
            jobs[int(number)] = SlurmJob(
                int(number), state, "" if reason == "None" else reason, nodes=nodes
            )
    return jobs


def read_accounting(printed: str, number: int) -> SlurmJob | None:
    """A job from `sacct --noheader --parsable2 --format JobID,State,ExitCode,MaxRSS,NodeList`; None without it.

    The memory is the largest of its steps.
    """
    found: SlurmJob | None = None
    held = []
    for line in printed.splitlines():
        name, state, code, memory, nodes = (part.strip() for part in f"{line}||||".split("|")[:5])
        if name.partition(".")[0] != str(number):
            continue
        if memory:
            held.append(read_bytes(memory) / 1e9)
        if name == str(number):
            status, ended_by = _exit_code(code)
            word = state.split()[0] if state else ""
            found = SlurmJob(
                number, word, exit_status=status, exit_signal=ended_by, nodes=_or_nothing(nodes)
            )
    if found is None or not held:
        return found
    return SlurmJob(
        found.number,
        found.state,
        found.reason,
        found.exit_status,
        found.exit_signal,
        found.nodes,
        memory_GB=max(held),
    )


def read_bytes(text: str) -> float:
    """Bytes from Slurm's `12.5M`; 0 for what is no size."""
    found = re.fullmatch(r"([0-9.]+)([KMGT]?)[cn]?", text.strip())
    return float(found[1]) * BYTES[found[2]] if found else 0.0


def lost_nodes(printed: str) -> list[str]:
    """The nodes that do not answer, from `sinfo --noheader --Node --format '%N|%T'`."""
    nodes = []
    for line in printed.splitlines():
        name, _, state = line.strip().partition("|")
        if state.endswith("*") or state.rstrip("*").startswith("down"):
            nodes.append(name.strip())
    return list(dict.fromkeys(nodes))


def _exit_code(text: str) -> tuple[int, int]:
    """Exit status and signal from Slurm's `status:signal`."""
    status, _, number = text.partition(":")
    return (int(status) if status.isdigit() else 0, int(number) if number.isdigit() else 0)


def _or_nothing(text: str) -> str:
    return "" if text in {"(null)", "None assigned", "None"} else text
