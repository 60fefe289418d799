"""The expectation step of one worker: both passes over blocks of images, and what they add to the half's sums."""

import socket
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import torch
from torch import Tensor

from compute.expectation import step
from compute.expectation.fine import ImageResult
from compute.expectation.search import Search, SharedTables, shared_tables
from compute.files.errors import InputError
from compute.jobs.devices import release_unused
from compute.jobs.half_images import HalfImages
from compute.jobs.half_records import SearchOrder, ShardResults, enter
from compute.projection.reference import Projector
from compute.projection.slices import Accumulator

IMAGES_PER_BLOCK = 16
# Shells with a signal-to-noise ratio above this fix the scale of a group (algorithm specification §6.4).
DETERMINED_SSNR = 3.0

Blocks = Iterable[tuple[int, np.ndarray]]
"""Optics group and positions in the half of a few images at a time; all of a group follow one another."""


@dataclass(frozen=True, slots=True)
class Searched:
    """A block of images with their results, and the constant part of each image's log-likelihood."""

    block: np.ndarray
    results: Iterable[ImageResult | None]
    constants: np.ndarray


class Workers:
    """The threads of a worker, which compute blocks at once and return them in order.

    largest_block: how many images at a time the worker's device has turned out to have room for.
    """

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self.largest_block = IMAGES_PER_BLOCK
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None

    @property
    def are_several(self) -> bool:
        """Whether blocks are computed ahead of the one that is looked at."""
        return self._pool is not None

    def in_order(
        self, function: Callable[[np.ndarray], Any], blocks: Iterable[np.ndarray]
    ) -> Iterator[Any]:
        """Results of a function over the blocks in their order."""
        if self._pool is None:
            yield from map(function, blocks)
            return
        waiting: list[Future[Any]] = []
        for block in blocks:
            waiting.append(self._pool.submit(function, block))
            if len(waiting) > 2 * self.threads:
                yield waiting.pop(0).result()
        for one in waiting:
            yield one.result()


class Expectation:
    """One expectation step: what it searches, with what, and where its results go.

    ssnr: signal-to-noise ratio per shell of the last iteration, which tells what fixes the groups' scale. results
    must have a row for every image that will be searched.
    """

    def __init__(
        self,
        images: HalfImages,
        order: SearchOrder,
        search: Search,
        projector: Projector,
        accumulator: Accumulator,
        ssnr: np.ndarray | None,
        results: ShardResults,
    ) -> None:
        self._images, self._order, self._search = images, order, search
        self._projector, self._accumulator = projector, accumulator
        self._ssnr, self._results = ssnr, results

    def run(self, blocks: Blocks, workers: Workers, report: Callable[[int], None]) -> None:
        """Search the images of all blocks; report hears of every block that is done."""
        for index, group in groupby(blocks, key=lambda block: block[0]):
            self._search_group(index, (block for _, block in group), workers, report)

    def images_per_block(self) -> int:
        """How many images the blocks should have."""
        largest = max(
            imaging.pixels.count(self._search.accumulation_size)
            for imaging in self._images.imagings
        )
        return step.images_per_block(self._search, IMAGES_PER_BLOCK, largest)

    def _search_group(
        self,
        index: int,
        blocks: Iterable[np.ndarray],
        workers: Workers,
        report: Callable[[int], None],
    ) -> None:
        """Both passes over images of one optics group, and their sums."""
        images, search = self._images, self._search
        pixels = images.imagings[index].pixels
        tables = shared_tables(search, self._projector, pixels, images.noise(index))
        determined = self._well_determined(pixels.shell)
        normaliser = images.log_normaliser(index)
        shared = step.shared_sums(tables)

        is_lazy = pixels.shell.device.type == "cpu" and not workers.are_several

        def search_block(block: np.ndarray) -> Searched:
            prepared = images.prepared(block, index, self._order.iteration)
            found = step.search_images(prepared, search, tables, determined)
            power = prepared.images.masked.abs().square()[:, 1:] * tables.insertion_weight[1:]
            constants = 0.5 * power.double().sum(1).cpu().numpy() + normaliser
            return Searched(block, found if is_lazy else list(found), constants)

        def search_all(block: np.ndarray) -> list[Searched]:
            return self._within_memory(search_block, block, workers)

        for pieces in workers.in_order(search_all, blocks):
            for piece in pieces:
                self._put_back(piece, index, tables, shared)
            report(sum(len(piece.block) for piece in pieces))
        step.finish(shared, tables, self._accumulator)

    def _within_memory(
        self, search_block: Callable[[np.ndarray], Searched], block: np.ndarray, workers: Workers
    ) -> list[Searched]:
        """The block's results in pieces that the device has room for; where it has none, half as many from then on.

        Raises InputError where not even one image finds room.
        """
        found: list[Searched] = []
        rest = block
        while len(rest):
            piece = rest[: workers.largest_block]
            try:
                found.append(search_block(piece))
            except torch.OutOfMemoryError:
                has_room = False
            else:
                rest, has_room = rest[len(piece) :], True
            if not has_room:
                self._take_less(len(piece), workers)
        return found

    def _take_less(self, images: int, workers: Workers) -> None:
        """Halve the largest block after one of so many images found no room, and note it."""
        device = self._images.device
        name = f"{device} on {socket.gethostname()}"
        if images == 1:
            raise InputError(
                f"the memory of {name} does not hold the search of a single image: continue from the last iteration "
                "with fewer processes per GPU, with --padding 1, or without --gpu on the CPU"
            )
        release_unused(device)
        if workers.largest_block == IMAGES_PER_BLOCK:
            self._results.notes.append(
                f"The memory of {name} ran out with {images} images at a time; fewer are searched at once from now on."
            )
        workers.largest_block = images // 2

    def _put_back(
        self,
        piece: Searched,
        index: int,
        tables: SharedTables,
        shared: step.SharedSums | None,
    ) -> None:
        """Add the images of an optics group to the sums, and enter their results."""
        scales = self._images.scale(piece.block).tolist()
        for position, one, scale, constant in zip(
            piece.block.tolist(), piece.results, scales, piece.constants.tolist(), strict=True
        ):
            if one is not None:
                step.accumulate([one], tables, self._accumulator, shared)
                enter(self._results, position, one, index, scale, constant, self._search)

    def _well_determined(self, shell: Tensor) -> Tensor:
        """1 at the pixels whose shells have a clear signal, else 0."""
        if self._ssnr is None:
            return torch.zeros(len(shell), device=shell.device)
        is_clear = torch.from_numpy(self._ssnr > DETERMINED_SSNR).float().to(shell.device)
        determined = is_clear[shell]
        determined[0] = 0.0
        return determined
