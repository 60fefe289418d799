"""A classification as its files tell it: what each class holds, how well it is known, and how it looks."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from compute.files.errors import InputError
from compute.files.labels import star_label
from compute.files.mrc import read_layout, read_map
from compute.files.optics import find_file
from compute.files.own_tables import UNKNOWN
from compute.files.particle_tables import particle_tables
from compute.files.star import read_star
from compute.files.table import Table

CLASS = star_label("class_number")
LARGEST_SLICE = 128
"""Edge of the slices, in pixels; larger maps are shown with every second, third … voxel."""
PERCENTILES = (0.5, 99.8)
FIGURES = {
    "distribution": "class_distribution",
    "resolution_A": "estimated_resolution_A",
    "accuracy_angles_deg": "accuracy_rotations_deg",
    "accuracy_offsets_A": "accuracy_translations_A",
    "fourier_completeness": "overall_fourier_completeness",
}


DATA, MODEL = "_data.star", "_model.star"


def read_classification(
    path: Path, may_read: Callable[[Path], bool] = lambda path: True
) -> dict[str, Any]:
    """The overview of a classification, from its `_data.star` or `_model.star`, without maps that may not be read.

    Raises InputError for another file, for one whose partner is missing, and where there are no classes.
    """
    ending = next((one for one in (DATA, MODEL) if path.name.endswith(one)), None)
    if ending is None:
        raise InputError(f"{path.name} is no classification: pick its _data.star or _model.star")
    data = path.with_name(path.name.removesuffix(ending) + DATA)
    if not data.exists():
        raise InputError(f"{path.name} has no {data.name} beside it, which holds the particles")
    _, table = particle_tables(data, needs_images=False)
    overview = class_overview(data, table, may_read=may_read)
    if overview is None:
        raise InputError(f"{data.name} has no classes ({CLASS}) and no {MODEL} beside it")
    return overview


def model_path(data: Path) -> Path | None:
    """The `_model.star` that belongs to a `_data.star`; None where there is none."""
    if not data.name.endswith("_data.star"):
        return None
    path = data.with_name(data.name.removesuffix("_data.star") + "_model.star")
    return path if path.exists() else None


def class_overview(
    path: Path,
    table: Table,
    selected: tuple[int, ...] = (),
    may_read: Callable[[Path], bool] = lambda path: True,
) -> dict[str, Any] | None:
    """The classes of a particle set for a page to show; None where there is one class and no model.

    For each class: number, particles, fraction, whether it is selected, the figures of the model file (None where it
    does not know them), and slices through the middle of its map along x, y and z (of a 2D class, its image) as rows
    of grey values from 0 to 255.
    """
    if CLASS not in table.columns:
        return None
    model = model_path(path)
    tables = read_star(model) if model else {}
    of_model = tables.get("model_classes")
    numbers = table.columns[CLASS].astype(np.int64)
    count = max(len(of_model) if of_model is not None else 0, int(numbers.max(initial=0)))
    if of_model is None and count < 2:
        return None
    classes = []
    for number in range(1, count + 1):
        particles = int((numbers == number).sum())
        figures = {
            "number": number,
            "particles": particles,
            "fraction": particles / len(table),
            "is_selected": number in selected,
        }
        classes.append(figures | _of_model(of_model, number - 1, model, may_read))
    return {
        "data": str(path),
        "model": str(model) if model else None,
        "particles": len(table),
        "unclassified": int((numbers < 1).sum()),
        "classes": classes,
    }


def _of_model(
    table: Table | None, row: int, model: Path | None, may_read: Callable[[Path], bool]
) -> dict[str, Any]:
    """What the model file says of a class, and how it looks."""
    figures: dict[str, Any] = dict.fromkeys(FIGURES)
    figures |= {"image": None, "box": None, "pixel_size_A": None, "slices": {}}
    if table is None or model is None or row >= len(table):
        return figures
    for name, label in FIGURES.items():
        values = table.columns.get(star_label(label))
        if values is not None and values[row] != UNKNOWN:
            figures[name] = float(values[row])
    images = table.columns.get(star_label("reference_image"))
    if images is not None:
        figures |= _look(str(images[row]), model, may_read)
    return figures


def _look(image: str, model: Path, may_read: Callable[[Path], bool]) -> dict[str, Any]:
    """Box, pixel size and slices of a class's map, or of its image in a stack; the name alone if it is not found."""
    number, at, name = image.rpartition("@")
    path = find_file(name, model)
    if not may_read(path) or not path.exists():
        return {"image": image}
    layout = read_layout(path)
    if at or path.suffix == ".mrcs":
        index = int(number) - 1 if number.isdigit() else 0
        plane = layout.shape[1] * layout.shape[2]
        offset = layout.offset + index * plane * layout.dtype.itemsize
        values = np.fromfile(path, dtype=layout.dtype, count=plane, offset=offset)
        slices = {"z": grey(values.reshape(layout.shape[1:]).astype(np.float32))}
    else:
        volume = read_map(path).volume
        middle = [size // 2 for size in volume.shape]
        slices = {
            "x": grey(volume[:, :, middle[2]]),
            "y": grey(volume[:, middle[1], :]),
            "z": grey(volume[middle[0]]),
        }
    pixel_size_A = layout.pixel_size_A or None
    return {"image": image, "box": layout.shape[2], "pixel_size_A": pixel_size_A, "slices": slices}


def grey(plane: np.ndarray) -> list[list[int]]:
    """A plane as rows of grey values from 0 to 255, thinned out to at most 128 pixels."""
    step = -(-max(plane.shape) // LARGEST_SLICE)
    small = plane[::step, ::step].astype(np.float64)
    low, high = np.percentile(small, PERCENTILES)
    scaled = (small - low) / (high - low) if high > low else np.zeros_like(small)
    return np.round(255.0 * scaled.clip(0.0, 1.0)).astype(np.int64).tolist()
