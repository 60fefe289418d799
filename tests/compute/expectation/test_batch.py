"""Both passes over many images at once find what the search of one image after another finds."""

import dataclasses

import pytest
import torch
from torch import Tensor

from compute.expectation import batch, host_block, step
from compute.expectation.batch import BatchResult
from compute.expectation.meter import Unmeasured
from compute.expectation.prepare import Block
from compute.expectation.search import Search, SharedTables
from compute.projection.slices import empty_accumulator
from compute.sampling.orientations import local_grid
from compute.sampling.rotations import angle_between
from compute.signal.fourier import shell_sums
from tests.compute.expectation.scene import (
    BOX,
    NO_TURN,
    SHELLS,
    Single,
    World,
    make_block,
    make_search,
    make_world,
    noise_images,
    singles,
    some_grid,
    tables_for,
)

IMAGES = 6
NUMBERS = ("maximum_probability", "significant_samples", "log_evidence", "weight", "cross")
SEARCHES = {
    "shared": make_search(some_grid(0), coarse_size=BOX),
    "local": make_search(local_grid(15.0, 30.0, 3.0, NO_TURN), coarse_size=BOX),
    "correlation": make_search(is_correlation=True),
    "coarse only": make_search(oversample=False),
    "capped": make_search(maximum_significant=3),
}


@pytest.fixture(scope="module")
def world() -> World:
    return make_world()


def scene(world: World, search: Search) -> tuple[Block, SharedTables]:
    """Noisy images at poses of a grid, some pixels off their middle; one of them is not finite."""
    power = world.noise_power(0.05)
    grid = torch.from_numpy(some_grid(1).coarse)
    turns = grid[torch.arange(IMAGES) * 37]
    images = world.images(turns, torch.zeros(IMAGES, 2)) + noise_images(IMAGES, power)
    images[2, 3, 4] = torch.nan
    block = make_block(images, world, turns[:, None], torch.tensor([[1, -2]]).repeat(IMAGES, 1))
    return block, tables_for(search, world, power)


def together(block: Block, search: Search, tables: SharedTables) -> list[BatchResult]:
    determined = torch.ones(len(tables.pixels.shell))
    return list(batch.search_block(block, search, tables, determined, Unmeasured()))


def alone(block: Block, search: Search, tables: SharedTables) -> list[Single | None]:
    return singles(block, search, tables, torch.ones(len(tables.pixels.shell)))


def sums_of(results: list[BatchResult], tables: SharedTables) -> Tensor:
    accumulator = empty_accumulator(2, BOX // 2)
    for one in results:
        batch.put_back(one, tables, accumulator)
    return accumulator.sums


@pytest.mark.parametrize("kind", SEARCHES)
def test_results_are_those_of_one_image_after_another(
    world: World, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A local search on the CPU grows from its core: here the core is the whole lattice."""
    monkeypatch.setattr(host_block, "CORE_STEPS", 9.0)
    search = SEARCHES[kind]
    block, tables = scene(world, search)
    (found,) = together(block, search, tables)
    expected = alone(block, search, tables)
    assert found.is_found.tolist() == [one is not None for one in expected]
    assert found.is_found.tolist() == [True, True, False, True, True, True]
    residual = torch.zeros(SHELLS, dtype=torch.float64)
    for i, one in enumerate(expected):
        if one is None:
            assert float(found.weight[i]) == float(found.cross[i]) == 0.0
            assert torch.equal(found.rotation[i], block.centres[i, 0])
            continue
        for name in NUMBERS:
            value = float(getattr(found, name)[i])
            assert value == pytest.approx(float(getattr(one, name)), rel=2e-4, abs=1e-3), name
        for name in ("model_power", "offset_square_A2"):
            assert float(getattr(found, name)[i]) == pytest.approx(getattr(one, name), rel=2e-4)
        turned = angle_between(found.rotation[i : i + 1].numpy(), one.rotation[None].numpy())
        assert turned.max() < 0.01
        assert torch.allclose(found.offset_A[i].double(), one.offset_A.double(), atol=2e-3)
        assert float(found.residual_power[i]) == pytest.approx(
            float(one.residual_power.sum()), rel=1e-4
        )
        residual += one.residual_power
    assert torch.allclose(found.noise_residual, residual, rtol=1e-4)
    accumulator = empty_accumulator(2, BOX // 2)
    for one in expected:
        if one is not None:
            step.accumulate(one.found, tables, accumulator)
    error = (sums_of([found], tables) - accumulator.sums).abs().max()
    assert float(error) < 1e-4 * float(accumulator.sums.abs().max())


def test_few_poses_at_a_time_give_the_same(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    search = SEARCHES["shared"]
    block, tables = scene(world, search)
    (whole,) = together(block, search, tables)
    monkeypatch.setattr(batch, "POSES_AT_ONCE", 1)
    monkeypatch.setattr(batch, "MEAN_BYTES", 5 * 8 * tables.count)
    parts = together(block, search, tables)
    assert [part.images for part in parts] == [slice(i, i + 1) for i in range(IMAGES)]
    for name in (*NUMBERS, "rotation", "offset_A", "residual_power"):
        joined = torch.cat([getattr(part, name) for part in parts])
        value = getattr(whole, name)[whole.is_found]
        assert torch.allclose(joined[whole.is_found], value, rtol=1e-4, atol=1e-5), name
    first, second = sums_of([whole], tables), sums_of(parts, tables)
    assert float((first - second).abs().max()) < 1e-5 * float(first.abs().max())


def test_a_block_without_any_finite_image_changes_nothing(world: World) -> None:
    search = SEARCHES["local"]
    block, tables = scene(world, search)
    nothing = dataclasses.replace(block, images=block.images.part(slice(2, 3)))
    nothing = Block(nothing.images, block.centres[2:3], block.base_A[2:3])
    (found,) = together(nothing, search, tables)
    assert not bool(found.is_found.any()) and not len(found.pairs.rows)
    assert not bool(found.noise_residual.any())
    assert not bool(sums_of([found], tables).any())


def test_the_noise_of_all_images_is_summed_per_shell(world: World) -> None:
    """Beyond the working size it is the images' own power."""
    search = make_search(some_grid(0), size=20, accumulation_size=20)
    block, tables = scene(world, search)
    (found,) = together(block, search, tables)
    power = block.images.masked.abs().square().double() * found.weight[:, None]
    own = shell_sums(power[found.is_found].sum(0), tables.pixels.shell, SHELLS)
    assert torch.allclose(found.noise_residual[11:], own[11:], rtol=1e-5)


@pytest.mark.parametrize(
    ("poses", "box", "expected"), [(100, 64, 256), (10_000_000, 64, 6), (100, 1024, 23)]
)
def test_blocks_fit_into_their_room(poses: int, box: int, expected: int) -> None:
    assert batch.images_per_batch(poses, box) == expected
    assert batch.images_per_batch(poses, box, 4) == 4 * expected


def test_large_devices_work_on_more_at_a_time() -> None:
    sizes_GB = (8, 23, 24, 48, 80, 141)
    assert [batch.scale_for(1e9 * size) for size in sizes_GB] == [1, 1, 2, 2, 4, 4]
    assert batch.scale_of(torch.device("cpu")) == 1
