"""What the processes of a refinement say of themselves after an iteration: their time by phase, and their memory."""

import socket
from dataclasses import dataclass
from typing import Any

from compute.jobs.device_foresight import told_of_devices
from compute.jobs.memory import peak_GB
from compute.jobs.stopwatch import Stopwatch
from compute.parallel import Team


@dataclass(frozen=True, slots=True)
class Account:
    """workers: where the time of each went since the last time (`files.timing`); the largest memory of every process
    so far, the leader's first, and of every GPU's worker.
    """

    workers: list[dict[str, Any]]
    peak_memory_GB: list[float]
    peak_gpu_memory_GB: list[float]


def account_of(team: Team) -> Account:
    """What all workers say now."""
    workers = [one for half in team.call("measured") for one in half]
    gpus = [one["peak_GB"] for one in told_of_devices(team)]
    return Account(workers, peak_memory_GB(team), gpus)


def peak_memory_GB(team: Team) -> list[float]:
    """The largest resident memory of the leader and of every worker so far."""
    return [peak_GB(), *(one for half in team.call("peak_memory_GB") for one in half)]


def time_of_leader(stopwatch: Stopwatch) -> dict[str, Any]:
    """Where the leader's time went. In one process it contains the workers'."""
    return {"role": "leader", "host": socket.gethostname()} | stopwatch.take()
