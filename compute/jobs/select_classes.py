"""The classes of a classification: how many particles each holds, how well it is known, and how it looks."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from compute.files.errors import InputError
from compute.files.labels import star_label
from compute.files.mrc import read_layout, read_map
from compute.files.optics import find_file
from compute.files.own_tables import UNKNOWN
from compute.files.star import read_star
from compute.files.table import Table
from compute.jobs.star_set import StarSet

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


def model_path(data: Path) -> Path | None:
    """The `_model.star` that belongs to a `_data.star`; None where there is none."""
    if not data.name.endswith("_data.star"):
        return None
    path = data.with_name(data.name.removesuffix("_data.star") + "_model.star")
    return path if path.exists() else None


def is_in_classes(rows: StarSet, classes: tuple[int, ...]) -> np.ndarray:
    """Which particles belong to these classes; InputError where there are no classes, or not all of these."""
    if CLASS not in rows.table.columns:
        raise InputError(
            f"{rows.path} has no classes ({CLASS}); pick a classification's _data.star"
        )
    numbers, counts = np.unique(rows.table.columns[CLASS], return_counts=True)
    absent = [number for number in classes if number not in numbers]
    if absent:
        listed = ", ".join(f"{n} ({count})" for n, count in zip(numbers, counts, strict=True))
        raise InputError(
            f"class {absent[0]} of {rows.path} has no particles; those with particles are {listed}"
        )
    return np.isin(rows.table.columns[CLASS], classes)


def class_overview(rows: StarSet, selected: tuple[int, ...] = ()) -> dict[str, Any] | None:
    """The classes of a particle set for a page to show; None where there is one class and no model.

    For each class: number, particles, fraction, whether it is selected, the figures of the model file (None where it
    does not know them), and slices through the middle of its map along x, y and z (of a 2D class, its image) as rows
    of grey values from 0 to 255.
    """
    if CLASS not in rows.table.columns:
        return None
    model = model_path(rows.path)
    tables = read_star(model) if model else {}
    of_model = tables.get("model_classes")
    numbers = rows.table.columns[CLASS].astype(np.int64)
    count = max(len(of_model) if of_model is not None else 0, int(numbers.max(initial=0)))
    if of_model is None and count < 2:
        return None
    classes = []
    for number in range(1, count + 1):
        particles = int((numbers == number).sum())
        figures = {
            "number": number,
            "particles": particles,
            "fraction": particles / len(rows),
            "is_selected": number in selected,
        }
        classes.append(figures | _of_model(of_model, number - 1, model))
    return {
        "data": str(rows.path),
        "model": str(model) if model else None,
        "particles": len(rows),
        "unclassified": int((numbers < 1).sum()),
        "classes": classes,
    }


def group_scales(rows: StarSet) -> dict[str, float]:
    """The intensity scale of every group by its name, from the model file; none where there is no such file."""
    model = model_path(rows.path)
    groups = read_star(model).get("model_groups") if model else None
    names, scales = star_label("group_name"), star_label("group_scale_correction")
    if groups is None or names not in groups.columns or scales not in groups.columns:
        return {}
    return dict(zip(groups.columns[names].tolist(), groups.columns[scales].tolist(), strict=True))


def overview_text(overview: dict[str, Any]) -> str:
    """The overview as JSON."""
    return json.dumps(overview, ensure_ascii=False) + "\n"


def _of_model(table: Table | None, row: int, model: Path | None) -> dict[str, Any]:
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
        figures |= _look(str(images[row]), model)
    return figures


def _look(image: str, model: Path) -> dict[str, Any]:
    """Box, pixel size and slices of a class's map, or of its image in a stack; the name alone if it is not found."""
    number, at, name = image.rpartition("@")
    path = find_file(name, model)
    if not path.exists():
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
