"""How much memory a refinement will need: a forecast from sizes alone, made before anything is computed."""

from dataclasses import dataclass
from math import pi
from typing import Literal

from compute.expectation import fine, host, step
from compute.projection.reference import SLAB_VALUES, grid_shape

GB = 1e9
REAL, COMPLEX = 4, 8
KERNEL_BYTES = 70e6
"""What compiled kernels and the libraries that they need take once they are in use (measured, Linux, x86-64)."""
SLAB_BYTES = 8 * COMPLEX * SLAB_VALUES
"""Temporaries of transforms that go slab by slab."""
MAP_COPIES = 8
"""Maps that the search for the molecule's outline holds at its peak (measured at 256 pixels)."""
CANDIDATE_COPIES = 3
"""Slices of an image's candidates, those that are kept, and their squares."""
SHIFT_COPIES = 3
"""An image moved by all fine shifts: phases, moved image, and that weighted as real numbers."""

Role = Literal["leader", "worker", "both halves"]


@dataclass(frozen=True, slots=True)
class Stage:
    """One iteration: image sizes in pixels, and grids as numbers of coarse samples.

    orientations: those that all images share or, in a local search, those around one image.
    """

    size: int
    coarse_size: int
    accumulation_size: int
    orientations: int
    translations: int
    orientation_children: int
    translation_children: int
    is_local: bool


@dataclass(frozen=True, slots=True)
class Setting:
    """What stays the same in all iterations; bytes are those of one process.

    leader_bytes, worker_bytes: held before anything is loaded, the leader's with the start maps. image_bytes: images
    that a worker keeps; particle_bytes: its copy of the particles' parameters. In one process the leader is the worker
    and image_bytes are those of both halves. is_on_device: whether workers compute on a GPU (`device_plan.py`) and
    hold here only the rest. scale: how many times the usual amount these work on at a time (`batch.scale_of`).
    half_images: how many images the larger half has.
    """

    box: int
    padding: int
    threads: int
    leader_bytes: float
    worker_bytes: float
    image_bytes: float
    particle_bytes: float
    is_symmetric: bool
    is_on_device: bool = False
    scale: int = 1
    half_images: int = 1_000_000_000


@dataclass(frozen=True, slots=True)
class RankForecast:
    """The most memory that processes of one role will hold in the first and in the last iteration."""

    role: Role
    ranks: int
    now_GB: float
    last_GB: float


def forecast(setting: Setting, now: Stage, last: Stage, ranks: int) -> list[RankForecast]:
    """The memory peaks of all processes: one entry for the leader and one for the workers, or one in all."""
    if ranks == 1:
        return [RankForecast("both halves", 1, *_alone(setting, now, last))]
    first, final = worker_bytes(setting, now), worker_bytes(setting, last)
    return [
        RankForecast("leader", 1, *_leader(setting)),
        RankForecast("worker", ranks - 1, first / GB, max(first, final) / GB),
    ]


def worker_bytes(setting: Setting, stage: Stage) -> float:
    """The peak of a worker that holds one half, or a share of it."""
    held = setting.worker_bytes + KERNEL_BYTES + setting.image_bytes + setting.particle_bytes
    if setting.is_on_device:
        return held + MAP_COPIES * map_bytes(setting.box)
    return held + max(
        map_bytes(setting.box) + making_projector_bytes(setting, stage),
        sliced_bytes(setting, stage) + sums_bytes(setting, stage) + search_bytes(setting, stage),
        sums_bytes(setting, stage) + _maximisation(setting, stage),
    )


def projector_bytes(setting: Setting, stage: Stage) -> float:
    """The padded transform of a map, as far as the working size reaches."""
    side, _, length = grid_shape(setting.padding, stage.size // 2)
    return 2.0 * REAL * side * side * length


def sliced_bytes(setting: Setting, stage: Stage) -> float:
    """The same as the CPU slices it: see `PackedProjector`."""
    return projector_bytes(setting, stage) * 2 / 3


def sums_bytes(setting: Setting, stage: Stage) -> float:
    """The sums of back-projected images: two numbers for the numerator, one for the denominator."""
    side, _, length = grid_shape(setting.padding, stage.accumulation_size // 2)
    return 3.0 * REAL * side * side * length


def map_bytes(box: int) -> float:
    """A map in real space."""
    return float(REAL * box**3)


def search_bytes(setting: Setting, stage: Stage) -> float:
    """Tables of an iteration, and what the blocks of images under way take, for all threads of a process."""
    count, coarse = pixels_within(stage.size), pixels_within(stage.coarse_size)
    inserted = pixels_within(stage.accumulation_size)
    shifts = stage.translations * stage.translation_children
    phases = COMPLEX * (stage.translations * coarse + 2 * shifts * inserted)
    slices = 3 * REAL * stage.orientations * coarse
    poses, wanted = stage.orientations * stage.translations, step.IMAGES_PER_BLOCK
    images = step.block_size(stage.is_local, poses, wanted, int(inserted))
    scores = 1.0 * REAL * images * stage.orientations * stage.translations
    block = images * (6 * REAL * setting.box**2 + 60 * pixels_within(setting.box))
    rows = stage.orientations * stage.orientation_children
    slices_of_one = 2 * REAL * rows * count
    candidates = CANDIDATE_COPIES * min(fine.CANDIDATE_BYTES, slices_of_one)
    candidates = max(candidates, min(host.SLICES_BYTES, slices_of_one))
    one_image = candidates + SHIFT_COPIES * COMPLEX * shifts * count
    results = min(images, 2) * 2 * REAL * step.TYPICAL_ORIENTATIONS * inserted
    if setting.threads > 1:
        results *= images / min(images, 2) * 3
    if stage.is_local:
        slices, scores = 1.2 * slices, scores / images
    else:
        slices = 2.5 * slices
    return phases + slices + setting.threads * (scores + block + one_image) + results


def pixels_within(size: int) -> float:
    """Half-plane pixels of an image within the disc of a size."""
    return pi * size**2 / 8


def making_projector_bytes(setting: Setting, stage: Stage) -> float:
    """The projector with the transform of the map along x, and slabs."""
    along_x = COMPLEX * setting.box**2 * (setting.padding * stage.size // 2 + 1)
    return projector_bytes(setting, stage) + along_x + SLAB_BYTES


def reconstruction_bytes(setting: Setting, stage: Stage) -> float:
    """The transform of the sums along z, the map, and slabs; the sums come on top."""
    reach = setting.padding * stage.accumulation_size // 2
    return COMPLEX * setting.box * 2.0 * reach**2 + map_bytes(setting.box) + SLAB_BYTES


def _maximisation(setting: Setting, stage: Stage) -> float:
    """What the making of a map takes beside the sums: symmetry, transform, or the molecule's outline."""
    symmetry = sums_bytes(setting, stage) / 3 if setting.is_symmetric else 0.0
    outline = MAP_COPIES * map_bytes(setting.box)
    return max(symmetry, reconstruction_bytes(setting, stage), outline)


def _leader(setting: Setting) -> tuple[float, float]:
    """The leader's peaks: maps of both halves."""
    peak = (setting.leader_bytes + 6 * map_bytes(setting.box)) / GB
    return peak, peak


def _alone(setting: Setting, now: Stage, last: Stage) -> tuple[float, float]:
    """The peaks of a process that does everything: one half is searched after the other, the sums of both are kept."""
    held = setting.leader_bytes + KERNEL_BYTES + setting.image_bytes + setting.particle_bytes
    volume, both = map_bytes(setting.box), min(2, setting.threads)
    if setting.is_on_device:
        peak = (held + (2 + both * MAP_COPIES) * volume) / GB
        return peak, peak
    peaks = []
    for stage in (now, last):
        sums = sums_bytes(setting, stage)
        searching = sliced_bytes(setting, stage) + search_bytes(setting, stage)
        making = making_projector_bytes(setting, stage)
        peaks.append(
            held
            + 2 * volume
            + max(
                sums + max(making, searching + sums),
                2 * sums + both * _maximisation(setting, stage),
            )
        )
    joining = (
        held + 5 * volume + 2 * sums_bytes(setting, last) + reconstruction_bytes(setting, last)
    )
    return peaks[0] / GB, max(*peaks, joining) / GB
