"""Images that are put back as they are searched, one after another, add up to what they do when they are kept."""

import dataclasses

import numpy as np
import pytest
import torch

from compute.expectation import host, step
from compute.expectation.fine import Found, HeldResult
from compute.expectation.search import Search
from compute.jobs.stopwatch import Stopwatch
from compute.projection.slices import empty_accumulator
from compute.sampling.orientations import local_grid
from tests.compute.expectation.scene import (
    BOX,
    NO_TURN,
    World,
    make_block,
    make_search,
    make_world,
    noise_images,
    some_grid,
    tables_for,
)

IMAGES = 6
GRID = local_grid(15.0, 30.0, 3.0, NO_TURN)
SEARCHES = {
    "shared": make_search(some_grid(0), size=BOX - 6, coarse_size=BOX - 6),
    "correlation": make_search(is_correlation=True),
    "local": make_search(GRID, size=BOX - 6, coarse_size=BOX - 6),
    "local, capped": make_search(GRID, coarse_size=BOX, maximum_significant=3),
    "local, correlation": make_search(GRID, is_correlation=True),
}
PER_IMAGE = [
    field.name
    for field in dataclasses.fields(Found)
    if field.name not in ("images", "is_found", "noise_residual")
]


@pytest.fixture(scope="module")
def world() -> World:
    return make_world()


def entered(found: list[Found]) -> dict[str, np.ndarray]:
    """Numbers of all images that are found, as `half_records.enter` takes them."""
    columns: dict[str, np.ndarray] = {}
    for one in found:
        images = np.arange(IMAGES)[one.images][one.is_found.numpy()]
        for name in PER_IMAGE:
            values = getattr(one, name).numpy()[one.is_found.numpy()]
            column = columns.setdefault(name, np.full((IMAGES, *values.shape[1:]), np.nan))
            assert np.isnan(column[images]).all()
            column[images] = values
    return columns


@pytest.mark.parametrize("small", ["all", "some", "none"])
@pytest.mark.parametrize("kind", SEARCHES)
def test_what_is_put_back_at_once_is_what_would_be_kept(
    world: World, kind: str, small: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    search: Search = SEARCHES[kind]
    power = world.noise_power(0.05)
    turns = torch.from_numpy(some_grid(1).coarse)[torch.arange(IMAGES) * 37]
    images = world.images(turns, torch.zeros(IMAGES, 2)) + noise_images(IMAGES, power)
    images[2, 3, 4] = torch.nan
    images[4] = noise_images(1, world.noise_power(10.0))[0]
    block = make_block(images, world, turns[:, None], torch.tensor([[1, -2]]).repeat(IMAGES, 1))
    tables, determined = tables_for(search, world, power), torch.ones(len(world.pixels.shell))
    kept, expected = list(step.search_images(block, search, tables, determined)), []
    wanted = empty_accumulator(2, BOX // 2)
    for one in kept:
        assert isinstance(one, HeldResult)
        step.accumulate(one, tables, wanted)
        expected.append(one)
    searcher = host.HostSearch(block, search, tables, determined)
    rows = [one for one in searcher.rows_of(searcher.first_pass()).tolist() if one]
    limit = {"all": max(rows), "some": (min(rows) + max(rows)) // 2, "none": 0}[small]
    monkeypatch.setattr(host, "SLICES_BYTES", limit * 8 * tables.count)
    accumulator, found, meter = empty_accumulator(2, BOX // 2), [], Stopwatch()
    room = step.room_for(tables, accumulator)
    for one in step.search_images(block, search, tables, determined, meter, room):
        found.append(one)
        if isinstance(one, HeldResult):
            step.accumulate(one, tables, accumulator)
    is_held = [isinstance(one, HeldResult) for one in found if bool(one.is_found.any())]
    assert any(is_held) == (small == "none" or (small == "some" and min(rows) < max(rows)))
    assert all(is_held) == (small == "none")
    mine, other = entered(found), entered(expected)
    assert np.isnan(mine["weight"]).tolist() == [False, False, True, False, False, False]
    for name in PER_IMAGE:
        assert np.allclose(mine[name], other[name], rtol=1e-3, atol=1e-4, equal_nan=True), name
    residual = torch.stack([one.noise_residual for one in found]).sum(0)
    assert torch.allclose(
        residual, torch.stack([one.noise_residual for one in expected]).sum(0), rtol=1e-4
    )
    error = (accumulator.sums - wanted.sums).abs().max()
    assert float(error) < 1e-4 * float(wanted.sums.abs().max())
    wall_s = dict(meter.take()["wall_s"])
    assert all(wall_s[phase] > 0 for phase in (search.first_pass, "pass 2"))
    assert (wall_s.get("insertion", 0.0) > 0) == (small != "none")
