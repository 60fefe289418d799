"""How busy the GPUs of a job are, for its heartbeats: as NVIDIA's management library says, if it is there."""

from collections.abc import Callable, Sequence

import torch

from compute.files.events import GpuLoad
from compute.jobs.memory import BYTES_PER_GB

Reader = Callable[[int], float]


def gpu_loads(
    devices: Sequence[str],
    percent: Reader = torch.cuda.utilization,
    used_bytes: Reader = torch.cuda.device_memory_used,
) -> list[GpuLoad]:
    """Load and memory in use of each device (as "cuda:0"), by whatever program; None where it cannot be read."""
    found = []
    for device in devices:
        index = torch.device(device).index or 0
        memory = _read(used_bytes, index)
        found.append(
            GpuLoad(
                device=device,
                percent=_read(percent, index),
                memory_GB=None if memory is None else memory / BYTES_PER_GB,
            )
        )
    return found


def take_several_processes() -> bool:
    """Whether several processes may use each GPU of this machine; no, where the management library does not say so.

    Clusters may set GPUs to one process each: a second one is refused, or keeps the first one out.
    """
    import pynvml

    try:
        pynvml.nvmlInit()
        numbers = range(pynvml.nvmlDeviceGetCount())
        handles = [pynvml.nvmlDeviceGetHandleByIndex(number) for number in numbers]
        modes = {pynvml.nvmlDeviceGetComputeMode(handle) for handle in handles}
    except pynvml.NVMLError:
        return False
    return modes == {pynvml.NVML_COMPUTEMODE_DEFAULT}


def _read(reader: Reader, index: int) -> float | None:
    """A figure of the management library; it raises errors of its own, and others where it is not there."""
    import pynvml

    try:
        return float(reader(index))
    except (pynvml.NVMLError, RuntimeError, ImportError, AssertionError):
        return None
