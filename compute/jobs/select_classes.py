"""Particles by class: those that are kept, and the intensity scales of their groups."""

import json
from typing import Any

import numpy as np

from compute.files.classes import CLASS, model_path
from compute.files.errors import InputError
from compute.files.labels import star_label
from compute.files.star import read_star
from compute.jobs.star_set import StarSet


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
