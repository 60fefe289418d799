"""Searches that hold only a part of their slices or shifts at a time find what they find with all."""

import numpy as np
import pytest
import torch

from compute.expectation import fine, host, step
from compute.expectation.host import HostSearch
from compute.sampling.orientations import local_grid
from tests.compute.expectation.scene import (
    NO_TURN,
    Single,
    World,
    make_block,
    make_search,
    make_world,
    noise_images,
    singles,
    tables_for,
)

OF_ROWS = ("rotations", "values", "orientation_weight")
TENSORS = ("insertion_weight", "residual_power")
NUMBERS = ("maximum_probability", "log_evidence", "weight", "cross", "model_power")


@pytest.fixture(scope="module")
def world() -> World:
    return make_world()


def results(world: World, is_local: bool) -> list[Single]:
    """Results for noisy images, which leave many poses in the running."""
    power = world.noise_power(0.05)
    search = make_search(local_grid(15.0, 30.0, 3.0, NO_TURN) if is_local else None)
    tables = tables_for(search, world, power)
    turns = torch.eye(3).expand(3, 3, 3).contiguous()
    images = world.images(turns, torch.zeros(3, 2)) + noise_images(3, power)
    determined = torch.ones(len(world.pixels.shell))
    found = singles(make_block(images, world), search, tables, determined)
    assert all(one is not None and len(one.rows) > 20 for one in found)
    return [one for one in found if one is not None]


@pytest.mark.parametrize("is_local", [True, False])
def test_a_few_slices_and_shifts_at_a_time_give_the_same(
    world: World, is_local: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = results(world, is_local)
    rows = 13
    monkeypatch.setattr(host, "SLICES_BYTES", 0)
    monkeypatch.setattr(fine, "CANDIDATE_BYTES", rows * 8 * len(world.pixels.shell))
    largest = []
    sliced = HostSearch.sliced

    def counted(*arguments: object) -> np.ndarray:
        found = sliced(*arguments)  # type: ignore[arg-type]
        largest.append(len(found))
        return found

    monkeypatch.setattr(HostSearch, "sliced", counted)
    parts = results(world, is_local)
    assert max(largest) == rows
    for one, other in zip(parts, whole, strict=True):
        common = [torch.isin(a.rows, b.rows) for a, b in ((one, other), (other, one))]
        for found, is_common in zip((one, other), common, strict=True):
            of_one_only = found.orientation_weight[~is_common]
            assert len(of_one_only) <= 1 and float(of_one_only.sum()) < 1e-4  # at the very cut
        pairs = [
            (getattr(one, name)[common[0]], getattr(other, name)[common[1]]) for name in OF_ROWS
        ]
        pairs += [(getattr(one, name), getattr(other, name)) for name in TENSORS]
        for value, expected in pairs:
            assert float((value - expected).abs().max()) <= 5e-5 * float(expected.abs().max())
        for name in NUMBERS:
            assert getattr(one, name) == pytest.approx(getattr(other, name), rel=1e-4)


def test_blocks_shrink_for_large_images() -> None:
    """At 256 pixels about 26,000 of each image are put back: 13 MB for 64 orientations."""
    search = make_search(local_grid(3.75, 3.75, 3.0, NO_TURN))
    assert step.images_per_block(search, 16, 3_000) == 16
    assert step.images_per_block(search, 16, 26_000) == 4
    assert step.images_per_block(search, 16, 10_000_000) == 1
