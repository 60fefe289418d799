"""A selection: rows by value, class, image and distance, regrouped and split, with all that belongs to them."""

import glob
import json
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from compute.files import events
from compute.files.atomic import write_whole
from compute.files.classes import class_overview
from compute.files.errors import InputError
from compute.files.labels import star_label
from compute.files.star import write_star
from compute.files.table import Table
from compute.jobs.output import make_room
from compute.jobs.plain import Result
from compute.jobs.rescale import map_paths
from compute.jobs.select_classes import (
    group_scales,
    is_in_classes,
    overview_text,
)
from compute.jobs.select_join import joined
from compute.jobs.select_rows import (
    all_conditions,
    drawn_order,
    is_image_usual,
    is_no_duplicate,
    meets,
    regrouped,
    subset_sizes,
)
from compute.jobs.star_set import StarSet, read_set, with_files_found
from compute.jobs.voice import Voice
from compute.params.condition import parse_conditions, parse_numbers
from compute.params.select import SelectParams
from compute.signal.random import uniforms

BYTES_PER_VALUE = 20
"""About what a value takes in a STAR file."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was asked for, and how many rows there were before and after it."""

    what: str
    before: int
    after: int


@dataclass(slots=True)
class Selection:
    """What is left of a set while it is selected from; `rows` are places in the whole set."""

    whole: StarSet
    rows: np.ndarray
    steps: list[Step] = field(default_factory=list)

    def left(self) -> StarSet:
        """The rows that are left."""
        return self.whole.rows(self.rows)

    def keep(self, what: str, is_kept: np.ndarray) -> None:
        """Keep some of the rows that are left; InputError where that is none."""
        self.steps.append(Step(what, len(self.rows), int(is_kept.sum())))
        self.rows = self.rows[is_kept]
        if len(self.rows):
            return
        told = ", then ".join(f"{step.what} ({step.before} -> {step.after})" for step in self.steps)
        raise InputError(
            f"none of {len(self.whole)} {self.whole.noun} of {self.whole.path} is left: {told}"
        )


def run(params: SelectParams, voice: Voice) -> Result:
    """Select, and write what is kept; raises InputError before anything is written."""
    said: list[str] = []
    voice.progress.enter("reading")
    paths = map_paths(params.tables)
    sets = [with_files_found(read_set(path), paths[0].parent)[0] for path in paths]
    whole = joined(sets, said)
    classes = parse_numbers(params.classes)
    overview = None
    if len(paths) == 1 and whole.is_particles:
        overview = class_overview(whole.path, whole.table, classes)
    chosen = select(params, whole, voice, said)
    kept = chosen.left()
    if params.regroup_count:
        names = regrouped(kept, params.regroup_count, group_scales(whole), whole.path)
        found = len(set(names.tolist()))
        said.append(f"The {kept.noun} were put into {found} intensity groups.")
        group = {star_label("group_name"): names}
        kept = kept.with_columns(group, without=(star_label("group_number"),))
    files, seed = _files(params, chosen, kept)
    if overview is not None:
        files.append(_classes_file(params))
        if classes:
            files.append(Path(params.output).with_name("backup_selection.star"))
    report = Path(f"{params.output}_selection.json")
    _check_targets([*files, report], paths)
    size = BYTES_PER_VALUE * len(whole.table.columns) * len(whole) * 2
    make_room([*files, report, *_earlier(params, paths)], size, voice)
    voice.progress.enter("writing")
    outputs = _write(params, chosen, kept, seed, said)
    if overview is not None:
        write_whole(_classes_file(params), overview_text(overview).encode())
        outputs.append(events.Output(path=_classes_file(params).name, content="report"))
        if classes:
            _write_backup(params, [one["number"] in classes for one in overview["classes"]])
    figures = {
        "tables": [str(path) for path in paths],
        "noun": whole.noun,
        "rows": len(whole),
        "selected": len(kept),
        "steps": [asdict(step) for step in chosen.steps],
        "random_seed": seed,
        "remarks": said,
    }
    write_whole(report, (json.dumps(figures, indent=1, ensure_ascii=False) + "\n").encode())
    outputs.append(events.Output(path=report.name, content="report"))
    for step in chosen.steps:
        voice.log.line(f" {step.what}: {step.after} of {step.before} kept.")
    for line in said:
        voice.log.line(f" {line}")
    return Result(outputs, f"Selected {len(kept)} of {len(whole)} {whole.noun}.")


def select(params: SelectParams, whole: StarSet, voice: Voice, said: list[str]) -> Selection:
    """The rows that all that is asked for leaves; InputError where nothing is left or a column is missing."""
    chosen = Selection(whole, np.arange(len(whole)))
    conditions = all_conditions(params, parse_conditions(params.conditions))
    for condition in conditions:
        whole.label(condition.column)
    if params.prefer:
        whole.label(params.prefer)
    classes = parse_numbers(params.classes)
    if classes:
        chosen.keep(f"classes {params.classes}", is_in_classes(whole, classes))
    for condition in conditions:
        chosen.keep(str(condition), meets(chosen.left(), condition))
    if params.discard_odd_images:
        left = chosen.left()
        voice.progress.enter("looking at images", total=len(left))
        usual, broken = is_image_usual(left, params.discard_sigma, voice.progress.advance)
        chosen.keep(f"images within {params.discard_sigma:g} deviations", usual)
        if broken:
            said.append(f"{broken} images hold pixels that are not finite.")
    if params.duplicate_distance_A:
        voice.progress.enter("looking for duplicates")
        apart = is_no_duplicate(chosen.left(), params, said)
        chosen.keep(f"no other within {params.duplicate_distance_A:g} Å", apart)
    return chosen


def _files(params: SelectParams, chosen: Selection, kept: StarSet) -> tuple[list[Path], int | None]:
    """The STAR files that will be written, and the seed of the draw if there is one."""
    files = [_discarded_file(params)] if len(kept) < len(chosen.whole) else []
    if not _is_split(params):
        return [Path(f"{params.output}.star"), *files], None
    try:
        sizes = subset_sizes(len(kept), params.split_count, params.split_size)
    except ValueError as error:
        raise InputError(f"{chosen.whole.path}: {error}") from None
    seed = None
    if params.random_order:
        seed = params.random_seed if params.random_seed >= 0 else secrets.randbelow(2**31)
    return [_subset_file(params, i) for i in range(len(sizes))] + files, seed


def _write(
    params: SelectParams, chosen: Selection, kept: StarSet, seed: int | None, said: list[str]
) -> list[events.Output]:
    """Write what is kept, whole or in subsets, and apart from it what is not."""
    folder = Path(params.output).parent
    kept, renamed = with_files_found(kept, folder)
    if renamed:
        said.append(
            f"The paths of {renamed} files were completed so that they are found from {folder}."
        )
    parts = {Path(f"{params.output}.star"): kept}
    left_out = np.setdiff1d(np.arange(len(chosen.whole)), chosen.rows)
    if _is_split(params):
        sizes = subset_sizes(len(kept), params.split_count, params.split_size)
        numbers = (
            uniforms(seed, "subsets", np.arange(len(kept)))[:, 0] if seed is not None else None
        )
        order = drawn_order(len(kept), numbers)
        ends = np.cumsum(sizes)
        parts = {
            _subset_file(params, i): kept.rows(np.sort(order[end - size : end]))
            for i, (end, size) in enumerate(zip(ends, sizes, strict=True))
        }
        said.append(f"Subsets of {', '.join(map(str, sizes))} {kept.noun} were made.")
        if ends[-1] < len(kept):
            said.append(f"{len(kept) - ends[-1]} {kept.noun} are in no subset.")
    for path, part in parts.items():
        write_star(path, _tables(part))
    if len(left_out):
        rest, _ = with_files_found(chosen.whole.rows(left_out), folder)
        write_star(_discarded_file(params), _tables(rest))
    content: Literal["particles", "micrographs"]
    content = "particles" if kept.is_particles else "micrographs"
    return [
        events.Output(path=path.name, content=content, particles=len(part), **_grid(part))
        for path, part in parts.items()
    ]


def _tables(part: StarSet) -> list[Table]:
    return [part.table] if part.optics is None else [part.optics, part.table]


def _grid(part: StarSet) -> dict[str, Any]:
    """Box and pixel size of the images, where all have the same."""
    found: dict[str, Any] = {}
    names = {"box_size": "image_size", "pixel_size_A": "image_pixel_size_A"}
    if not part.is_particles:
        names = {"pixel_size_A": "micrograph_pixel_size_A"}
    for key, name in names.items():
        values = part.optics_values(name)
        if values is not None and (values == values[0]).all():
            found[key] = values[0].item()
    return found


def _is_split(params: SelectParams) -> bool:
    return bool(params.split_count or params.split_size)


def _subset_file(params: SelectParams, index: int) -> Path:
    return Path(f"{params.output}_split{index + 1}.star")


def _discarded_file(params: SelectParams) -> Path:
    return Path(f"{params.output}_discarded.star")


def _classes_file(params: SelectParams) -> Path:
    return Path(f"{params.output}_classes.json")


def _earlier(params: SelectParams, sources: list[Path]) -> list[Path]:
    """What an earlier selection of this name has left and this one may not make again."""
    root = Path(params.output)
    taken = {path.resolve() for path in sources}
    names = [f"{root.name}.star", _discarded_file(params).name, _classes_file(params).name]
    left = [root.with_name(name) for name in (*names, "backup_selection.star")]
    left += sorted(root.parent.glob(f"{glob.escape(root.name)}_split*.star"))
    return [path for path in left if path.resolve() not in taken]


def _write_backup(params: SelectParams, selected: list[bool]) -> None:
    """Write which classes were selected, as RELION's pages read it."""
    columns = {star_label("selected"): np.array(selected)}
    write_star(Path(params.output).with_name("backup_selection.star"), [Table("", columns)])


def _check_targets(files: list[Path], sources: list[Path]) -> None:
    """Raises InputError where a result would take the place of a file that is read."""
    taken = {path.resolve() for path in sources}
    for path in files:
        if path.resolve() in taken:
            raise InputError(
                f"{path} would be overwritten by its own selection: choose another output"
            )
