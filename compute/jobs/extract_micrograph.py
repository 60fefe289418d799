"""The images of one micrograph: read, cut out, brought to size and grey-scale, written."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from compute.files.errors import InputError
from compute.files.micrograph_pixels import PixelReader
from compute.files.mrc import read_layout
from compute.files.stacks import StackWriter
from compute.files.star import write_star
from compute.jobs.extract_plan import Plan, Work
from compute.params.extract import ExtractParams
from compute.signal.extraction import (
    Background,
    cut,
    normalise,
    rescaled,
    views,
    windows,
    without_dust,
)
from compute.signal.random import generator

PIXELS_AT_ONCE = 400_000
"""Pixels of a batch of images: 1.6 MB of float32, three boxes of 360, which stay in the caches."""
MARK = "halfmap extract"
NOT_IN_FINGERPRINT = {
    "threads", "output", "part_dir", "pick_star", "allow_missing", "micrographs", "particles", "coordinates",
    "coordinates_folder", "coordinates_suffix", "path_map", "optics_map", "minimum_pick_fom", "recenter",
    "recenter_x", "recenter_y", "recenter_z", "reset_offsets", "reference_pixel_size_A", "keep_ctfs_micrographs",
    "maximum_padding_percent",
}  # fmt: skip
"""What an image depends on only through the rows and centres of the work, which are part of it."""


@dataclass(frozen=True, slots=True)
class Done:
    """What is known of a finished micrograph: images without contrast, and bad pixels that were replaced."""

    flat: int
    bad_pixels: int


def fingerprint(params: ExtractParams, work: Work, plan: Plan) -> str:
    """What a micrograph's images are made of, as a short text: options, the micrograph's file, boxes and columns."""
    digest = hashlib.sha256()
    options = params.model_dump(mode="json", exclude=NOT_IN_FINGERPRINT)
    about = work.path.stat()
    digest.update(
        repr((sorted(options.items()), work.name, about.st_size, about.st_mtime_ns)).encode()
    )
    if params.white_dust or params.black_dust:
        digest.update(str(work.first).encode())
    digest.update(work.centres.tobytes())
    for table in (plan.optics, work.rows):
        for label, values in table.columns.items():
            digest.update(label.encode())
            digest.update(
                repr(values.tolist()).encode() if values.dtype == object else values.tobytes()
            )
    return digest.hexdigest()[:32]


def finished(params: ExtractParams, work: Work, mark: str) -> Done | None:
    """What an earlier run has left of this very work; None where it has to be done."""
    try:
        with work.star.open(encoding="utf-8") as file:
            words = file.readline().removeprefix(f"# {MARK} ").split()
        layout = read_layout(work.stack)
    except (OSError, InputError, UnicodeDecodeError):
        return None
    expected = (len(work), params.final_box, params.final_box)
    is_half = layout.dtype.itemsize == 2
    if len(words) != 3 or words[0] != mark or layout.shape != expected or is_half != params.float16:
        return None
    return Done(int(words[1]), int(words[2]))


def extract_micrograph(
    params: ExtractParams,
    work: Work,
    plan: Plan,
    mark: str,
    reader: PixelReader,
    around: Background | None,
) -> Done:
    """Write the stack and the STAR file of one micrograph; the STAR file comes last and marks the end.

    around: the background of an image of the final box, where they are normalised.

    Neither is forced to disc, which takes much longer than the extraction: after a power failure a stack that had not
    got there is shorter than its header says, which `finished` and every reader see.
    """
    pixels, bad, mean = _without_bad_pixels(reader.read(work.path))
    level = mean if params.normalise else 0.0
    if pixels.dtype == np.float32:
        pixels -= np.float32(level)  # ours: the reader's memory
    flat = 0
    work.stack.parent.mkdir(parents=True, exist_ok=True)
    size = (params.final_box, work.pixel_size_A)
    with StackWriter(work.stack, *size, params.float16, is_forced=False) as stack:
        for rows in _batches(params, len(work)):
            cut_out = _cut_out(params, work, plan, pixels, rows, level)
            images = rescaled(cut_out, params.rescale_box or params.box)
            images = np.ascontiguousarray(cut(images, params.final_box))
            flat += _grey_values(params, work, images, rows, around, level)
            stack.append(images)
    write_star(work.star, [work.rows], comments=[f"{MARK} {mark} {flat} {bad}"], is_forced=False)
    return Done(flat, bad)


def _batches(params: ExtractParams, count: int) -> Iterator[np.ndarray]:
    side = max(params.box, params.final_box, params.ctf_box or 0)
    size = max(1, PIXELS_AT_ONCE // side**2)
    for first in range(0, count, size):
        yield np.arange(first, min(first + size, count))


def _without_bad_pixels(pixels: np.ndarray) -> tuple[np.ndarray, int, float]:
    """The micrograph with NaN and infinite pixels replaced by the mean of the others, their number, and the mean."""
    if pixels.dtype.kind != "f":
        return pixels, 0, float(pixels.mean(dtype=np.float64))
    with np.errstate(over="ignore", invalid="ignore"):
        total = float(pixels.sum())
    if np.isfinite(total):
        return pixels, 0, total / pixels.size
    is_bad = ~np.isfinite(pixels)
    mean = float(pixels[~is_bad].mean(dtype=np.float64)) if not is_bad.all() else 0.0
    return np.where(is_bad, np.float32(mean), pixels), int(is_bad.sum()), mean


def _cut_out(
    params: ExtractParams,
    work: Work,
    plan: Plan,
    pixels: np.ndarray,
    rows: np.ndarray,
    level: float,
) -> Iterable[Float32[np.ndarray, "y x"]]:
    """The windows of some particles less the level, with their CTF applied where that is asked for."""
    centres = work.centres[rows]
    is_level = pixels.dtype == np.float32  # whole numbers still have theirs
    rest = 0.0 if is_level else level
    if not (params.premultiply_ctf or params.phase_flip):
        if is_level:
            return views(pixels, centres, params.box)
        return windows(pixels, centres, params.box, level=rest)
    from compute.jobs.extract_ctf import with_ctf

    box = params.ctf_box or params.box
    fill = float(pixels.mean(dtype=np.float64)) if box > params.box else None
    images = with_ctf(params, work, plan, windows(pixels, centres, box, fill, rest), rows)
    return np.ascontiguousarray(cut(images, params.box))


def _grey_values(
    params: ExtractParams,
    work: Work,
    images: np.ndarray,
    rows: np.ndarray,
    around: Background | None,
    level: float,
) -> int:
    """Remove dust, normalise and invert, in place; returns how many images have no contrast."""
    factor = -1.0 if params.invert_contrast else 1.0
    if params.white_dust or params.black_dust:
        numbers = (int(work.first + row) for row in rows)
        sources = [generator(params.random_seed, "dust", number) for number in numbers]
        limits = (params.white_dust, params.black_dust)
        without_dust(images, params.background_radius, *limits, sources)
    if around is not None:
        return normalise(images, around, factor, level)
    images *= np.float32(factor)
    return 0


def stack_bytes(params: ExtractParams, count: int) -> int:
    """The size of a stack with so many images."""
    return 1024 + count * params.final_box**2 * (2 if params.float16 else 4)
