"""A worker's threads and its device's memory: blocks of images computed in order, as large as there is room for."""

import socket
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import torch

from compute.expectation import batch, step
from compute.files.errors import InputError
from compute.jobs.devices import release_unused

Result = TypeVar("Result")


class Workers:
    """Computes blocks of images, several at once where there are threads, and returns them in order.

    A block for which the device has no memory is computed in halves, as are all later ones; notes says so once. Before
    that, make_room is called, once: it gives memory of the device back that the search can do without.
    """

    def __init__(self, threads: int, device: torch.device) -> None:
        self.threads = threads if device.type == "cpu" else 1
        self.notes: list[str] = []
        self.make_room: Callable[[], None] | None = None
        self._device = device
        self._most = step.IMAGES_PER_BLOCK
        if device.type != "cpu":
            self._most = batch.IMAGES * batch.scale_of(device)
        self._largest = self._most
        self._pool = ThreadPoolExecutor(self.threads) if self.threads > 1 else None

    @property
    def is_lazy(self) -> bool:
        """Whether a result may still be computed while it is looked at: there is one thread, and no other device."""
        return self._pool is None and self._device.type == "cpu"

    def in_order(
        self, function: Callable[[np.ndarray], Result], blocks: Iterable[np.ndarray]
    ) -> Iterator[Result]:
        """Results of a function over the blocks, or their parts, in their order."""
        if self._pool is None:
            for block in blocks:
                yield from self._in_parts(function, block)
            return
        waiting: list[Future[list[Result]]] = []
        for block in blocks:
            waiting.append(self._pool.submit(self._in_parts, function, block))
            if len(waiting) > 2 * self.threads:
                yield from waiting.pop(0).result()
        for one in waiting:
            yield from one.result()

    def _in_parts(
        self, function: Callable[[np.ndarray], Result], block: np.ndarray
    ) -> list[Result]:
        """Results over parts of the block that the device has room for, which is nearly always the whole block."""
        found: list[Result] = []
        while len(block):
            part = block[: self._largest]
            try:
                found.append(function(part))
            except torch.OutOfMemoryError:
                is_done = False
            else:
                is_done = True
            if is_done:
                block = block[len(part) :]
            else:
                self._take_less(len(part))
        return found

    def _take_less(self, images: int) -> None:
        """Halve the largest block after one of so many images found no room.

        Raises InputError where not even one image does.
        """
        place = f"{self._device} on {socket.gethostname()}"
        if images == 1 and self.make_room is None:
            raise InputError(
                f"the memory of {place} does not hold the search of a single image: continue from the last iteration "
                "with fewer processes per GPU, with --padding 1, or without --gpu on the CPU"
            )
        if self.make_room is not None:
            self.make_room()
            self.make_room = None
            release_unused(self._device)
            return
        release_unused(self._device)
        if self._largest == self._most:
            self.notes.append(
                f"The memory of {place} ran out with {images} images at a time; fewer are searched at once from now on."
            )
        self._largest = images // 2
