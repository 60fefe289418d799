"""The expectation step on images whose poses, noise and offsets are known."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import Tensor

from compute.expectation import fine, host, step
from compute.expectation.prepare import Block
from compute.expectation.search import Search, SharedTables
from compute.projection.slices import empty_accumulator, slices
from compute.sampling.orientations import OrientationGrid, local_grid
from compute.sampling.rotations import angle_between
from compute.sampling.symmetry import mates, parse_symmetry
from compute.sampling.translations import translation_grid
from compute.signal.fourier import half_plane_pixels, shell_sums
from compute.signal.phantom import phantom_map
from tests.compute.expectation.scene import (
    BOX,
    NO_SHIFT,
    NO_TURN,
    PIXEL_A,
    SHELLS,
    Single,
    World,
    make_block,
    make_search,
    make_world,
    noise_images,
    rows_of,
    singles,
    some_grid,
    specimen,
    tables_for,
)


@pytest.fixture(scope="module")
def world() -> World:
    return make_world()


@pytest.fixture(scope="module")
def grid() -> OrientationGrid:
    """15 degrees apart, 7.5 degrees in the second pass."""
    return some_grid(2)


def results_of(
    block: Block, search: Search, tables: SharedTables, determined: Tensor | None = None
) -> list[Single]:
    """Results of images that all have finite scores."""
    if determined is None:
        determined = torch.zeros(len(tables.pixels.shell))
    found = [one for one in singles(block, search, tables, determined) if one is not None]
    assert len(found) == len(block.centres)
    return found


def sums_of(results: list[Single], tables: SharedTables) -> Tensor:
    """The volume of sums after all results have been put back."""
    accumulator = empty_accumulator(2, BOX // 2)
    for one in results:
        step.accumulate(one.found, tables, accumulator)
    return accumulator.sums


def fine_poses(tables: SharedTables, count: int, seed: int = 1) -> tuple[Tensor, Tensor]:
    """Random poses of the fine grid."""
    generator = torch.Generator().manual_seed(seed)
    turns = torch.randint(len(tables.fine_rotations), (count,), generator=generator)
    shifts = torch.randint(len(tables.fine_shifts_A), (count,), generator=generator)
    return tables.fine_rotations[turns], tables.fine_shifts_A[shifts]


def noisy_block(
    world: World, noise_power: Tensor, turns: Tensor, shifts: Tensor, seed: int = 0
) -> Block:
    images = world.images(turns, -shifts)
    return make_block(images + noise_images(len(images), noise_power, seed), world)


def is_at(results: list[Single], turns: Tensor, shifts: Tensor) -> Tensor:
    """Which results are exactly at the given poses."""
    found = torch.stack([one.rotation for one in results])
    moved = torch.stack([one.offset_A for one in results])
    same = torch.isclose(found, turns, atol=1e-5).flatten(1).all(1)
    return same & torch.isclose(moved, shifts.double(), atol=1e-4).all(1)


# ---- poses


def test_images_without_noise_are_found_at_their_pose(world: World, grid: OrientationGrid) -> None:
    search = make_search(grid)
    tables = tables_for(search, world, world.noise_power(0.1))
    turns, shifts = fine_poses(tables, 32)
    results = results_of(make_block(world.images(turns, -shifts), world), search, tables)
    assert bool(is_at(results, turns, shifts).all())


def test_clear_images_have_a_single_pose(world: World, grid: OrientationGrid) -> None:
    """At a signal as strong as the noise; the usual first pass may miss one in sixteen, a careful one misses none."""
    search = make_search(grid, coarse_size=8)
    tables = tables_for(search, world, world.noise_power(1.0))
    turns, shifts = fine_poses(tables, 32)
    results = results_of(make_block(world.images(turns, -shifts), world), search, tables)
    right = is_at(results, turns, shifts)
    assert int(right.sum()) >= 30
    careful = dataclasses.replace(search, adaptive_fraction=0.999999)
    every = results_of(make_block(world.images(turns, -shifts), world), careful, tables)
    assert bool(is_at(every, turns, shifts).all())
    assert all(one.maximum_probability > 0.99 for one in every)
    assert all(
        one.maximum_probability > 0.99 for one, hit in zip(results, right, strict=True) if hit
    )
    assert np.median([one.significant_samples for one in results]) < 30
    found = torch.stack([one.rotation for one in results]).numpy()
    assert angle_between(found, turns.numpy()).max() < 2 * 7.5


def test_a_local_search_finds_its_pose(world: World) -> None:
    """The data outweigh the prior, which prefers the present pose, up to 12 degrees away."""
    lattice = local_grid(3.75, 3.75, 3.0, NO_TURN)
    search = make_search(lattice, translation_grid(4.0, 4.0, NO_SHIFT), coarse_size=BOX)
    tables = tables_for(search, world, world.noise_power(2.0))
    assert tables.coarse_slices is None
    centres, _ = fine_poses(tables_for(make_search(), world, world.noise_power(1.0)), 12)
    moves, shifts = fine_poses(tables, 12, seed=5)
    turns = moves @ centres
    block = make_block(world.images(turns, -shifts), world, centres[:, None])
    results = results_of(block, search, tables)
    found = torch.stack([one.rotation for one in results]).numpy()
    moved = torch.stack([one.offset_A for one in results])
    assert angle_between(found, turns.numpy()).max() < 1.875 / 2
    assert torch.allclose(moved, shifts.double(), atol=1e-4)


def test_an_offset_already_applied_is_part_of_the_result(world: World) -> None:
    search = make_search()
    tables = tables_for(search, world, world.noise_power(0.1))
    turns, shifts = fine_poses(tables, 6)
    steps = torch.tensor([[2, -1], [0, 1], [-2, 0], [1, 1], [-1, 2], [0, 0]])
    images = world.images(turns, -shifts - PIXEL_A * steps)
    block = make_block(images, world, shifts_px=steps)
    results = results_of(block, search, tables)
    assert bool(is_at(results, turns, shifts + PIXEL_A * steps).all())


def test_a_relaxed_symmetry_finds_the_mate(world: World) -> None:
    """The present pose is that of a mate in C2; the particle itself lies half a turn about z away."""
    lattice = local_grid(7.5, 7.5, 1.0, NO_TURN)
    search = make_search(lattice, coarse_size=BOX)
    tables = tables_for(search, world, world.noise_power(0.5))
    current, _ = fine_poses(tables_for(make_search(), world, world.noise_power(1.0)), 4)
    operators = parse_symmetry("C2").operators
    centres = torch.from_numpy(mates(current.numpy(), operators)).float()
    truth = torch.cat([centres[:2, 1], centres[2:, 0]])
    still = torch.zeros(4, 2)
    block = make_block(world.images(truth, still), world, centres)
    found = torch.stack([one.rotation for one in results_of(block, search, tables)])
    assert angle_between(found.numpy(), truth.numpy()).max() < 7.5
    alone = make_block(world.images(truth, still), world, current[:, None])
    stuck = torch.stack([one.rotation for one in results_of(alone, search, tables)])
    assert angle_between(stuck.numpy(), truth.numpy())[:2].min() > 90.0


def test_correlation_finds_the_pose_whatever_the_grey_scale_of_the_map(
    world: World, grid: OrientationGrid
) -> None:
    """With a map ten times too strong: same poses, same sums, so the new map has the data's scale."""
    search = make_search(grid, is_correlation=True)
    strong = dataclasses.replace(
        world, projector=dataclasses.replace(world.projector, values=10 * world.projector.values)
    )
    noise = world.noise_power(1.0)
    tables, tenfold = tables_for(search, world, noise), tables_for(search, strong, noise)
    turns, shifts = fine_poses(tables, 16)
    block = noisy_block(world, world.noise_power(5.0), turns, shifts)
    once, other = results_of(block, search, tables), results_of(block, search, tenfold)
    found = torch.stack([one.rotation for one in other])
    moved = torch.stack([one.offset_A for one in other])
    assert bool(is_at(once, found, moved).all())
    assert all(one.significant_samples == 1 and one.maximum_probability == 1.0 for one in once)
    assert torch.equal(sums_of(once, tables), sums_of(other, tenfold))
    assert int(is_at(once, turns, shifts).sum()) >= 8


def test_an_image_that_is_not_finite_has_no_result(world: World) -> None:
    search = make_search()
    tables = tables_for(search, world, world.noise_power(1.0))
    turns, shifts = fine_poses(tables, 3)
    images = world.images(turns, -shifts)
    images[1, 5, 5] = torch.nan
    determined = torch.zeros(len(world.pixels.shell))
    found = singles(make_block(images, world), search, tables, determined)
    assert [one is None for one in found] == [False, True, False]
    (missing,) = [
        one
        for one in step.search_images(make_block(images, world), search, tables, determined)
        if one.images.stop - one.images.start == 3
    ]
    assert missing.is_found.tolist() == [True, False, True]
    assert 1 not in missing.image.tolist()
    assert float(missing.weight[1]) == float(missing.residual_power[1]) == 0.0


# ---- invariances


def test_a_constant_added_to_images_changes_nothing_but_zero_frequency(world: World) -> None:
    search = make_search()
    tables = tables_for(search, world, world.noise_power(0.3))
    turns, shifts = fine_poses(tables, 4)
    images = world.images(turns, -shifts)
    before = results_of(make_block(images, world), search, tables)
    after = results_of(make_block(images + float(images.std()), world), search, tables)
    for one, other in zip(before, after, strict=True):
        assert torch.equal(one.rotation, other.rotation)
        assert torch.equal(one.offset_A, other.offset_A)
        assert other.maximum_probability == pytest.approx(one.maximum_probability, rel=1e-4)
        assert torch.allclose(one.residual_power[1:], other.residual_power[1:], rtol=1e-3)
        assert float(other.residual_power[0]) > 10 * float(one.residual_power[0])


def test_a_tiny_noise_power_gives_finite_weights(world: World) -> None:
    search = make_search()
    clear = tables_for(search, world, 1e-6 * world.noise_power(1.0))
    turns, shifts = fine_poses(clear, 8)
    block = noisy_block(world, world.noise_power(1.0), turns, shifts)
    for one in results_of(block, search, clear):
        assert one.maximum_probability == pytest.approx(1.0)
        assert one.weight == pytest.approx(1.0)
        assert np.isfinite(one.log_evidence)
        assert abs(one.log_evidence) > 1e6
        for values in (one.residual_power, one.values, one.orientation_weight):
            assert bool(torch.isfinite(values).all())


def test_blocks_of_any_size_give_the_same_results(world: World) -> None:
    search = make_search()
    noise = world.noise_power(0.1)
    tables = tables_for(search, world, noise)
    turns, shifts = fine_poses(tables, 16)
    block = noisy_block(world, noise, turns, shifts)
    together = results_of(block, search, tables)
    alone = [results_of(rows_of(block, slice(i, i + 1)), search, tables)[0] for i in range(16)]
    for one, other in zip(together, alone, strict=True):
        assert torch.equal(one.rotation, other.rotation)
        assert torch.equal(one.offset_A, other.offset_A)
        assert one.maximum_probability == pytest.approx(other.maximum_probability, rel=1e-4)
        assert torch.allclose(one.residual_power, other.residual_power, rtol=1e-4)
    first, second = sums_of(together, tables), sums_of(alone, tables)
    assert float((first - second).abs().max()) < 1e-4 * float(first.abs().max())


def test_blocks_shrink_for_large_grids() -> None:
    poses = len(some_grid(2).coarse)
    small = make_search(some_grid(2))
    line = translation_grid(80.0, 1.0, NO_SHIFT)
    large = make_search(some_grid(2), line)
    assert step.images_per_block(small, 16) == 16
    assert step.images_per_block(large, 16) == max(
        1, step.SCORE_BYTES // (4 * poses * len(line.coarse))
    )
    local = make_search(local_grid(3.75, 3.75, 3.0, NO_TURN), line)
    assert step.images_per_block(local, 16) == 16


# ---- sums


def test_candidates_taken_a_few_at_a_time_give_the_same_results(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = make_search()
    noise = world.noise_power(0.02)
    tables = tables_for(search, world, noise)
    turns, shifts = fine_poses(tables, 8)
    block = noisy_block(world, noise, turns, shifts)
    whole = results_of(block, search, tables)
    monkeypatch.setattr(host, "SLICES_BYTES", 0)
    monkeypatch.setattr(fine, "CANDIDATE_BYTES", 8 * tables.count * 5)
    parts = results_of(block, search, tables)
    assert min(len(one.rows) for one in whole) > 2 * 5
    for one, other in zip(whole, parts, strict=True):
        assert torch.equal(one.rotation, other.rotation)
        assert torch.equal(one.rows, other.rows)
        assert torch.allclose(one.residual_power, other.residual_power, rtol=1e-4)
        assert torch.allclose(one.values, other.values, atol=1e-4 * float(one.values.abs().max()))


@pytest.mark.parametrize("fraction", [0.9, 0.999])
def test_stored_weights_add_up(world: World, fraction: float) -> None:
    """Each image's weights exceed the fraction; the sums of all images hold exactly these weights."""
    search = make_search(adaptive_fraction=fraction)
    noise = world.noise_power(0.05)
    tables = tables_for(search, world, noise)
    turns, shifts = fine_poses(tables, 20)
    results = results_of(noisy_block(world, noise, turns, shifts), search, tables)
    for one in results:
        assert fraction < one.weight <= 1 + 1e-6
        assert one.weight == pytest.approx(float(one.orientation_weight.double().sum()), abs=1e-9)
        assert len(one.rows) == len(one.rotations) == len(one.values)
    expected = sum(one.weight * float(one.insertion_weight.double().sum()) for one in results)
    found = float(sums_of(results, tables)[..., 2].double().sum())
    assert found == pytest.approx(expected, rel=1e-5)


def test_insertion_puts_an_image_back_where_its_slice_is(world: World) -> None:
    """Numerator over denominator of one clear image is the projector's slice, centred and without CTF."""
    search = make_search()
    noise = world.noise_power(100.0)
    tables = tables_for(search, world, noise)
    turns, shifts = fine_poses(tables, 1)
    block = make_block(world.images(turns, -shifts), world)
    result = results_of(block, make_search(is_correlation=True, coarse_size=BOX), tables)[0]
    turn = tables.fine_rotations[result.rows[:1]].contiguous()
    pixels, n = tables.pixels, tables.count
    (expected,) = slices(tables.projector, turn, pixels.model_x[:n], pixels.model_y[:n])
    has_signal = block.images.forward[0].abs() > 0.3
    ratio = result.values[0] / result.insertion_weight
    error = (ratio - expected)[:, has_signal].abs().max()
    assert bool(is_at([result], turns, shifts).all())
    assert float(error) < 2e-3 * float(expected.abs().max())


def test_the_fit_of_the_scale_finds_the_scale_of_the_images(world: World) -> None:
    """Images 1.6 times as strong as the map: Σ cross / Σ model_power is 1.6 over the pixels that count."""
    search = make_search(coarse_size=BOX)
    tables = tables_for(search, world, world.noise_power(1.0))
    turns, shifts = fine_poses(tables, 12)
    block = make_block(1.6 * world.images(turns, -shifts), world)
    determined = ((world.pixels.shell > 0) & (world.pixels.shell < 8)).float()
    results = results_of(block, search, tables, determined)
    right = is_at(results, turns, shifts)
    assert int(right.sum()) >= 6
    hits = [one for one, hit in zip(results, right, strict=True) if hit]
    cross, power = sum(one.cross for one in hits), sum(one.model_power for one in hits)
    assert cross / power == pytest.approx(1.6, rel=0.02)
    nothing = results_of(block, search, tables)
    assert all(one.cross == one.model_power == 0.0 for one in nothing)


# ---- noise and offsets


def exact_noise(count: int, noise_power: Tensor) -> Tensor:
    """Noise whose mean power per shell over all images is exactly the given one."""
    pixels = half_plane_pixels(BOX, PIXEL_A)
    images = noise_images(count, noise_power)
    transform = torch.fft.rfft2(images, norm="forward")
    listed = transform[:, pixels.row, pixels.column].abs().square()
    found = shell_sums(listed, pixels.shell, SHELLS).mean(0)
    wanted = 2 * noise_power * torch.bincount(pixels.shell, minlength=SHELLS)
    y = torch.fft.fftfreq(BOX, 1 / BOX)
    shell = torch.hypot(y[:, None], torch.arange(SHELLS).float()).round().long()
    factor = (wanted / found).sqrt()[shell.clamp(max=SHELLS - 1)]
    return torch.fft.irfft2(transform * factor, s=(BOX, BOX), norm="forward")


def test_residuals_of_pure_noise_give_its_spectrum(world: World) -> None:
    """Within 3 % in every shell, when the map is as faint as one that noise alone can make."""
    noise = world.noise_power(0.003) * torch.linspace(3.0, 0.5, SHELLS, dtype=torch.float64)
    search = make_search()
    tables = tables_for(search, world, noise)
    block = make_block(exact_noise(40, noise).float(), world)
    counts = torch.bincount(world.pixels.shell, minlength=SHELLS)
    determined = (world.pixels.shell > 0).float()
    results = results_of(block, search, tables, determined)
    weight = sum(one.weight for one in results)
    residual = torch.stack([one.residual_power for one in results]).sum(0)
    found = residual / (2 * weight * counts)
    assert torch.allclose(found[1:], noise[1:], rtol=0.03)


@pytest.mark.parametrize("size", [20, 26])
def test_power_beyond_the_working_size_is_the_images_own(world: World, size: int) -> None:
    noise = world.noise_power(0.1)
    search = make_search(size=size, accumulation_size=size)
    tables = tables_for(search, world, noise)
    turns, shifts = fine_poses(tables, 3)
    block = noisy_block(world, noise, turns, shifts)
    own = shell_sums(block.images.masked.abs().square(), world.pixels.shell, SHELLS)
    for one, power in zip(results_of(block, search, tables), own, strict=True):
        beyond = slice(size // 2 + 1, None)
        assert torch.allclose(one.residual_power[beyond], one.weight * power[beyond], rtol=1e-5)
        assert float(one.residual_power[1:6].sum()) < float(power[1:6].sum())


@pytest.mark.parametrize("pixel_size_A", [0.8, 1.5, 4.0])
def test_offsets_spread_is_found_in_angstroms(pixel_size_A: float) -> None:
    """True offsets of 4 Å (standard deviation) with part of each already applied as whole pixels."""
    images, sigma_A = 250, 4.0
    size_A = BOX * pixel_size_A
    blobs = specimen(scale=0.16 * size_A / 44.0)
    pixels = half_plane_pixels(BOX, pixel_size_A)
    base = make_world(phantom_map(blobs, BOX, pixel_size_A))
    imaging = dataclasses.replace(
        base.imaging, pixels=pixels, pixel_size_A=pixel_size_A, is_ctf_corrected=False
    )
    world = World(base.projector, pixels, imaging)
    generator = np.random.default_rng(7)
    truth = torch.from_numpy(generator.normal(0, sigma_A, (images, 2)))
    truth = truth.clamp(-3 * sigma_A, 3 * sigma_A)
    guess = truth + torch.from_numpy(generator.normal(0, 1.0, (images, 2)))
    steps = (guess / pixel_size_A).round().long()
    lattice = local_grid(7.5, 7.5, 0.0, NO_TURN)
    reach = 3.0 + pixel_size_A / 2
    search = make_search(
        lattice, translation_grid(reach, 1.0, NO_SHIFT), coarse_size=BOX, offset_sigma_A=10.0
    )
    tables = tables_for(search, world, world.noise_power(2.0))
    turns = torch.eye(3).expand(images, 3, 3).contiguous()
    block = make_block(world.images(turns, -truth), world, shifts_px=steps)
    results = results_of(block, search, tables)
    squares = sum(one.offset_square_A2 for one in results)
    weight = sum(one.weight for one in results)
    assert (squares / (2 * weight)) ** 0.5 == pytest.approx(sigma_A, abs=0.3)
    found = torch.stack([one.offset_A for one in results])
    assert float((found - truth).abs().median()) < 0.25 * PIXEL_A
