"""A block of a STAR file in memory."""

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True, slots=True)
class Table:
    """One block of a STAR file: columns by label (as in the file, without underscore).

    Texts and vectors are arrays of `str`, numbers int64, bool or float64. A list block is a table
    of one row with `is_list` set. `version` is the number in the comment before the block.
    """

    name: str
    columns: dict[str, np.ndarray] = field(default_factory=dict)
    is_list: bool = False
    version: int | None = None

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))
