"""What this machine has and what it is doing."""

import os
from typing import Any

import psutil

BYTES_PER_GB = 1e9


def gpus() -> list[dict[str, Any]]:
    """The NVIDIA GPUs of this machine, as rows for the queue: index, name, memory, and their load now."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []
    try:
        return [_gpu(pynvml, index) for index in range(int(pynvml.nvmlDeviceGetCount()))]
    finally:
        pynvml.nvmlShutdown()


def _gpu(nvml: Any, index: int) -> dict[str, Any]:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    memory = nvml.nvmlDeviceGetMemoryInfo(handle)
    return {
        "index": index,
        "name": str(nvml.nvmlDeviceGetName(handle)),
        "memory_GB": memory.total / BYTES_PER_GB,
        "used_GB": memory.used / BYTES_PER_GB,
        "percent": float(nvml.nvmlDeviceGetUtilizationRates(handle).gpu),
    }


def load() -> dict[str, Any]:
    """How busy this machine is: processes that want to run, and memory."""
    memory = psutil.virtual_memory()
    return {
        "running": os.getloadavg()[0],
        "memory_used_GB": (memory.total - memory.available) / BYTES_PER_GB,
        "memory_GB": memory.total / BYTES_PER_GB,
    }
