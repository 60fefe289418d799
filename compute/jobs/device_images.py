"""Images on a worker's device: read ahead of their use, and kept there where all of them fit."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from compute.jobs import devices

# Images stay on their device if they take no more than this share of what is free there.
KEPT_SHARE = 0.25


class DeviceImages:
    """Hands out blocks of images on a device, by their positions in the half.

    read: the images of some positions; box_of: their box, which all images of a block share. `keep` tells how many
    images there are of each box: where all of them fit into `KEPT_SHARE` of the device's free memory, each is sent
    there once. Otherwise a block is read into pinned memory and sent while the one before it is searched.
    """

    def __init__(
        self,
        read: Callable[[np.ndarray], np.ndarray],
        box_of: Callable[[np.ndarray], int],
        device: torch.device,
    ) -> None:
        self._read, self._box_of, self.device = read, box_of, device
        self._kept: dict[int, Tensor] = {}
        self._place: np.ndarray = np.empty(0, np.int64)
        self._is_there: np.ndarray = np.empty(0, bool)
        self._pending: dict[tuple[int, int], Future[Tensor]] = {}
        self._reader: ThreadPoolExecutor | None = None
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None

    @property
    def is_kept(self) -> bool:
        """Whether images stay on the device."""
        return len(self._place) > 0

    def keep(self, positions: np.ndarray, boxes: np.ndarray) -> None:
        """Make room for these positions, which all images asked for later are among, if there is enough.

        What was kept before is forgotten.
        """
        self.let_go()
        needed = 4.0 * float(np.square(boxes.astype(np.float64)).sum())
        if self.device.type == "cpu" or not needed:
            return
        if needed > KEPT_SHARE * devices.room_bytes(self.device):
            return
        self._place = np.full(int(positions.max()) + 1, -1)
        self._is_there = np.zeros(len(self._place), bool)
        for box in np.unique(boxes):
            own = positions[boxes == box]
            self._place[own] = np.arange(len(own))
            self._kept[int(box)] = torch.empty(len(own), box, box, device=self.device)

    def let_go(self) -> None:
        """Give the room back: the device needs it for the search."""
        self._kept.clear()
        self._place, self._is_there = np.empty(0, np.int64), np.empty(0, bool)

    def ahead(self, blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """The same blocks; each is read while the one before it is searched, unless it is on the device already."""
        if self.device.type == "cpu":
            yield from blocks
            return
        if self._reader is None:
            self._reader = ThreadPoolExecutor(1, thread_name_prefix="images")
        before: np.ndarray | None = None
        for block in blocks:
            if not self._has(block):
                self._pending[_key(block)] = self._reader.submit(self._sent, block)
            if before is not None:
                yield before
            before = block
        if before is not None:
            yield before

    def take(self, block: np.ndarray) -> Tensor:
        """The images of a block, [image, y, x] on the device."""
        if self._has(block):
            kept = self._kept[self._box_of(block)]
            return kept[torch.from_numpy(self._place[block]).to(self.device)]
        waiting = self._pending.pop(_key(block), None)
        images = waiting.result() if waiting is not None else self._sent(block)
        if self._stream is not None:
            torch.cuda.current_stream(self.device).wait_stream(self._stream)
            images.record_stream(torch.cuda.current_stream(self.device))
        if self.is_kept:
            place = torch.from_numpy(self._place[block]).to(self.device)
            self._kept[self._box_of(block)][place] = images
            self._is_there[block] = True
        return images

    def _has(self, block: np.ndarray) -> bool:
        return self.is_kept and bool(self._is_there[block].all())

    def _sent(self, block: np.ndarray) -> Tensor:
        """Images on their way to the device."""
        images = torch.from_numpy(self._read(block))
        if self._stream is None:
            return images.to(self.device)
        with torch.cuda.stream(self._stream):
            return images.pin_memory().to(self.device, non_blocking=True)


def _key(block: np.ndarray) -> tuple[int, int]:
    return int(block[0]), len(block)
