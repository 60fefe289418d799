"""How much of its device's memory a worker of a refinement will need: the part of the forecast that is about GPUs."""

from dataclasses import dataclass

from compute.expectation import search, step
from compute.expectation.fine import CANDIDATE_BYTES
from compute.expectation.plan import (
    CANDIDATE_COPIES,
    COMPLEX,
    GB,
    REAL,
    SHIFT_COPIES,
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

POINT_BYTES = 330
"""What slicing and insertion take for each sampled point under way, as measured on the stand-in device of the tests."""
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
    """The peak on a device that so many workers share: both halves of one process, or workers of processes each."""
    first, final = (_together(setting, stage, workers, is_one_process) for stage in (now, last))
    more = LIBRARY_BYTES * (1 if is_one_process else workers)
    return DevicePeak(workers, (first + more) / GB, (max(first, final) + more) / GB)


def device_bytes(setting: Setting, stage: Stage) -> float:
    """The peak of one worker's tensors on its device; what `torch.cuda.max_memory_allocated` measures."""
    searching = projector_bytes(setting, stage) + device_search_bytes(setting, stage)
    sums = sums_bytes(setting, stage)
    return max(
        map_bytes(setting.box) + making_projector_bytes(setting, stage),
        sums + searching,
        sums + _device_maximisation(setting, stage),
    )


def device_search_bytes(setting: Setting, stage: Stage) -> float:
    """Tables of an iteration, the block of images under way, and what the kernels take meanwhile."""
    count, coarse = pixels_within(stage.size), pixels_within(stage.coarse_size)
    inserted, every = pixels_within(stage.accumulation_size), pixels_within(setting.box)
    shifts = stage.translations * stage.translation_children
    rows = stage.orientations * stage.orientation_children
    phases = COMPLEX * (stage.translations * coarse + 2 * shifts * inserted)
    poses = stage.orientations * stage.translations
    images = step.block_size(stage.is_local, poses, 16, int(inserted))
    prepared = images * (3 * REAL * setting.box**2 + 2 * (COMPLEX + REAL) * every)
    scores = 2.0 * REAL * images * poses
    one_image = CANDIDATE_COPIES * min(CANDIDATE_BYTES, 2 * REAL * rows * count)
    one_image += SHIFT_COPIES * COMPLEX * shifts * count
    results = images * 2 * REAL * min(step.TYPICAL_ORIENTATIONS, rows) * inserted
    slices, table = 2.0 * REAL * stage.orientations * coarse, 0.0
    if stage.is_local:
        scores /= images
        points = max(stage.orientations * coarse, min(rows * count, CANDIDATE_BYTES / 8))
    else:
        table = REAL * rows * (2 * count + 3 * inserted)
        is_kept = table <= search.CACHE_BYTES
        table = table if is_kept else 0.0
        points = max(stage.orientations * coarse, rows * count if is_kept else CANDIDATE_BYTES / 8)
    kernels = POINT_BYTES * min(points, TEMPORARY_BYTES / BYTES_PER_POINT)
    return phases + slices + table + prepared + scores + one_image + results + kernels


def _device_maximisation(setting: Setting, stage: Stage) -> float:
    """What the making of a map takes beside the sums: symmetry, comparison of the halves, or the transform."""
    symmetry = sums_bytes(setting, stage) / 3 + SYMMETRY_BYTES if setting.is_symmetric else 0.0
    unpadded = float(UNPADDED_BYTES * setting.box**3)
    return max(symmetry, unpadded, reconstruction_bytes(setting, stage) + map_bytes(setting.box))


def _together(setting: Setting, stage: Stage, workers: int, is_one_process: bool) -> float:
    """The peak of all workers of a device; one process searches its halves in turn and keeps the sums of both."""
    if workers == 1 or not is_one_process:
        return workers * device_bytes(setting, stage)
    sums = sums_bytes(setting, stage)
    both = min(2, setting.threads)
    return max(
        sums + device_bytes(setting, stage),
        2 * sums + both * _device_maximisation(setting, stage),
    )
