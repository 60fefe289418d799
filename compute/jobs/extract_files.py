"""The files of an extraction besides the stacks: what earlier runs left, room on the disc, and the joined tables."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from compute.files.atomic import remove_unfinished
from compute.files.errors import InputError
from compute.files.labels import star_label
from compute.files.relion import set_aside
from compute.files.star import write_star
from compute.files.table import Table
from compute.jobs.extract_micrograph import stack_bytes
from compute.jobs.extract_plan import Plan, Work
from compute.params.extract import ExtractParams

SAFETY = 1.2
"""Room asked for, in units of what will be written."""
BYTES_PER_VALUE = 14
"""Of a STAR table, on average and a little more; every row is written twice."""


def particles_path(params: ExtractParams) -> Path:
    """The STAR file of all particles."""
    output = Path(params.output)
    return output.with_name(output.name + ".star")


def rejected_path(params: ExtractParams) -> Path:
    """The particles that were left out."""
    return Path(params.output).with_name("rejected.star")


def pick_path(params: ExtractParams) -> Path:
    """The list of the new coordinates."""
    given = params.pick_star
    return Path(given) if given else Path(params.output).with_name("extractpick.star")


def stacks_folder(params: ExtractParams) -> Path:
    """The folder below which the stacks are."""
    return Path(params.part_dir) if params.part_dir else Path(params.output).parent


def check_room(params: ExtractParams, work: Sequence[Work]) -> float:
    """How many bytes the stacks and tables of this work take.

    Raises InputError where the disc has not so much free, and where the stacks' folder cannot be written.
    """
    stacks = sum(stack_bytes(params, len(one)) for one in work)
    tables = sum(2 * BYTES_PER_VALUE * len(one) * len(one.rows.columns) for one in work)
    needed = float(stacks + tables)
    folder = stacks_folder(params).absolute()
    while not folder.exists():
        folder = folder.parent
    if work and not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(
            f"the folder {folder}, where the stacks go, cannot be written: permission denied"
        )
    free = shutil.disk_usage(folder).free
    if work and free < SAFETY * needed:
        raise InputError(
            f"the stacks take {size_text(needed)} and {size_text(free)} are free in {folder}, of which "
            f"{size_text(SAFETY * needed)} are wanted: make room or name another folder"
        )
    return needed


def size_text(count: float | int) -> str:
    """A number of bytes as a short text."""
    unit = next((unit for unit in ((1e9, "GB"), (1e6, "MB")) if count >= unit[0] / 10), (1e3, "kB"))
    return f"{count / unit[0]:.1f} {unit[1]}"


def make_room(params: ExtractParams, to_do: Sequence[Work]) -> list[Path]:
    """Move away what an earlier run with other options or input has left under the same names.

    What one that was killed has not finished is removed. Returns their new places; none where nothing was in the way.
    """
    made = [path for one in to_do for path in (one.stack, one.star)]
    remove_unfinished(made)
    in_the_way = [path for path in made if path.exists()]
    joined = [particles_path(params), rejected_path(params), pick_path(params)]
    if to_do:
        in_the_way += [path for path in joined if path.exists()]
    return set_aside(stacks_folder(params), in_the_way)


def write_joined(params: ExtractParams, plan: Plan) -> list[Path]:
    """Write the tables of all particles, of those left out, and of the coordinates; returns what was written."""
    columns = {
        label: np.concatenate([one.rows.columns[label] for one in plan.work])
        for label in plan.work[0].rows.columns
    }
    written = [particles_path(params)]
    rejected = rejected_path(params)
    if len(plan.rejected):
        rejected.parent.mkdir(parents=True, exist_ok=True)
        write_star(rejected, [plan.rejected])
        written.append(rejected)
    else:
        rejected.unlink(missing_ok=True)
    if params.particles:
        write_star(pick_path(params), [_picks(plan)])
        written.append(pick_path(params))
    write_star(written[0], [plan.optics, Table("particles", columns)])
    return written


def _picks(plan: Plan) -> Table:
    """The list of coordinate files, as later jobs of RELION 5 take it."""
    columns = {
        "micrograph_name": np.array([one.name for one in plan.work], dtype=object),
        "micrograph_coordinates": np.array([str(one.star) for one in plan.work], dtype=object),
    }
    return Table("coordinate_files", {star_label(name): v for name, v in columns.items()})
