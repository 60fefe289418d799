"""What a worker searches in an iteration: the grids that the leader's order stands for."""

from compute.expectation.search import Search
from compute.jobs.half_records import Parameters, SearchOrder
from compute.params.refine import RefineParams
from compute.sampling.healpix import direction_count, step_deg
from compute.sampling.orientations import LocalGrid, OrientationGrid, global_grid, local_grid
from compute.sampling.symmetry import SymmetryGroup
from compute.sampling.translations import translation_grid


def search_of(
    order: SearchOrder, params: RefineParams, parameters: Parameters, group: SymmetryGroup
) -> Search:
    """The grids and rules that an order stands for, with a half's own parameters."""
    grid: OrientationGrid | LocalGrid
    if order.is_local:
        grid = local_grid(
            step_deg(order.order),
            order.local_sigma_deg,
            order.cone_steps,
            order.rotation_offset,
        )
    else:
        weights = parameters.direction_weights
        if weights is not None and len(weights) != direction_count(order.order):
            weights = None
        grid = global_grid(order.order, group, order.rotation_offset, weights)
    return Search(
        orientations=grid,
        translations=translation_grid(order.range_A, order.step_A, order.shift_offset_A),
        size=order.size,
        coarse_size=order.coarse_size,
        accumulation_size=order.accumulation_size,
        oversample=order.oversample,
        is_correlation=order.is_correlation,
        adaptive_fraction=params.adaptive_fraction,
        maximum_significant=params.maximum_significant,
        score_divisor=params.score_divisor,
        offset_sigma_A=parameters.offset_sigma_A,
    )
