"""The first pass on a grid that all images share: what the CPU keeps of it against all scores of the definition."""

import dataclasses

import numpy as np
import pytest
import torch

from compute.expectation import coarse, shared_pass
from compute.expectation.host import HostSearch
from compute.expectation.prepare import Block
from compute.expectation.search import Search, SharedTables
from tests.compute.expectation.scene import (
    BOX,
    World,
    make_block,
    make_search,
    make_world,
    noise_images,
    some_grid,
    tables_for,
)

IMAGES = 6
WRONG = 4


@pytest.fixture(scope="module")
def world() -> World:
    return make_world()


def scene(world: World, search: Search, snr: float) -> tuple[Block, SharedTables]:
    """Noisy images at poses of the grid, one with a number that is none; some orientations are ruled out."""
    power = world.noise_power(snr)
    turns = torch.from_numpy(some_grid(1).fine)[:: len(some_grid(1).fine) // IMAGES][:IMAGES]
    images = world.images(turns, torch.zeros(IMAGES, 2)) + noise_images(IMAGES, power)
    images[WRONG, BOX // 2, 5] = torch.nan
    tables = tables_for(search, world, power)
    prior = tables.coarse_log_prior.clone()
    prior[::7] = -torch.inf
    return make_block(images, world), dataclasses.replace(tables, coarse_log_prior=prior)


@pytest.mark.parametrize("at_once", [10, 33, 2048])
@pytest.mark.parametrize("snr", [0.003, 0.1, 1.0])
@pytest.mark.parametrize("changes", [{}, {"is_correlation": True}, {"maximum_significant": 5}])
def test_the_poses_that_go_on_are_those_of_all_scores(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, bool],
    snr: float,
    at_once: int,
) -> None:
    monkeypatch.setattr(shared_pass, "ORIENTATIONS", at_once)
    search = dataclasses.replace(make_search(), **changes)
    block, tables = scene(world, search, snr)
    near = HostSearch(block, search, tables).near_best()
    scores = coarse.shared_scores(block.images, block.base_A, search, tables)
    poses = shared_pass.significant(near, search)
    kept = [poses.of(image) for image in range(len(poses))]
    assert len(kept) == IMAGES and not len(kept[WRONG])
    for image in set(range(IMAGES)) - {WRONG}:
        own = scores[image].reshape(-1)
        rows = slice(near.starts[image], near.starts[image + 1])
        expected = scores[image, near.orientations[rows]]
        assert torch.allclose(torch.from_numpy(near.scores[rows]), expected, atol=1e-3, rtol=1e-5)
        assert np.isclose(near.best[image], float(own.max()), rtol=1e-5)
        assert np.all(np.diff(near.orientations[rows]) > 0)
        wanted = coarse.going_on(own, search).numpy()
        weights = torch.softmax(own.double(), 0).numpy()
        others = np.setxor1d(kept[image], wanted)
        assert weights[others].sum() < 2e-3 and len(others) <= 0.1 * len(wanted)
        is_ruled_out = kept[image] // scores.shape[2] % 7 == 0
        assert len(kept[image]) and (search.is_correlation or not np.any(is_ruled_out))


def test_most_of_a_sharp_posterior_is_not_kept(world: World) -> None:
    search = make_search()
    block, tables = scene(world, search, 1.0)
    near = HostSearch(block, search, tables).near_best()
    assert len(near.scores) < 0.1 * IMAGES * len(tables.coarse_rotations)


def test_a_local_search_has_no_shared_grid(world: World) -> None:
    search = make_search()
    block, tables = scene(world, search, 1.0)
    with pytest.raises(ValueError, match="no shared grid"):
        HostSearch(block, search, dataclasses.replace(tables, coarse_slices=None)).near_best()
