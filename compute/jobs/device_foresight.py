"""Whether a refinement will fit onto its GPUs: the forecast for every device, said and recorded beside what it has."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from compute.expectation.device_plan import DevicePeak, forecast_device
from compute.expectation.plan import Setting, Stage
from compute.files import events
from compute.jobs.voice import Voice
from compute.parallel import Team

Told = dict[str, Any]
"""What a worker says of its memory: see `Half.memory`."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """What the workers of one device will need together, and what it has for them, what they hold now included."""

    host: str
    device: str
    peak: DevicePeak
    available_GB: float

    @property
    def place(self) -> str:
        """The device and its machine, with the number of its workers."""
        workers = "1 worker" if self.peak.workers == 1 else f"{self.peak.workers} workers"
        return f"{self.device} on {self.host} ({workers})"

    def sentence(self) -> str:
        """The forecast in one line."""
        return (
            f" Memory forecast for {self.place}: {self.peak.now_GB:.1f} GB in the first iteration, at most "
            f"{self.peak.last_GB:.1f} GB in the last; {self.available_GB:.1f} GB are available."
        )

    def problem(self) -> str | None:
        """What will not fit; None if all is well."""
        for when, need_GB in (("first", self.peak.now_GB), ("last", self.peak.last_GB)):
            if need_GB > self.available_GB:
                return (
                    f"{self.place} will need {need_GB:.1f} GB in the {when} iteration, but has "
                    f"{self.available_GB:.1f} GB"
                )
        return None


def told_of_devices(team: Team) -> list[Told]:
    """What the workers that compute on a GPU say of its memory, once all processes are known to their devices."""
    told = [one for half in team.call("memory") for one in half]
    if all(one["room_GB"] is None for one in told):
        return []
    told = [one for half in team.call("memory") for one in half]
    return [one for one in told if one["room_GB"] is not None]


def outlooks(told: Iterable[Told], setting: Setting, now: Stage, last: Stage) -> list[Outlook]:
    """The forecast for every device, for the workers that have told of it; in the order in which they first name it."""
    found = []
    for (host, device), here in by_device(told).items():
        processes = {one["pid"]: float(one["held_GB"]) for one in here}
        free_GB = min(float(one["room_GB"]) - float(one["held_GB"]) for one in here)
        is_one_process = len(processes) < len(here)
        peak = forecast_device(setting, now, last, len(here), is_one_process)
        found.append(Outlook(host, device, peak, free_GB + sum(processes.values())))
    return found


def by_device(told: Iterable[Told]) -> dict[tuple[str, str], list[Told]]:
    """What the workers of each device, named by its host and itself, have told."""
    found: dict[tuple[str, str], list[Told]] = {}
    for one in told:
        found.setdefault((str(one["host"]), str(one["device"])), []).append(one)
    return found


def say_outlooks(found: Iterable[Outlook], voice: Voice, iteration: int | None = None) -> None:
    """Print and record the forecast for every device, before the start or an iteration; warn where it will not fit."""
    for one in found:
        if iteration is None:
            voice.log.line(one.sentence())
        voice.progress.write(
            events.Memory(
                what=f"{one.place}, last iteration",
                forecast_GB=one.peak.last_GB,
                available_GB=one.available_GB,
                device=one.device,
                iteration=iteration,
            )
        )
        problem = one.problem()
        if problem is not None:
            voice.log.warning(
                f"GPU memory may not suffice: {problem}. Fewer images are searched at once where it runs out; less is "
                "needed with fewer workers per GPU (--mpi 3), with --padding 1, or on the CPU (without --gpu).",
                "E38",
            )


def record_device_peaks(found: Iterable[Outlook], told: Iterable[Told], voice: Voice) -> None:
    """Record what the tensors of each device's workers have taken at most, beside what was forecast."""
    groups = by_device(told)
    for one in found:
        here = groups.get((one.host, one.device), [])
        processes = {worker["pid"]: float(worker["peak_GB"]) for worker in here}
        voice.progress.write(
            events.Memory(
                what=one.place,
                forecast_GB=one.peak.last_GB,
                measured_GB=sum(processes.values()),
                device=one.device,
            )
        )
