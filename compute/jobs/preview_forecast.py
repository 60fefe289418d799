"""The memory that a refinement would need, asked before its start: the forecast that it makes itself, from sizes."""

import numpy as np

from compute.expectation.device_plan import forecast_device
from compute.expectation.plan import REAL, Setting, forecast, map_bytes
from compute.jobs.foresight import PRELOAD_SHARE, first_and_last
from compute.jobs.half_images import is_handed_out
from compute.jobs.memory import BYTES_PER_GB, available_GB
from compute.jobs.preview_slices import Answer
from compute.jobs.refine_settings import settings_of
from compute.params.preview import ForecastRequest
from compute.sampling.symmetry import parse_symmetry

PROCESS_BYTES = 0.36e9
"""What a process holds once its libraries are loaded (measured, Linux, x86-64)."""
PARTICLE_BYTES = 250
"""What the parameters of one particle take."""
START_MAPS = 2


def memory_forecast(request: ForecastRequest) -> Answer:
    """For each role of a process: how many, and the most memory in the first and in the last iteration.

    With GPUs also the most that one of them will hold. Raises ValueError for parameters that no refinement can have.
    """
    params, box = request.params, request.box
    group = parse_symmetry(params.symmetry)
    setting = _setting(request, group.order > 1)
    settings = settings_of(params, box, request.pixel_size_A)
    now, last = first_and_last(settings, None, group.order)
    roles = [
        {"role": one.role, "ranks": one.ranks, "now_GB": one.now_GB, "last_GB": one.last_GB}
        for one in forecast(setting, now, last, request.ranks)
    ]
    said: dict[str, object] = {"roles": roles, "device": None}
    if request.gpus:
        workers = max(1, request.ranks - 1)
        each = -(-workers // request.gpus) if request.ranks > 1 else 2
        peak = forecast_device(setting, now, last, each, request.ranks == 1)
        said["device"] = {"workers": each, "now_GB": peak.now_GB, "last_GB": peak.last_GB}
    return said, {"size": np.array([now.size, last.size])}


def _setting(request: ForecastRequest, is_symmetric: bool) -> Setting:
    """What stays the same in all iterations, as far as it is known before the start."""
    params, box = request.params, request.box
    is_alone, workers = request.ranks == 1, max(1, request.ranks - 1)
    members = max(1, workers // 2)
    copies = members if is_handed_out(params, members) else 1
    images = float(copies) * request.particles * REAL * box**2
    keeps = params.preread_images
    if keeps is None:
        keeps = images < PRELOAD_SHARE * available_GB() * BYTES_PER_GB
    return Setting(
        box=box,
        padding=params.padding,
        threads=request.threads,
        leader_bytes=PROCESS_BYTES
        + PARTICLE_BYTES * request.particles
        + START_MAPS * map_bytes(box),
        worker_bytes=PROCESS_BYTES,
        image_bytes=(images if keeps else 0.0) / (1 if is_alone else workers),
        particle_bytes=0.0 if is_alone else float(PARTICLE_BYTES * request.particles),
        is_symmetric=is_symmetric,
        is_on_device=request.gpus > 0,
    )
