"""What answers with slices have in common: where the slices lie, and their grey values."""

from typing import Any

import numpy as np
from torch import Tensor

from compute.params.preview import Axis, SliceChoice
from compute.signal.slices import grey

Answer = tuple[dict[str, Any], dict[str, np.ndarray]]


def facts(choice: SliceChoice, box: int, pixel_size_A: float) -> dict[str, Any]:
    """What every answer with slices says."""
    return {
        "box": box,
        "pixel_size_A": pixel_size_A,
        "index": {axis: choice.index(axis, box) for axis in choice.axes},
    }


def in_grey(planes: dict[Axis, Tensor], low: float, high: float) -> dict[str, np.ndarray]:
    """Planes as grey values between two densities."""
    return {axis: grey(plane, low, high).numpy() for axis, plane in planes.items()}
