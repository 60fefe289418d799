"""How much of its device's memory a worker of a refinement will need: the part of the forecast that is about GPUs."""

from dataclasses import dataclass
from importlib.util import find_spec

import torch

from compute.expectation import batch
from compute.expectation.pairs_torch import PAIR_BYTES
from compute.expectation.plan import (
    COMPLEX,
    GB,
    REAL,
    Setting,
    Stage,
    making_projector_bytes,
    map_bytes,
    pixels_within,
    projector_bytes,
    reconstruction_bytes,
    sums_bytes,
)
from compute.projection.kernels_torch import BYTES_PER_POINT, TEMPORARY_BYTES
from compute.projection.reference import ON_DEVICE

POINT_BYTES = 345
"""What slicing and insertion in plain torch take for each sampled point under way, as measured on the stand-in device
of the tests; kernels in Triton take nothing."""
KERNEL_BYTES = POINT_BYTES * TEMPORARY_BYTES / BYTES_PER_POINT
"""The most that they take in all."""
SCORE_COPIES = 22
"""Bytes for each pose of the first pass: its score, a copy in order, and its distance below the best one."""
POSE_BYTES = 34
"""Bytes for each pose of the second pass while it is weighed: score, distance, and places of those with weight."""
SYMMETRY_BYTES = 90e6
"""What the sum over a point group takes beside a third of the sums, measured likewise."""
UNPADDED_BYTES = 20
"""What the unpadded transform takes for each voxel of the box, measured likewise."""
LIBRARY_BYTES = 0.3e9
"""A round figure for what NVIDIA's libraries keep on the device for themselves once they are in use; torch does not
count it."""


@dataclass(frozen=True, slots=True)
class DevicePeak:
    """The most memory that one device will hold for its workers in the first and in the last iteration."""

    workers: int
    now_GB: float
    last_GB: float


def forecast_device(
    setting: Setting, now: Stage, last: Stage, workers: int, is_one_process: bool
) -> DevicePeak:
    """The peak on a device that so many workers share: both halves of one process, or workers of processes each.

    A leader of its own compares the halves there as long as there is room; only what it keeps is counted.
    """
    first, final = (_together(setting, stage, workers, is_one_process) for stage in (now, last))
    more = LIBRARY_BYTES * (1 if is_one_process else workers + 1)
    return DevicePeak(workers, (first + more) / GB, (max(first, final) + more) / GB)


def device_bytes(setting: Setting, stage: Stage, images: int = 0) -> float:
    """The peak of one worker's tensors on its device; what `torch.cuda.max_memory_allocated` measures.

    images: how many are searched at once; 0 for as many as there would be.
    """
    searching = projector_bytes(setting, stage) + device_search_bytes(setting, stage, images)
    sums = device_sums_bytes(setting, stage)
    pairing = projector_bytes(setting, stage) if has_kernels() else 0.0
    return max(
        map_bytes(setting.box) + making_projector_bytes(setting, stage) + pairing,
        sums + searching,
        sums + _device_maximisation(setting, stage),
    )


def has_kernels() -> bool:
    """Whether GPUs of this machine should run kernels in Triton, which take no memory of their own; none is asked."""
    return torch.cuda.is_available() and find_spec("triton") is not None


def device_sums_bytes(setting: Setting, stage: Stage) -> float:
    """The sums of a half as a device holds them."""
    return sums_bytes(setting, stage) * ON_DEVICE / 3


def device_search_bytes(setting: Setting, stage: Stage, images: int = 0) -> float:
    """Tables of an iteration, and what a block of so many images takes in both passes; 0 for as many as there would be.

    The second pass holds the scores of the poses that go on: all of one image's, or `batch.POSES_AT_ONCE`.
    """
    count, coarse = pixels_within(stage.size), pixels_within(stage.coarse_size)
    inserted, every = pixels_within(stage.accumulation_size), pixels_within(setting.box)
    poses = stage.orientations * stage.translations
    most = batch.images_per_batch(poses, setting.box, setting.scale)
    images = images or min(most, setting.half_images)
    shifts = stage.translations * stage.translation_children
    rows = stage.orientations * stage.orientation_children
    phases = 2.0 * COMPLEX * (stage.translations * coarse + shifts * inserted)
    prepared = images * (4 * REAL * setting.box**2 + 2 * (COMPLEX + REAL) * every)
    scores = SCORE_COPIES * images * poses
    pairs = min(images * rows, max(rows, setting.scale * batch.POSES_AT_ONCE / shifts))
    weighing = POSE_BYTES * pairs * shifts
    posterior = 2.0 * REAL * pairs * shifts
    sums = images * (2 * REAL + 4 * COMPLEX) * count + 4.0 * COMPLEX * images * every
    means = min(2.0 * REAL * pairs * inserted, setting.scale * batch.MEAN_BYTES)
    slices = 0.0 if stage.is_local else 2.0 * REAL * stage.orientations * coarse
    second = posterior + max(weighing, sums + means)
    kernels = 0.0
    if not has_kernels():
        points = max(pairs * inserted, stage.orientations * coarse)
        kernels = min(KERNEL_BYTES, POINT_BYTES * points) + min(PAIR_BYTES, 32.0 * pairs * inserted)
    return phases + slices + prepared + max(scores, second) + kernels


def _device_maximisation(setting: Setting, stage: Stage) -> float:
    """What the making of a map takes beside the sums: symmetry, comparison of the halves, or the transform."""
    symmetry = 0.0
    if setting.is_symmetric:
        symmetry = sums_bytes(setting, stage) / 3 + (0.0 if has_kernels() else SYMMETRY_BYTES)
    unpadded = float(UNPADDED_BYTES * setting.box**3)
    return max(symmetry, unpadded, reconstruction_bytes(setting, stage) + map_bytes(setting.box))


def _together(setting: Setting, stage: Stage, workers: int, is_one_process: bool) -> float:
    """The peak of all workers of a device; one process searches its halves in turn and keeps the sums of both."""
    if workers == 1 or not is_one_process:
        return workers * device_bytes(setting, stage)
    sums = device_sums_bytes(setting, stage)
    both = min(2, setting.threads)
    return max(
        sums + device_bytes(setting, stage),
        2 * sums + both * _device_maximisation(setting, stage),
    )
