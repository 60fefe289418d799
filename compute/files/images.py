"""Particle images by row of a particle set: read in batches, ahead of time, or kept in memory."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Final

import numpy as np
from jaxtyping import Bool, Float32, Float64, Integer

from compute.files.errors import InputError
from compute.files.particle_set import ParticleSet
from compute.files.stacks import StackReader

_OPEN_FILES: Final = 64
_IMAGES_AT_ONCE: Final = 256
_SCANNED_AT_ONCE: Final = 64


@dataclass(frozen=True, slots=True)
class ImageStatistics:
    """Grey values of images (rows `indices` of a particle set); zeros where one is not finite.

    The background is what lies outside the particle's circle.
    """

    indices: Integer[np.ndarray, "image"]
    is_finite: Bool[np.ndarray, "image"]
    minimum: Float64[np.ndarray, "image"]
    maximum: Float64[np.ndarray, "image"]
    std: Float64[np.ndarray, "image"]
    background_mean: Float64[np.ndarray, "image"]
    background_std: Float64[np.ndarray, "image"]

    @property
    def is_constant(self) -> Bool[np.ndarray, "image"]:
        """Whether an image has the same value everywhere and so says nothing."""
        return self.is_finite & (self.std == 0)

    @property
    def is_normalised(self) -> Bool[np.ndarray, "image"]:
        """Whether the background has a mean near 0 (|mean| ≤ std/2) and a std of 0.5 to 2."""
        std = self.background_std
        return (
            self.is_finite & (np.abs(self.background_mean) <= std / 2) & (0.5 <= std) & (std <= 2)
        )


class ImageSource:
    """The images of a particle set; stacks stay open, or all images are in memory.

    Reading is safe from several threads.
    """

    def __init__(
        self,
        particles: ParticleSet,
        preload: bool,
        rows: Integer[np.ndarray, "image"] | None = None,
    ) -> None:
        """Take over a particle set; `preload` reads the images of `rows` (all, if None) at once."""
        self._particles = particles
        self._sizes = np.array([group.image_size for group in particles.optics])
        self._open: OrderedDict[Path, StackReader] = OrderedDict()
        self._lock = Lock()
        self._place = np.full(len(particles), -1)
        self._memory: dict[int, np.ndarray] = {}
        if preload:
            self._preload(np.arange(len(particles)) if rows is None else np.asarray(rows))

    @property
    def is_in_memory(self) -> bool:
        """Whether images were read at once, so that any order of them is as fast."""
        return bool(self._memory)

    def read(self, indices: Integer[np.ndarray, "image"]) -> Float32[np.ndarray, "image y x"]:
        """The images in these rows of the particle set, in this order; all must have one box.

        Raises InputError for images of several boxes, and where a stack is missing or ends early.
        """
        indices = np.asarray(indices)
        box = self._box(indices)
        place = self._place[indices]
        if len(place) and (place >= 0).all():
            return self._memory[box][place]
        return self._read_stacks(indices, box)

    def prefetch(self, blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """The images of each block of rows; one thread reads a block while the last is in use."""
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="images") as thread:
            pending = None
            for block in blocks:
                following = thread.submit(self.read, block)
                if pending is not None:
                    yield pending.result()
                pending = following
            if pending is not None:
                yield pending.result()

    def scan(
        self,
        indices: Integer[np.ndarray, "image"],
        background_radius: float | int,
        threads: int = 1,
    ) -> ImageStatistics:
        """Grey values of the images in these rows, which may have several boxes, found by so many threads.

        background_radius: radius of the particle's circle in pixels of an image; the corners
        outside the inscribed circle stand in where it is larger than that.
        """
        indices = np.asarray(indices)
        found = np.zeros((6, len(indices)))
        box_of = self._sizes[self._particles.optics_index[indices]]
        for box in np.unique(box_of):
            outside = _outside(int(box), float(background_radius))
            positions = np.flatnonzero(box_of == box)
            blocks = np.split(positions, range(_SCANNED_AT_ONCE, len(positions), _SCANNED_AT_ONCE))

            def enter(block: np.ndarray, outside: np.ndarray = outside) -> None:
                found[:, block] = _statistics(self.read(indices[block]), outside)

            with ThreadPoolExecutor(threads) as pool:
                for _ in pool.map(enter, blocks):
                    pass
        return ImageStatistics(indices, found[0] > 0, *found[1:])

    def close(self) -> None:
        """Close all stacks; images in memory can still be read."""
        with self._lock:
            while self._open:
                self._open.popitem()[1].close()

    def _box(self, indices: np.ndarray) -> int:
        sizes = np.unique(self._sizes[self._particles.optics_index[indices]])
        if len(sizes) > 1:
            raise InputError(
                f"Images of boxes {', '.join(map(str, sizes))} cannot be read together; "
                "read one optics group at a time."
            )
        return int(sizes[0]) if len(sizes) else int(self._sizes[0])

    def _preload(self, rows: np.ndarray) -> None:
        box_of = self._sizes[self._particles.optics_index[rows]]
        for box in np.unique(box_of):
            chosen = rows[box_of == box]
            images = np.empty((len(chosen), box, box), dtype=np.float32)
            order = self._file_order(chosen)
            for start in range(0, len(chosen), _IMAGES_AT_ONCE):
                block = order[start : start + _IMAGES_AT_ONCE]
                images[block] = self._read_stacks(chosen[block], int(box))
            self._memory[int(box)] = images
            self._place[chosen] = np.arange(len(chosen))
        self.close()

    def _file_order(self, indices: np.ndarray) -> np.ndarray:
        """Positions sorted by stack and by place in the stack."""
        particles = self._particles
        return np.lexsort((particles.slice_index[indices], particles.stack_index[indices]))

    def _read_stacks(self, indices: np.ndarray, box: int) -> np.ndarray:
        """The images of these rows from their stacks, each stack read once and front to back."""
        images = np.empty((len(indices), box, box), dtype=np.float32)
        order = self._file_order(indices)
        stack = self._particles.stack_index[indices][order]
        for chosen in np.split(order, np.flatnonzero(np.diff(stack)) + 1):
            if not len(chosen):
                continue
            path = self._particles.stacks[self._particles.stack_index[indices[chosen[0]]]]
            with self._lock:
                reader = self._reader(path)
                if reader.box != box:
                    raise InputError(f"{path} holds images of {reader.box} pixels, not of {box}.")
                images[chosen] = reader.read(self._particles.slice_index[indices[chosen]])
        return images

    def _reader(self, path: Path) -> StackReader:
        """The open reader of a stack; the one that was not used for longest makes room."""
        if path not in self._open:
            if len(self._open) >= _OPEN_FILES:
                self._open.popitem(last=False)[1].close()
            self._open[path] = StackReader(path)
        self._open.move_to_end(path)
        return self._open[path]


def _outside(box: int, radius: float) -> Bool[np.ndarray, "y x"]:
    """The pixels farther from the centre than the radius, but never fewer than the corners."""
    offset = np.arange(box) - box // 2
    return np.hypot(offset[:, None], offset) > min(radius, box / 2)


def _statistics(images: np.ndarray, outside: np.ndarray) -> np.ndarray:
    """Finite or not, minimum, maximum, std, background mean and std: one row for each.

    Squares are summed about the mean of each image, which costs no precision.
    """
    flat = images.reshape(len(images), -1)
    lowest, highest = flat.min(axis=1), flat.max(axis=1)
    is_finite = np.isfinite(lowest) & np.isfinite(highest)
    if not is_finite.all():
        flat = np.where(is_finite[:, None], flat, np.float32(0))
        lowest, highest = flat.min(axis=1), flat.max(axis=1)
    values = flat.astype(np.float64)
    mean = values.mean(axis=1)
    values -= mean[:, None]
    weights = np.stack([np.ones(outside.size), outside.ravel()], axis=1)
    weights /= weights.sum(axis=0)
    beyond = (values @ weights)[:, 1]
    square, background_square = (np.square(values, out=values) @ weights).T
    deviation = np.where(highest > lowest, np.sqrt(square), 0.0)
    spread = np.sqrt(np.maximum(background_square - beyond**2, 0.0))
    return np.stack([is_finite, lowest, highest, deviation, mean + beyond, spread])
