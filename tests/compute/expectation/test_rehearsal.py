"""What a rehearsal has loaded is what a search calls."""

import pytest
import torch

from compute.expectation import host, step
from compute.expectation.rehearsal import rehearse
from compute.projection import kernels_cpu
from compute.projection.slices import empty_accumulator
from compute.sampling.orientations import local_grid
from tests.compute.expectation.scene import (
    BOX,
    NO_TURN,
    make_block,
    make_search,
    make_world,
    noise_images,
    tables_for,
)

LOADED = (host.search_locally, host.second_passes, host.best_children, kernels_cpu.slices)


@pytest.mark.parametrize("is_local", [True, False])
def test_a_search_needs_nothing_that_was_not_rehearsed(is_local: bool) -> None:
    rehearse()
    before = [set(one.signatures) for one in LOADED]
    assert all(before)
    world = make_world()
    search = make_search(local_grid(15.0, 30.0, 3.0, NO_TURN) if is_local else None)
    power = world.noise_power(0.1)
    tables, determined = tables_for(search, world, power), torch.ones(len(world.pixels.shell))
    block = make_block(noise_images(2, power), world)
    accumulator = empty_accumulator(2, BOX // 2)
    room = step.room_for(tables, accumulator)
    found = list(step.search_images(block, search, tables, determined, None, room))
    assert sum(int(one.is_found.sum()) for one in found) == 2
    assert float(accumulator.sums.abs().max()) > 0
    searcher = host.HostSearch(block, search, tables, determined)
    searcher.best_children(searcher.first_pass())
    assert [set(one.signatures) for one in LOADED] == before
