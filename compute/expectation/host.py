"""Both passes on the CPU: what `batch` defines, which other devices run.

Images with few significant poses are searched by compiled functions, many in one call; where there are many poses,
matrix products are faster.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from compute.expectation.coarse import going_on, shared_scores
from compute.expectation.fine import HostResult
from compute.expectation.host_block import HostTables
from compute.expectation.large_pass import LargePass
from compute.expectation.local_pass_cpu import local_poses
from compute.expectation.meter import Meter
from compute.expectation.prepare import Block
from compute.expectation.search import Search, SharedTables
from compute.expectation.second_pass_cpu import Outcome, best_children, second_passes

# Up to so many multiplications per image, products of single poses are faster than a matrix product of all pairs.
SMALL_PRODUCTS = 20_000_000
# What the images of one call put back into the volume takes at most so many bytes, or is that of one image.
RESULT_BYTES = 64_000_000


class Poses:
    """Significant coarse poses of the images of a block, ascending: those of image i are `of(i)`."""

    def __init__(self, kept: np.ndarray, starts: np.ndarray) -> None:
        self.kept, self.starts = kept, starts

    @classmethod
    def joined(cls, parts: list[np.ndarray]) -> "Poses":
        """The poses of one image after another."""
        starts = np.cumsum([0, *map(len, parts)])
        return cls(np.concatenate(parts), starts)

    def of(self, image: int) -> np.ndarray:
        """The poses of an image."""
        return self.kept[self.starts[image] : self.starts[image + 1]]

    def __len__(self) -> int:
        return len(self.starts) - 1


class Room:
    """What one block after another uses again: tables as arrays, and memory for what images put back into the volume.

    New memory has to be cleared. It is taken at once for as much as the images of one call may need, but only what is
    used is really given.
    """

    def __init__(self, size_bytes: int = RESULT_BYTES) -> None:
        self._numbers = np.empty(size_bytes // 4, np.float32)
        self._made: HostTables | None = None

    def tables(self, search: Search, tables: SharedTables, determined: Tensor) -> HostTables:
        """The tables of a search as arrays."""
        if self._made is None or self._made.tables is not tables:
            self._made = HostTables(search, tables, determined)
        return self._made

    def values(self, rows: int, pixels: int) -> np.ndarray:
        """Room for real and imaginary parts of so many slices; what was handed out before is overwritten."""
        size = 2 * rows * pixels
        if len(self._numbers) < size:
            self._numbers = np.empty(size, np.float32)
        return self._numbers[:size].reshape(rows, 2, pixels)


class HostSearch(LargePass):
    """The search of a block of images."""

    # ---- the first pass

    def first_pass(self) -> Poses:
        """The significant coarse poses of all images; none of an image without a finite score."""
        if self.search.is_local:
            return self._local_poses()
        scores = shared_scores(self.block.images, self.block.base_A, self.search, self.tables)
        self.work["pass 1 products"] += scores.numel() * 2 * self.tables.coarse_count
        self.work["pass 1 poses"] += scores.numel()
        return Poses.joined([going_on(one.reshape(-1), self.search).numpy() for one in scores])

    def _local_poses(self) -> Poses:
        """Those around the centres of every image.

        Around a single centre the search begins with the `CORE_STEPS` next to it and goes on from there.
        """
        images, most = range(len(self.block.centres)), self.search.maximum_significant
        if self.block.centres.shape[1] > 1 or self.search.is_correlation:
            return Poses.joined([self._of_all(image) for image in images])
        kept, starts, scored = local_poses(
            self._images, self._lattice, self._volume, self.search.adaptive_fraction
        )
        found = Poses(kept, starts)
        shifts = len(self._coarse_phases)
        self._count(self.search.first_pass, scored, scored * shifts, self.tables.coarse_count)
        if most and np.diff(starts).max() > most:
            every = [
                self._of_all(image) if len(found.of(image)) > most else found.of(image)
                for image in images
            ]
            return Poses.joined(every)
        return found

    def _of_all(self, image: int) -> np.ndarray:
        """The significant ones of all poses of the lattice around each of an image's centres."""
        points = np.arange(len(self.tables.coarse_rotations) * self.block.centres.shape[1])
        return going_on(self._coarse_scores(image, points).view(-1), self.search).numpy()

    # ---- the best pose

    def best_children(
        self, poses: Poses
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Of every image the best child of its coarse poses, and the best score where it is now.

        Returns score, row, rotation, fine shift, and that other score, -inf and nothing for images without poses.
        """
        count = len(poses)
        found, scores = np.zeros((count, 2), np.int64), np.full((count, 2), -np.inf, np.float32)
        rotations = best_children(
            poses.kept, poses.starts, self._images, self._shared, found, scores
        )
        return scores[:, 0], found[:, 0], rotations, found[:, 1], scores[:, 1]

    # ---- the second pass

    def parts(self, poses: Poses) -> Iterator[slice]:
        """Consecutive images whose results fit into memory together; those of many poses by themselves."""
        most = max(1, RESULT_BYTES // (8 * self.tables.accumulation_count))
        start, held = 0, 0
        for image in range(len(poses)):
            rows = len(poses.of(image)) * self.search.orientation_children
            is_alone = self._is_large(rows)
            if image > start and (is_alone or held + rows > most):
                yield slice(start, image)
                start, held = image, 0
            held += most + 1 if is_alone else rows
        if start < len(poses):
            yield slice(start, len(poses))

    def _is_large(self, rows: int) -> bool:
        """Whether matrix products are faster for so many orientations, or their slices are not to be kept."""
        products = rows * self.search.translation_children * 2 * self.tables.count
        return products > SMALL_PRODUCTS or rows > self.rows_at_once()

    def second_pass(self, part: slice, poses: Poses, room: Room) -> HostResult:
        """The posterior over the children of the significant poses and what follows from it: see `batch`."""
        significant = np.diff(poses.starts[part.start : part.stop + 1])
        rows = significant * self.search.orientation_children
        if len(rows) == 1 and self._is_large(int(rows[0])):
            out, count = self.large_second_pass(part.start, poses.of(part.start))
        else:
            out = self._outcome(part.stop - part.start, int(rows.sum()), room)
            count = second_passes(
                poses.kept, poses.starts, part.start, self._images, self._shared, out
            )
        sliced = int(out.figures[:, 6].sum())
        self._count(
            "pass 2", sliced, int(rows.sum()) * self.search.translation_children, self.tables.count
        )
        return self._result(part, significant, out, count)

    def _outcome(self, images: int, rows: int, room: Room) -> Outcome:
        """Where the results of some images with so many orientations at most go."""
        m, shells = self.tables.accumulation_count, self._shared.shells
        return Outcome(
            figures=np.zeros((images, 7)),
            power=np.zeros((images, shells)),
            rotation=np.empty((images, 3, 3), np.float32),
            offset_A=np.empty((images, 2)),
            image=np.empty(rows, np.int64),
            rows=np.empty(rows, np.int64),
            rotations=np.empty((rows, 3, 3), np.float32),
            values=room.values(rows, m),
            share=np.empty(rows, np.float32),
        )

    def _result(self, part: slice, significant: np.ndarray, out: Outcome, count: int) -> HostResult:
        """The result of some images as it lies in the first `count` orientations of its room."""
        is_found = significant > 0
        for missing in np.flatnonzero(~is_found):
            out.rotation[missing] = self._images.centres[part.start + missing, 0]
            out.offset_A[missing] = self._images.base_A[part.start + missing]
        figures, m = torch.from_numpy(out.figures), self.tables.accumulation_count
        factor = torch.from_numpy(self._images.factor[part])
        largest, evidence, total, cross, strength, square, _ = figures.unbind(1)
        return HostResult(
            images=part,
            is_found=torch.from_numpy(is_found),
            rotation=torch.from_numpy(out.rotation),
            offset_A=torch.from_numpy(out.offset_A),
            maximum_probability=largest,
            significant_samples=torch.from_numpy(significant),
            log_evidence=evidence,
            weight=total,
            residual_power=torch.from_numpy(out.power.sum(1)),
            cross=cross,
            model_power=strength,
            offset_square_A2=square,
            noise_residual=torch.from_numpy(out.power.sum(0)),
            image=torch.from_numpy(out.image[:count]),
            rows=torch.from_numpy(out.rows[:count]),
            rotations=torch.from_numpy(out.rotations[:count]),
            values=torch.from_numpy(out.values[:count]),
            share=torch.from_numpy(out.share[:count]),
            insertion_weight=self.block.images.forward[part, :m] * factor,
        )


def search_images(
    block: Block,
    search: Search,
    tables: SharedTables,
    determined: Tensor,
    meter: Meter,
    room: Room | None = None,
) -> Iterator[HostResult]:
    """What is found for the images of a block, as many at a time as there is room for.

    Where a room is given, a result stands until the next one is asked for.
    """
    with meter.measure(search.first_pass):
        is_kept, room = room is None, room or Room(0)
        made = room.tables(search, tables, determined)
        host = HostSearch(block, search, tables, determined, made)
        poses = host.first_pass()
    for part in host.parts(poses):
        with meter.measure("pass 2"):
            found = host.second_pass(part, poses, Room(0) if is_kept else room)
        yield found
    for work, number in host.work.items():
        meter.count(work, number)
