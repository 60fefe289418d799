"""The iterations of a refinement that RELION has made, from the files that it leaves after each."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from compute.files import events
from compute.files.errors import InputError
from compute.files.labels import star_label
from compute.files.star import read_star
from compute.files.table import Table

OPTIMISER = re.compile(r"run(?:_ct\d+)?(?:_it(\d+))?_optimiser\.star")
UNKNOWN = 999.0
"""What RELION writes for an accuracy that it has not measured yet."""
CROSSINGS = (0.5, 0.143)


def read_iterations(
    folder: Path, after: int = 0
) -> tuple[list[events.Iteration], InputError | None]:
    """The iterations of a refinement in a folder with numbers above `after`, in order; iteration 0 is the start.

    Where a run was continued, the newest files of an iteration count. Reading stops at the first iteration whose
    files cannot be read, which is returned as the error: RELION may be writing them.
    """
    found: list[events.Iteration] = []
    for path in _optimisers(folder, after):
        try:
            iteration = _iteration(path)
        except InputError as error:
            return found, error
        if iteration.iteration <= after or (found and iteration.iteration == found[-1].iteration):
            if not iteration.is_final:
                continue
            number = (found[-1].iteration if found else after) + 1
            iteration = iteration.model_copy(update={"iteration": number})
        found.append(iteration)
    return found, None


def _optimisers(folder: Path, after: int) -> list[Path]:
    """The optimiser file of each iteration, the newest where there are several; that of the final one is last."""
    newest: dict[int, Path] = {}
    final: list[Path] = []
    for path in sorted(folder.glob("run*_optimiser.star"), key=lambda one: one.stat().st_mtime):
        named = OPTIMISER.fullmatch(path.name)
        if named and named[1] is None:
            final = [path]
        elif named and int(named[1]) > after:
            newest[int(named[1])] = path
    return [newest[number] for number in sorted(newest)] + final


def _iteration(optimiser_path: Path) -> events.Iteration:
    """What one optimiser file and the model and sampling beside it say."""
    stem = optimiser_path.name.removesuffix("_optimiser.star")
    is_final = "_it" not in stem
    beside = optimiser_path.with_name
    model = read_star(beside(f"{stem}_model.star" if is_final else f"{stem}_half1_model.star"))
    optimiser = _block(read_star(optimiser_path), "optimiser_general", optimiser_path)
    sampling = _block(read_star(beside(f"{stem}_sampling.star")), "sampling_general", beside(stem))
    general = _block(model, "model_general", beside(stem))
    curves = _block(model, "model_class_1", beside(stem))
    extent_A = (_number(general, "original_image_size") or 0.0) * (
        _number(general, "pixel_size_A") or 0.0
    )
    fsc = _curve(curves, "gold_standard_fsc")
    return events.Iteration(
        time=datetime.fromtimestamp(optimiser_path.stat().st_mtime, UTC),
        iteration=int(_number(optimiser, "current_iteration") or 0),
        is_final=is_final,
        extent_A=extent_A or None,
        fsc=list(fsc),
        ssnr=list(_curve(curves, "ssnr_map")),
        orientability=list(_curve(curves, "spectral_orientability_contribution")),
        is_solvent_corrected=bool(_number(optimiser, "do_solvent_fsc_correction")),
        fsc_mask="given" if _number(optimiser, "do_solvent_fsc_correction") else "none",
        has_converged=bool(_number(optimiser, "has_converged")),
        files=[path.name for path in sorted(optimiser_path.parent.glob(f"{stem}_*"))],
        **_resolutions(fsc, extent_A),
        **_schedule(optimiser, sampling),
        **_averages(general, model.get("model_groups")),
    )


def _resolutions(fsc: list[float], extent_A: float) -> dict[str, Any]:
    coarse, fine = (_crossing(fsc, level) for level in CROSSINGS)
    return {
        "resolution_fsc05_A": extent_A / coarse if coarse and extent_A else None,
        "resolution_fsc0143_A": extent_A / fine if fine and extent_A else None,
    }


def _schedule(optimiser: Table, sampling: Table) -> dict[str, Any]:
    best_per_A = _number(optimiser, "best_resolution_thus_far_per_A")
    order = _whole(sampling, "healpix_order")
    local_from = _whole(optimiser, "auto_local_searches_healpix_order")
    oversampling = _whole(optimiser, "adaptive_oversample_order")
    finer = 2.0 ** (oversampling or 0)
    step_deg, offset_A = _number(sampling, "psi_step_deg"), _number(sampling, "offset_step_A")
    return {
        "best_resolution_A": 1.0 / best_per_A if best_per_A else None,
        "iterations_without_gain": _whole(optimiser, "number_of_iter_without_resolution_gain") or 0,
        "iterations_without_change": _whole(
            optimiser, "number_of_iter_without_changing_assignments"
        )
        or 0,
        "change_angles_deg": _known(optimiser, "changes_optimal_orientations_deg"),
        "change_offsets_A": _known(optimiser, "changes_optimal_offsets_A"),
        "accuracy_angles_deg": _known(optimiser, "overall_accuracy_rotations_deg"),
        "accuracy_offsets_A": _known(optimiser, "overall_accuracy_translations_A"),
        "healpix_order": order,
        "is_local_search": order is not None and local_from is not None and order >= local_from,
        "oversampling": oversampling,
        "coarse_step_deg": step_deg,
        "fine_step_deg": None if step_deg is None else step_deg / finer,
        "offset_range_A": _number(sampling, "offset_range_A"),
        "coarse_offset_step_A": offset_A,
        "fine_offset_step_A": None if offset_A is None else offset_A / finer,
    }


def _averages(general: Table, groups: Table | None) -> dict[str, Any]:
    scales = _curve(groups, "group_scale_correction") if groups is not None else []
    return {
        "current_size": _whole(general, "current_image_size"),
        "mean_pmax": _number(general, "average_pmax"),
        "mean_norm_correction": _number(general, "norm_correction_average"),
        "sigma_offset_A": [_number(general, "sigma_offsets_A")],
        "log_likelihood": _number(general, "log_likelihood"),
        "scale_min": min(scales, default=None),
        "scale_max": max(scales, default=None),
    }


def _block(tables: dict[str, Table], name: str, path: Path) -> Table:
    if name not in tables:
        raise InputError(f"{path} holds no data_{name}; it is no file of a RELION refinement.")
    return tables[name]


def _number(table: Table, name: str) -> float | None:
    """The one value of a list; None where it is not there."""
    values = table.columns.get(star_label(name))
    return None if values is None or not len(values) else float(values[0])


def _whole(table: Table, name: str) -> int | None:
    value = _number(table, name)
    return None if value is None else int(value)


def _known(table: Table, name: str) -> float | None:
    """A figure that RELION writes as 999 until it has one."""
    value = _number(table, name)
    return None if value is None or value >= UNKNOWN else value


def _curve(table: Table, name: str) -> list[float]:
    values = table.columns.get(star_label(name))
    return [] if values is None else np.asarray(values, dtype=np.float64).tolist()


def _crossing(fsc: list[float], level: float) -> float | None:
    """The shell at which a curve first falls below a level, between shells; the last one where it never does.

    None for a curve without values, and for one that is zero from shell 1 on, as before the first comparison.
    """
    if not any(fsc[1:]):
        return None
    for shell in range(1, len(fsc)):
        if fsc[shell] < level:
            before, after = fsc[shell - 1], fsc[shell]
            share = (before - level) / (before - after) if before > level else 0.0
            return max(1.0, shell - 1 + share)
    return float(len(fsc) - 1)
