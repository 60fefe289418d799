"""The machine that a benchmark runs on: its kind, and what it can do at most."""

import platform
import re
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import psutil
import torch

CPU_INFO = Path("/proc/cpuinfo")


@dataclass(frozen=True)
class Peak:
    """What one core reaches, or one GPU: float32 matrix products (there of factors rounded to tf32, as in the first
    pass), and bytes read and written by copying memory."""

    product_GFLOPs: float
    copy_GBs: float


def kind() -> str:
    """The kind of this machine, as part of a file's name: usable cores and processor."""
    model = platform.processor() or platform.machine()
    if CPU_INFO.exists():
        found = re.search(r"model name\s*:\s*(.+)", CPU_INFO.read_text())
        model = found.group(1) if found else model
    device = torch.cuda.get_device_name(0) if torch.cuda.is_available() else ""
    words = f"{len(psutil.Process().cpu_affinity() or [0])} cores {model} {device}".lower()
    return re.sub(r"[^a-z0-9]+", "-", words).strip("-")


def busy_cores(over_s: float = 2.0) -> float:
    """How many cores others keep busy now: the load average still counts what this process did a minute ago."""
    return psutil.cpu_percent(over_s) / 100 * (psutil.cpu_count() or 1)


def measure_peak() -> Peak:
    """The best of several products and copies on one thread, in processor time, so that a shared core counts whole."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    size = 2048
    first, second = torch.rand(size, size), torch.rand(size, size)
    out = torch.empty(size, size)
    product_s = _best(lambda: torch.mm(first, second, out=out))
    source = np.ones(1 << 26, np.float32)
    target = np.empty_like(source)
    copy_s = _best(lambda: np.copyto(target, source))
    torch.set_num_threads(threads)
    peak = Peak(2 * size**3 / product_s / 1e9, 2 * source.nbytes / copy_s / 1e9)
    return peak


def measure_gpu_peak() -> Peak:
    """The same of the first GPU, by its own clock."""
    from compute.expectation.coarse import rounded_products

    device, size = torch.device("cuda", 0), 8192
    first, second = torch.rand(2, size, size, device=device)
    source = torch.rand(1 << 29, device=device)
    target = torch.empty_like(source)
    with rounded_products(device):
        product_s = _best_on_gpu(lambda: first @ second)
    copy_s = _best_on_gpu(lambda: target.copy_(source))
    return Peak(2 * size**3 / product_s / 1e9, 2 * source.nbytes / copy_s / 1e9)


def peak_record(peak: Peak) -> dict[str, float]:
    """For the results."""
    return {name: round(value, 1) for name, value in asdict(peak).items()}


def _best_on_gpu(work: Callable[[], object], rounds: int = 7) -> float:
    work()
    best = float("inf")
    for _ in range(rounds):
        began, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        began.record()
        work()
        ended.record()
        ended.synchronize()
        best = min(best, began.elapsed_time(ended) / 1e3)
    return best


def _best(work: object, rounds: int = 7) -> float:
    assert callable(work)
    work()
    best = float("inf")
    for _ in range(rounds):
        began = time.thread_time()
        work()
        best = min(best, time.thread_time() - began)
    return best
