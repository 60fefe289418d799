"""The expectation step of one worker: both passes over blocks of images, and what they add to the half's sums."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import torch
from torch import Tensor

from compute.expectation import batch, step
from compute.expectation.batch import BatchResult
from compute.expectation.fine import Found, HeldResult, HostResult
from compute.expectation.search import Search, SharedTables, shared_tables
from compute.jobs.half_images import HalfImages
from compute.jobs.half_records import SearchOrder, ShardResults, enter, enter_directions
from compute.jobs.workers import Workers
from compute.projection.reference import AnyProjector
from compute.projection.slices import Accumulator

# Shells with a signal-to-noise ratio above this fix the scale of a group (algorithm specification §6.4).
DETERMINED_SSNR = 3.0

Blocks = Iterable[tuple[int, np.ndarray]]
"""Optics group and positions in the half of a few images at a time; all of a group follow one another."""


@dataclass(frozen=True, slots=True)
class Searched:
    """A block of images with their results, and the constant part of each image's log-likelihood."""

    block: np.ndarray
    results: Iterable[HostResult]
    constants: np.ndarray


@dataclass(frozen=True, slots=True)
class SearchedTogether:
    """The same where a device has searched many images at once."""

    block: np.ndarray
    results: list[BatchResult]
    constants: np.ndarray


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
        projector: AnyProjector,
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
        self._results.notes += workers.notes
        workers.notes.clear()

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
        with images.stopwatch.measure(search.first_pass):
            tables = shared_tables(search, self._projector, pixels, images.noise(index))
        determined = self._well_determined(pixels.shell)
        normaliser = images.log_normaliser(index)
        room = step.room_for(tables, self._accumulator) if workers.is_lazy else None

        def search_block(block: np.ndarray) -> Searched | SearchedTogether:
            with images.stopwatch.measure("preparation"):
                prepared = images.prepared(block, index, self._order.iteration)
            masked = prepared.images.masked[:, 1:]
            power = (masked.real.square() + masked.imag.square()) * tables.insertion_weight[1:]
            constants = 0.5 * power.double().sum(1).cpu().numpy() + normaliser
            given = (prepared, search, tables, determined, images.stopwatch)
            if images.device.type != "cpu":
                return SearchedTogether(block, list(batch.search_block(*given)), constants)
            if room is not None:
                return Searched(block, step.search_images(*given, room), constants)
            return Searched(block, list(step.search_images(*given)), constants)

        for piece in workers.in_order(search_block, images.ahead(blocks)):
            if isinstance(piece, SearchedTogether):
                self._put_back_together(piece, index, tables)
            else:
                self._put_back(piece, index, tables)
            report(len(piece.block))

    def _put_back(self, piece: Searched, index: int, tables: SharedTables) -> None:
        """Add what is held of images of an optics group to the sums, and enter their results."""
        stopwatch = self._images.stopwatch
        for one in piece.results:
            if isinstance(one, HeldResult):
                with stopwatch.measure("insertion"):
                    step.accumulate(one, tables, self._accumulator)
            stopwatch.count("inserted samples", len(one.rows) * tables.accumulation_count)
            self._enter(piece, one, index)
            enter_directions(self._results, one.rows, one.share, self._search)

    def _put_back_together(self, piece: SearchedTogether, index: int, tables: SharedTables) -> None:
        """The same for images that were searched together."""
        stopwatch = self._images.stopwatch
        for one in piece.results:
            with stopwatch.measure("insertion"):
                batch.put_back(one, tables, self._accumulator)
            stopwatch.count("inserted samples", len(one.pairs.rows) * tables.accumulation_count)
            self._enter(piece, one, index)
            enter_directions(self._results, one.pairs.rows, one.weights.sum(1), self._search)

    def _enter(self, piece: Searched | SearchedTogether, one: Found, index: int) -> None:
        """Enter the numbers of some images of a block."""
        block = piece.block[one.images]
        scales = self._images.scale(block).cpu().numpy()
        enter(self._results, one, index, block, scales, piece.constants[one.images], self._search)

    def _well_determined(self, shell: Tensor) -> Tensor:
        """1 at the pixels whose shells have a clear signal, else 0."""
        if self._ssnr is None:
            return torch.zeros(len(shell), device=shell.device)
        is_clear = torch.from_numpy(self._ssnr > DETERMINED_SSNR).float().to(shell.device)
        determined = is_clear[shell]
        determined[0] = 0.0
        return determined
