"""The checkpoint of an iteration: what the next one needs, so that a continued run is the uninterrupted one."""

import dataclasses
from typing import Any

import numpy as np

from compute.convergence.state import State, from_dict, to_dict
from compute.files.checkpoint import load_checkpoint
from compute.files.errors import InputError
from compute.files.mrc import read_map
from compute.files.relion import IterationFiles
from compute.jobs.half_records import Parameters
from compute.jobs.refine_progress import Progress


def checkpoint_of(progress: Progress) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Arrays and state from which the next iteration can be made exactly; maps are in their own files."""
    arrays: dict[str, np.ndarray] = {}
    state: dict[str, Any] = {"state": to_dict(progress.state)}
    for half, parameters in enumerate(progress.parameters, 1):
        for field in dataclasses.fields(parameters):
            value = getattr(parameters, field.name)
            if isinstance(value, np.ndarray):
                arrays[f"half{half}_{field.name}"] = value
            elif value is not None:
                state[f"half{half}_{field.name}"] = float(value)
    return arrays, state


def rows_of(saved: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the particle set in each half, as a checkpoint holds them."""
    first, second = (np.array(rows, dtype=np.int64) for rows in saved["rows"])
    return first, second


def restore(files: IterationFiles, iteration: int) -> tuple[Progress, dict[str, Any]]:
    """The progress after an iteration as it was, and the rest of its checkpoint (seed, parameters, half-sets)."""
    arrays, state = load_checkpoint(files.checkpoint(iteration))
    parameters, maps = [], []
    for half in (1, 2):
        prefix = f"half{half}_"
        values: dict[str, Any] = {
            name.removeprefix(prefix): value
            for name, value in {**arrays, **state}.items()
            if name.startswith(prefix)
        }
        parameters.append(Parameters(**values))
        path = files.half_map(iteration, half)
        if not path.exists():
            raise InputError(
                f"{path} is missing; iteration {iteration} cannot be continued without it"
            )
        maps.append(np.ascontiguousarray(read_map(path).volume, dtype=np.float32))
    saved: State = from_dict(state["state"])
    return Progress(state=saved, parameters=parameters, maps=maps), state
