"""Which rows of a table meet conditions, belong to classes, look odd, or are duplicates."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from compute.files.errors import InputError
from compute.files.labels import star_label
from compute.files.optics import find_file
from compute.files.particles import image_places
from compute.files.stacks import StackReader
from compute.jobs.star_set import IMAGE, MICROGRAPH, StarSet
from compute.params.condition import Condition
from compute.params.select import SelectParams
from compute.signal.duplicates import kept_apart

IMAGES_AT_ONCE = 128
READERS = 4


def all_conditions(params: SelectParams, written: tuple[Condition, ...]) -> list[Condition]:
    """The conditions written as such, and those of RELION's options."""
    found = list(written)
    if params.minimum is not None:
        found.append(Condition(params.column, ">=", (repr(params.minimum),)))
    if params.maximum is not None:
        found.append(Condition(params.column, "<=", (repr(params.maximum),)))
    if params.includes:
        found.append(Condition(params.text_column, "~", (params.includes,)))
    if params.excludes:
        found.append(Condition(params.text_column, "!~", (params.excludes,)))
    return found


def meets(rows: StarSet, condition: Condition) -> np.ndarray:
    """Which rows meet a condition; InputError where the column cannot be compared in this way."""
    values = rows.column(condition.column)
    operator, texts = condition.operator, condition.values
    if operator in ("~", "!~"):
        holds = np.array([texts[0] in str(value) for value in values], dtype=bool)
        return holds if operator == "~" else ~holds
    if operator in ("=", "!=") and values.dtype.kind == "O":
        same = np.array([str(value) == texts[0] for value in values], dtype=bool)
        return same if operator == "=" else ~same
    numbers = _numbers(rows, condition, values)
    try:
        limits = [float(text) for text in texts]
    except ValueError:
        raise InputError(
            f"the condition '{condition}' needs a number: {condition.column} holds numbers"
        ) from None
    compare: dict[str, Callable[[], np.ndarray]] = {
        "<=": lambda: numbers <= limits[0],
        ">=": lambda: numbers >= limits[0],
        "<": lambda: numbers < limits[0],
        ">": lambda: numbers > limits[0],
        "=": lambda: numbers == limits[0],
        "!=": lambda: numbers != limits[0],
        "in": lambda: (numbers >= limits[0]) & (numbers <= limits[1]),
    }
    return compare[operator]()


def _numbers(rows: StarSet, condition: Condition, values: np.ndarray) -> np.ndarray:
    """The values of a column as numbers; columns of labels that we do not know were read as text."""
    try:
        return values.astype(np.float64)
    except ValueError:
        raise InputError(
            f"{rows.path}: {condition.column} holds text ('{values[0]}'), which cannot be compared by "
            f"{condition.operator}; use =, != or ~"
        ) from None


def is_image_usual(
    rows: StarSet, sigma: float, advance: Callable[[int], None]
) -> tuple[np.ndarray, int]:
    """Which images have a mean and a deviation within `sigma` of those of all images, and how many are not finite.

    Images that are not finite are never usual and do not count for the others. Raises InputError for micrographs and
    for stacks that are missing.
    """
    mean, deviation = image_moments(rows, advance)
    is_finite = np.isfinite(mean) & np.isfinite(deviation)
    usual = is_finite.copy()
    for figures in (mean, deviation):
        centre, spread = figures[is_finite].mean(), figures[is_finite].std()
        with np.errstate(invalid="ignore"):
            usual &= np.abs(figures - centre) <= sigma * spread
    return usual, int((~is_finite).sum())


def image_moments(rows: StarSet, advance: Callable[[int], None]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of every image, read stack by stack; NaN where a pixel is not finite."""
    if not rows.is_particles:
        raise InputError(f"{rows.path} holds micrographs; only particle images can be judged")
    if IMAGE not in rows.table.columns:
        raise InputError(f"{rows.path} has no {IMAGE}, which says where the images are")
    names, stack_index, slice_index = image_places(rows.table, rows.path)
    stacks = [find_file(name, rows.path) for name in names]
    missing = [path for path in stacks if not path.exists()]
    if missing:
        raise InputError(
            f"{len(missing)} of {len(stacks)} stacks are missing; the first is {missing[0]}"
        )
    mean, deviation = np.full(len(rows), np.nan), np.full(len(rows), np.nan)

    def read(stack: int) -> int:
        mine = np.flatnonzero(stack_index == stack)
        mine = mine[np.argsort(slice_index[mine], kind="stable")]
        with StackReader(stacks[stack]) as reader:
            for start in range(0, len(mine), IMAGES_AT_ONCE):
                part = mine[start : start + IMAGES_AT_ONCE]
                images = reader.read(slice_index[part]).reshape(len(part), -1)
                with np.errstate(invalid="ignore", over="ignore"):
                    mean[part] = images.mean(axis=1, dtype=np.float64)
                    deviation[part] = images.std(axis=1, dtype=np.float64)
        return len(mine)

    with ThreadPoolExecutor(READERS) as pool:
        for count in pool.map(read, range(len(stacks))):
            advance(count)
    return mean, deviation


def is_no_duplicate(rows: StarSet, params: SelectParams, said: list[str]) -> np.ndarray:
    """Which particles stay where, of those nearer than a distance on one micrograph, only the best is kept.

    The place of a particle is its coordinate, in micrograph pixels, less its offset. Raises InputError where
    coordinates, micrographs or the pixel size are not known.
    """
    if not rows.is_particles:
        raise InputError(f"{rows.path} holds micrographs; duplicates are particles")
    pixel_A = _micrograph_pixel_A(rows, params, said)
    places = []
    for name, offset in (("coordinate_x", "origin_x_A"), ("coordinate_y", "origin_y_A")):
        place = rows.column(star_label(name)) * pixel_A
        if star_label(offset) in rows.table.columns:
            place = place - rows.table.columns[star_label(offset)]
        places.append(place)
    if star_label("origin_x_A") not in rows.table.columns:
        said.append("There are no offsets: particles are taken to be where they were picked.")
    _, micrograph = np.unique(rows.column(MICROGRAPH).astype(str), return_inverse=True)
    rank = _rank(rows, params)
    positions = np.stack(places, axis=1)
    return kept_apart(positions, micrograph.reshape(-1), params.duplicate_distance_A, rank)


def _rank(rows: StarSet, params: SelectParams) -> np.ndarray:
    """The place of every particle in the order of preference, the best first."""
    count = len(rows)
    if not params.prefer:
        return np.arange(count)
    values = _numbers(rows, Condition(params.prefer, ">", ()), rows.column(params.prefer))
    order = np.argsort(values if params.prefer_smaller else -values, kind="stable")
    rank = np.empty(count, dtype=np.int64)
    rank[order] = np.arange(count)
    return rank


def _micrograph_pixel_A(rows: StarSet, params: SelectParams, said: list[str]) -> np.ndarray:
    """The pixel size of every particle's micrograph."""
    if params.micrograph_pixel_size_A is not None:
        return np.full(len(rows), params.micrograph_pixel_size_A)
    found = rows.optics_values("micrograph_pixel_size_A")
    if found is None:
        found = rows.optics_values("micrograph_original_pixel_size_A")
        if found is not None:
            said.append(
                f"Micrographs are taken to have pixels of {found.min():g} Å, those of the camera; state it with "
                "--image_angpix if they were binned."
            )
    if found is None or (found <= 0).any():
        raise InputError(
            f"{rows.path} does not say the pixel size of the micrographs, in which coordinates count: "
            "give it with --image_angpix"
        )
    return found


def drawn_order(count: int, numbers: np.ndarray | None) -> np.ndarray:
    """The order in which rows go to subsets: that of the numbers drawn for them, or of the file."""
    return np.arange(count) if numbers is None else np.argsort(numbers, kind="stable")


def subset_sizes(count: int, subsets: int, size: int) -> list[int]:
    """How many rows each subset gets; ValueError where they cannot be made.

    With a size, subsets of that size are filled, the last one with what is left, or as many as are asked for; without
    one, the subsets differ by one row at most.
    """
    if subsets > count:
        raise ValueError(f"{count} rows cannot be split into {subsets} subsets")
    if not size:
        return [count // subsets + (i < count % subsets) for i in range(subsets)]
    if not subsets:
        whole, rest = divmod(count, size)
        return [size] * whole + ([rest] if rest else [])
    if subsets * size > count:
        raise ValueError(
            f"{subsets} subsets of {size} need {subsets * size} rows but there are {count}"
        )
    return [size] * subsets


def regrouped(rows: StarSet, wanted: int, scale: dict[str, float], path: Path) -> np.ndarray:
    """The name of every particle's new intensity group: old groups, in the order of their scale, put together.

    Where no scale is known the mean defocus orders the groups. Raises InputError for groups of fewer than ten
    particles on average, and for more groups than there were.
    """
    label = star_label("group_name")
    label = label if label in rows.table.columns else MICROGRAPH
    names, group = np.unique(rows.column(label).astype(str), return_inverse=True)
    if len(rows) < 10 * wanted:
        raise InputError(
            f"{wanted} groups of {len(rows)} particles would hold fewer than ten on average: ask for at most "
            f"{max(1, len(rows) // 10)}"
        )
    if wanted > len(names):
        raise InputError(
            f"{path} has {len(names)} groups ({label}); {wanted} cannot be made of them"
        )
    counts = np.bincount(group.reshape(-1))
    key = np.array([scale.get(name, np.nan) for name in names])
    defocus = star_label("defocus_u_A")
    if not np.isfinite(key).all() and defocus in rows.table.columns:
        key = np.bincount(group.reshape(-1), weights=rows.table.columns[defocus]) / counts
    order = np.argsort(np.nan_to_num(key), kind="stable")
    middle = counts[order].cumsum() - 0.5 * counts[order]
    place = np.minimum((middle * wanted / len(rows)).astype(np.int64), wanted - 1)
    _, place = np.unique(place, return_inverse=True)
    new = np.empty(len(names), dtype=np.int64)
    new[order] = place.reshape(-1)
    width = max(2, len(str(wanted)))
    return np.array([f"group_{new[i] + 1:0{width}d}" for i in group.reshape(-1)], dtype=object)
