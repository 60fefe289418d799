"""What the leader of a refinement has its workers search: an iteration, or a look at all orientations."""

import dataclasses

import numpy as np

from compute.convergence import schedule
from compute.convergence.state import Settings, State
from compute.jobs.half_records import SearchOrder
from compute.params.refine import RefineParams
from compute.sampling import perturbation
from compute.signal.random import generator

# Images are handed out a few at a time: each worker comes back about so often, but not for fewer images than this.
PARTS_PER_WORKER, LEAST_IMAGES = 16, 16


def search_order(state: State, params: RefineParams, seed: int) -> SearchOrder:
    """The search of an iteration, its grids moved by a random part of a cell."""
    sampling = state.sampling
    rotation, shift = perturbation.draw(
        generator(seed, "perturbation", state.iteration),
        sampling.fine_step_deg,
        sampling.fine_offset_step_A,
        params.perturbation,
    )
    return SearchOrder(
        iteration=state.iteration,
        order=sampling.order,
        is_local=sampling.is_local,
        local_sigma_deg=sampling.local_sigma_deg,
        cone_steps=sampling.cone_steps,
        rotation_offset=rotation,
        range_A=sampling.offset_range_A,
        step_A=sampling.offset_step_A,
        shift_offset_A=shift,
        size=state.current_size,
        coarse_size=state.coarse_size,
        accumulation_size=state.accumulation_size,
        oversample=sampling.oversample,
        is_correlation=state.is_correlation,
    )


def rescan_order(state: State, settings: Settings, params: RefineParams, seed: int) -> SearchOrder:
    """The look at all orientations before a local search: both passes of a shared grid, with the first offsets."""
    coarse_size, size = schedule.rescan_sizes(state, settings)
    return dataclasses.replace(
        search_order(state, params, seed),
        order=settings.scan_order,
        is_local=False,
        range_A=settings.offset_range_A,
        step_A=settings.offset_step_A,
        size=size,
        coarse_size=coarse_size,
        accumulation_size=size,
        oversample=True,
    )


def image_parts(optics: np.ndarray, workers: int) -> list[tuple[int, np.ndarray]]:
    """The images of a half in parts to hand out: optics group, and positions in the half.

    All parts of a group follow one another, so that no worker comes back to a group that it has left. optics: group of
    every image of the half; workers: how many share them.
    """
    size = max(LEAST_IMAGES, len(optics) // (workers * PARTS_PER_WORKER))
    parts = []
    for index in np.unique(optics):
        group = np.flatnonzero(optics == index)
        parts += [(int(index), group[start : start + size]) for start in range(0, len(group), size)]
    return parts
