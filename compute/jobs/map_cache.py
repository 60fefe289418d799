"""Maps and what was made of them, kept in memory up to a bound and forgotten when their file changes."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from jaxtyping import Complex, Float32
from torch import Tensor

from compute.files.errors import InputError, missing
from compute.files.mrc import read_map

Made = TypeVar("Made")


class MapCache:
    """Things made from files, by what they are and by the files' path, time and size.

    The least recently used go first when all together take more than `limit_bytes`. What alone takes
    more than that is made anew each time.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._kept: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self.held_bytes = 0

    def get(self, what: Hashable, paths: tuple[str, ...], make: Callable[[], Made]) -> Made:
        """What `make` gives, from memory where the files are as they were. InputError for a missing file."""
        key = (what, tuple(_state(path) for path in paths))
        if key in self._kept:
            self._kept.move_to_end(key)
            found: Made = self._kept[key][0]
            return found
        made = make()
        size = _bytes_of(made)
        if size <= self._limit:
            self._kept[key] = (made, size)
            self.held_bytes += size
            while self.held_bytes > self._limit:
                self.held_bytes -= self._kept.popitem(last=False)[1][1]
        return made

    def volume(self, path: str) -> tuple[Float32[Tensor, "z y x"], float]:
        """A map and its pixel size (0 where unknown). InputError unless it is a cube of finite numbers."""
        return self.get("volume", (path,), lambda: _read(path))

    def transform(self, path: str) -> Complex[Tensor, "z y xhalf"]:
        """The transform of a map, zero frequency its sum."""
        return self.get("transform", (path,), lambda: torch.fft.rfftn(self.volume(path)[0]))


def _read(path: str) -> tuple[Float32[Tensor, "z y x"], float]:
    found = read_map(path)
    if len(set(found.volume.shape)) != 1:
        raise InputError(f"{path} has shape {found.volume.shape}: only cubic maps can be shown")
    if not np.isfinite(found.volume).all():
        raise InputError(f"{path} has values that are not numbers")
    return torch.from_numpy(found.volume), found.pixel_size_A


def _state(path: str) -> tuple[str, int, int]:
    """What tells whether a file is the one that it was: its real path, time and size."""
    try:
        real = Path(path).resolve(strict=True)
        status = real.stat()
    except OSError:
        raise missing(path) from None
    return str(real), status.st_mtime_ns, status.st_size


def _bytes_of(made: Any) -> int:
    """The memory that tensors and arrays take, alone or in a tuple; 1 kB for anything else."""
    if isinstance(made, tuple):
        return sum(_bytes_of(one) for one in made)
    if isinstance(made, Tensor):
        return made.numel() * made.element_size()
    return made.nbytes if isinstance(made, np.ndarray) else 1024
