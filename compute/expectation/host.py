"""Both passes on the CPU: what `batch` defines, which other devices run.

Images are searched by compiled functions, many in one call, but those with too many significant poses to keep all their
slices, of which matrix products are made.
"""

from collections.abc import Iterable, Iterator

import numpy as np
from torch import Tensor

from compute.expectation import shared_pass
from compute.expectation.coarse import going_on
from compute.expectation.fine import HostResult
from compute.expectation.host_block import HostTables
from compute.expectation.host_results import Poses, empty_outcome, result
from compute.expectation.large_pass import LargePass
from compute.expectation.local_pass_cpu import local_poses
from compute.expectation.local_search_cpu import search_locally
from compute.expectation.meter import Meter
from compute.expectation.near_best_cpu import NearBest
from compute.expectation.prepare import Block
from compute.expectation.put_back_cpu import Target, nowhere
from compute.expectation.search import Search, SharedTables
from compute.expectation.second_pass_cpu import best_children, second_passes

# Slices of one image are kept up to this many bytes; more are made a few at a time, see `LargePass`.
SLICES_BYTES = 64_000_000
# What the images of one call put back into the volume takes at most so many bytes, or is that of one image.
RESULT_BYTES = 64_000_000


class Room:
    """What one block after another uses: tables as arrays, and where images are put back, which is at once if given."""

    def __init__(self, target: Target | None = None) -> None:
        self.target = nowhere() if target is None else target
        self._made: HostTables | None = None

    def tables(self, search: Search, tables: SharedTables, determined: Tensor) -> HostTables:
        """The tables of a search as arrays."""
        if self._made is None or self._made.tables is not tables:
            self._made = HostTables(search, tables, determined)
        return self._made


class HostSearch(LargePass):
    """The search of a block of images."""

    # ---- the first pass

    def first_pass(self) -> Poses:
        """The significant coarse poses of all images; none of an image without a finite score."""
        if self.search.is_local:
            return self._local_poses()
        near = self.near_best()
        grid = len(self.tables.coarse_rotations) * len(self._coarse_phases)
        self.work["pass 1 products"] += len(near.best) * grid * 2 * self.tables.coarse_count
        self.work["pass 1 poses"] += len(near.best) * grid
        return shared_pass.significant(near, self.search)

    def near_best(self) -> NearBest:
        """The scores at the shared grid that matter: see `shared_pass`."""
        return shared_pass.near_best(self._images, self.search, self.tables)

    def _local_poses(self) -> Poses:
        """Those around the centres of every image.

        Around a single centre the search begins with the `CORE_STEPS` next to it and goes on from there.
        """
        images = range(len(self.block.centres))
        if self.block.centres.shape[1] > 1 or self.search.is_correlation:
            return Poses.joined([self._of_all(image) for image in images])
        kept, starts, scored = local_poses(
            self._images, self._lattice, self._volume, self.search.adaptive_fraction
        )
        shifts = len(self._coarse_phases)
        self._count(self.search.first_pass, scored, scored * shifts, self.tables.coarse_count)
        return self._at_most(Poses(kept, starts))

    def _at_most(self, found: Poses) -> Poses:
        """Poses found around single centres, of no image more than are allowed: the best of all are taken then."""
        most = self.search.maximum_significant
        if not most or np.diff(found.starts).max() <= most:
            return found
        every = [
            self._of_all(image) if len(found.of(image)) > most else found.of(image)
            for image in range(len(found))
        ]
        return Poses.joined(every)

    def _of_all(self, image: int) -> np.ndarray:
        """The significant ones of all poses of the lattice around each of an image's centres."""
        points = np.arange(len(self.tables.coarse_rotations) * self.block.centres.shape[1])
        return going_on(self._coarse_scores(image, points).view(-1), self.search).numpy()

    # ---- both passes of one image after the other

    @property
    def is_one_by_one(self) -> bool:
        """Whether `one_by_one` finds what both passes do: it grows the neighbourhood of a single centre."""
        is_grown = self.search.is_local and self.block.centres.shape[1] == 1
        return is_grown and not self.search.is_correlation

    def one_by_one(self, target: Target, meter: Meter) -> tuple[HostResult, Poses]:
        """A local search of all images, which are put back.

        Those of many poses are left, and not found as far as this result goes: their poses are the second one.
        """
        images, rows = len(self.block.centres), self.search.orientation_children
        out = empty_outcome(self, images, images * self._most_rows, 0)
        significant, is_left = np.zeros(images, np.int64), np.zeros(images, np.bool_)
        most = self._most_rows // rows, self.search.maximum_significant or np.iinfo(np.int64).max
        others, scored, count, first_s, back_s = search_locally(
            self._images, self._lattice, self._shared, most, out, target, significant, is_left
        )
        meter.attribute(self.search.first_pass, first_s)
        meter.attribute("insertion", back_s)
        shifts = len(self._coarse_phases)
        self._count(self.search.first_pass, scored, scored * shifts, self.tables.coarse_count)
        left = np.where(is_left, significant, 0)
        significant -= left
        poses = int(significant.sum()) * rows * self.search.translation_children
        self._count("pass 2", int(out.figures[:, 6].sum()), poses, self.tables.count)
        found = result(self, slice(0, images), significant, out, count, False)
        return found, self._at_most(Poses(others, np.cumsum([0, *left])))

    @property
    def _most_rows(self) -> int:
        """So many slices of an image are kept."""
        return SLICES_BYTES // (8 * self.tables.count)

    def rows_of(self, poses: Poses) -> np.ndarray:
        """How many orientations the second pass looks at for every image."""
        orientation, starts = poses.kept // len(self.tables.coarse_shifts_A), poses.starts
        is_new = np.diff(orientation, prepend=-1) != 0
        is_new[starts[:-1][np.diff(starts) > 0]] = True
        before = np.concatenate([[0], np.cumsum(is_new)])
        return np.diff(before[starts]) * self.search.orientation_children

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

    def parts(self, poses: Poses, is_kept: bool) -> Iterator[slice]:
        """Consecutive images that are searched together; those of many poses by themselves.

        Where results are kept, those of a part fit into memory together.
        """
        most = max(1, RESULT_BYTES // (8 * self.tables.accumulation_count))
        start, held = 0, 0
        for image, rows in enumerate(self.rows_of(poses).tolist()):
            is_alone = rows > self._most_rows
            if image > start and (is_alone or (is_kept and held + rows > most)):
                yield slice(start, image)
                start, held = image, 0
            held += rows
            if is_alone:
                yield slice(image, image + 1)
                start, held = image + 1, 0
        if start < len(poses):
            yield slice(start, len(poses))

    def second_pass(self, part: slice, poses: Poses, target: Target, meter: Meter) -> HostResult:
        """The posterior over the children of the significant poses and what follows from it: see `batch`.

        Images are put back at once where a target is given, but for those with too many slices.
        """
        rows, significant = self.rows_of(poses)[part], np.diff(poses.starts)[part]
        is_large = len(rows) == 1 and int(rows[0]) > self._most_rows
        if is_large:
            out, count = self.large_second_pass(part.start, poses.of(part.start))
        else:
            total = int(rows.sum())
            out = empty_outcome(self, len(rows), total, 0 if target.is_given else total)
            count, spent_s = second_passes(
                poses.kept, poses.starts, part.start, self._images, self._shared, out, target
            )
            meter.attribute("insertion", spent_s)
        children = self.search.orientation_children * self.search.translation_children
        sliced = int(out.figures[:, 6].sum())
        self._count("pass 2", sliced, int(significant.sum()) * children, self.tables.count)
        return result(self, part, significant, out, count, is_large or not target.is_given)


def search_images(
    block: Block,
    search: Search,
    tables: SharedTables,
    determined: Tensor,
    meter: Meter,
    room: Room | None = None,
) -> Iterator[HostResult]:
    """What is found for the images of a block, a few at a time.

    Images are put back at once where the room has a target, but for those of many poses.
    """
    with meter.measure(search.first_pass):
        room = room or Room()
        made = room.tables(search, tables, determined)
        host = HostSearch(block, search, tables, determined, made)
    if room.target.is_given and host.is_one_by_one:
        with meter.measure("pass 2"):
            found, poses = host.one_by_one(room.target, meter)
        yield found
        parts: Iterable[slice] = (
            slice(i, i + 1) for i in np.flatnonzero(np.diff(poses.starts)).tolist()
        )
    else:
        with meter.measure(search.first_pass):
            poses = host.first_pass()
        parts = host.parts(poses, not room.target.is_given)
    for part in parts:
        with meter.measure("pass 2"):
            found = host.second_pass(part, poses, room.target, meter)
        yield found
    for work, number in host.work.items():
        meter.count(work, number)
