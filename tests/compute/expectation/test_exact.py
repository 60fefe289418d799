"""Both passes of the expectation step against every pose of the fine grid, weighed in double precision.

Specification §12, check 28. The exhaustive search is not ours: scores and weights of the reference come from the
definition, in float64, without any cut. The first pass keeps the coarse poses that hold 99.9 % of *its* weight, which
is not 99.9 % of the weight of the fine grid: between coarse poses lie fine ones that none of them vouches for. What is
cut there is missing in the sum of the weights, so that the largest probability comes out too high: by 2.4, 2.0 and
1.9 % here for 40, 60 and 300 images (1.4 % one order finer, 4 % there for three times the signal). Best poses, means
over the posterior and the sums of a refinement hold the 1 % that the check asks for; the largest probability holds it
as soon as the first pass cuts less, and equals, at the usual cut, that of the poses which the rule leaves.
"""

import dataclasses

import numpy as np
import pytest
import torch
from torch import Tensor

from compute.expectation.prepare import Block
from compute.expectation.search import Search, SharedTables
from compute.projection import kernels_torch
from compute.sampling.translations import TranslationGrid
from tests.compute.expectation.scene import (
    BOX,
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

SNR, COARSE_SIZE, SIGMA_A = 0.03, 14, 10.0
"""Hundreds of poses matter at this signal to noise; the first pass is the schedule's for 30° and 88 Å; offset prior."""
USUAL, NEARLY_ALL = 0.999, 0.99999


@dataclasses.dataclass(frozen=True)
class Case:
    """Noisy images of known poses of the fine grid, with the scores of every coarse and every fine pose."""

    world: World
    block: Block
    noise: Tensor
    fine: Tensor
    coarse: Tensor

    def tables(self, search: Search) -> SharedTables:
        return tables_for(search, self.world, self.noise)

    def results(self, search: Search) -> list[Single]:
        determined = torch.zeros(len(self.world.pixels.shell))
        found = singles(self.block, search, self.tables(search), determined)
        assert all(one is not None for one in found)
        return [one for one in found if one is not None]


def exact_scores(
    world: World, noise: Tensor, block: Block, rotations: Tensor, shifts_A: Tensor, size: int
) -> Tensor:
    """Log posterior of every image at every pose up to a constant of the image, in float64, from the definition.

    -½ Σ |X exp(2πi s·t) - CTF Y|²/σ² - |t|²/(2 · 10² Å²) without the term of X alone and without zero frequency.
    """
    pixels, values = world.pixels, world.projector.values.double()
    n = pixels.count(size)
    xy = (pixels.model_x[:n].double(), pixels.model_y[:n].double())
    slices = kernels_torch.slices(values, rotations.double(), *xy, world.projector.padding)
    weight = 1.0 / noise.double()[pixels.shell[:n]]
    weight[0] = 0.0
    frequency = torch.stack([pixels.shift_x_A[:n], pixels.shift_y_A[:n]])
    turns = -2 * torch.pi * shifts_A.double() @ frequency
    forward = block.images.forward[:, :n].double() * weight.sqrt()
    images = block.images.masked[:, :n].to(torch.complex128) * weight.sqrt() * forward
    moved = images[:, None] * torch.polar(torch.ones_like(turns), turns)
    rows = torch.cat([moved.real, moved.imag], -1).flatten(0, 1)
    cross = (rows @ slices.flatten(1).T).view(len(images), len(shifts_A), -1).transpose(1, 2)
    power = forward.square() @ slices.square().sum(1).T
    prior = -shifts_A.double().square().sum(1) / (2 * SIGMA_A**2)
    scores: Tensor = cross - 0.5 * power[:, :, None] + prior
    return scores


def make_case(count: int, seed: int) -> Case:
    world, search = make_world(), make_search(coarse_size=COARSE_SIZE)
    noise = world.noise_power(SNR)
    tables = tables_for(search, world, noise)
    generator = torch.Generator().manual_seed(seed)
    turns, moves = (
        some[torch.randint(len(some), (count,), generator=generator)]
        for some in (tables.fine_rotations, tables.fine_shifts_A)
    )
    images = world.images(turns, -moves) + noise_images(count, noise, seed)
    block = make_block(images, world)
    fine, coarse = (
        exact_scores(world, noise, block, *poses)
        for poses in (
            (tables.fine_rotations, tables.fine_shifts_A, BOX),
            (tables.coarse_rotations, tables.coarse_shifts_A, COARSE_SIZE),
        )
    )
    return Case(world, block, noise, fine, coarse)


@pytest.fixture(scope="module")
def case() -> Case:
    return make_case(20, 1)


def probabilities(scores: Tensor) -> Tensor:
    """The posterior of every image over all its poses."""
    return torch.softmax(scores.flatten(1), 1).view(scores.shape)


def left_by_the_first_pass(case: Case, fraction: float) -> Tensor:
    """Scores of the fine poses whose parents are the fewest that hold the fraction in the first pass, else -inf."""
    weights = probabilities(case.coarse).flatten(1)
    ordered, order = weights.sort(descending=True)
    before = ordered.cumsum(1) - ordered
    is_kept = torch.zeros_like(weights, dtype=torch.bool)
    is_kept.scatter_(1, order, before <= fraction)
    parents = is_kept.view(case.coarse.shape)
    children = parents.repeat_interleave(8, 1).repeat_interleave(4, 2)
    return case.fine.masked_fill(~children, -torch.inf)


def check_poses(results: list[Single], case: Case, tables: SharedTables) -> None:
    """The same best pose for at least 99 % of the images."""
    shifts = case.fine.shape[2]
    best = case.fine.flatten(1).argmax(1)
    turns, moves = tables.fine_rotations[best // shifts], tables.fine_shifts_A[best % shifts]
    found = torch.stack([one.rotation for one in results])
    offsets = torch.stack([one.offset_A for one in results]).float()
    same = torch.isclose(found, turns, atol=1e-5).flatten(1).all(1)
    same &= torch.isclose(offsets, moves, atol=1e-4).all(1)
    assert float(same.float().mean()) >= 0.99


def largest(results: list[Single]) -> np.ndarray:
    return np.array([one.maximum_probability for one in results])


def offset_square(results: list[Single]) -> float:
    return float(np.mean([one.offset_square_A2 for one in results]))


def check_means(results: list[Single], case: Case, tables: SharedTables, rel: float) -> None:
    """The mean square offset of the posterior."""
    squares = tables.fine_shifts_A.double().square().sum(1)
    expected = float((probabilities(case.fine).sum(1) @ squares).mean())
    assert offset_square(results) == pytest.approx(expected, rel=rel)


def test_both_passes_agree_with_all_poses_weighed_in_double_precision(case: Case) -> None:
    """With hardly a cut in the first pass: poses, evidence, largest probability and means of the posterior."""
    search = make_search(coarse_size=COARSE_SIZE, adaptive_fraction=NEARLY_ALL)
    results, tables = case.results(search), case.tables(search)
    check_poses(results, case, tables)
    check_means(results, case, tables, 0.001)
    exact = probabilities(case.fine).flatten(1).max(1).values.numpy()
    assert largest(results).mean() == pytest.approx(exact.mean(), rel=0.002)
    assert np.abs(largest(results) - exact).max() < 0.002
    assert 0.02 < exact.mean() < 0.5  # hundreds of poses matter


def test_the_usual_cut_changes_no_pose_and_no_mean(case: Case) -> None:
    """At 99.9 %: as all poses in what a map is made of; the largest probability is that of the poses which are left."""
    search = make_search(coarse_size=COARSE_SIZE, adaptive_fraction=USUAL)
    results, tables = case.results(search), case.tables(search)
    check_poses(results, case, tables)
    check_means(results, case, tables, 0.01)
    left = probabilities(left_by_the_first_pass(case, USUAL)).flatten(1).max(1).values.numpy()
    np.testing.assert_allclose(largest(results), left, rtol=0.01)
    assert largest(results).mean() == pytest.approx(left.mean(), rel=0.002)
    everywhere = probabilities(case.fine).flatten(1).max(1).values.numpy()
    assert everywhere.mean() < left.mean() < 1.04 * everywhere.mean()


def exhaustive_search() -> Search:
    """Our own search of one pass over every pose of the fine grid."""
    coarse, shifts = some_grid(1), make_search().translations
    children = dataclasses.replace(
        coarse,
        coarse=coarse.fine,
        direction=np.repeat(coarse.direction, 8),
        log_prior=coarse.fine_log_prior,
    )
    points = TranslationGrid(shifts.range_A, shifts.step_A, shifts.fine, shifts.fine)
    return make_search(children, points, oversample=False, coarse_size=BOX)


@pytest.mark.slow
def test_two_passes_and_one_over_the_finer_grid_agree_for_many_images() -> None:
    """150 images: our exhaustive search is the exact one, and two passes hold poses and means of both."""
    case = make_case(150, 2)
    quick = make_search(coarse_size=COARSE_SIZE)
    nearly_all = dataclasses.replace(quick, adaptive_fraction=NEARLY_ALL)
    exact = probabilities(case.fine).flatten(1).max(1).values.numpy()
    complete = case.results(dataclasses.replace(exhaustive_search(), adaptive_fraction=NEARLY_ALL))
    # Slices are blended from half floats, which moves scores by some 1e-4 of their size.
    np.testing.assert_allclose(largest(complete), exact, rtol=3e-3)
    residual = [float(sum(one.residual_power[1:].sum() for one in complete))]
    for search, tolerance in ((nearly_all, 0.002), (quick, 0.03)):
        results = case.results(search)
        check_poses(results, case, case.tables(search))
        check_means(results, case, case.tables(search), 0.01)
        assert largest(results).mean() == pytest.approx(exact.mean(), rel=tolerance)
        residual.append(float(sum(one.residual_power[1:].sum() for one in results)))
    np.testing.assert_allclose(residual, residual[0], rtol=0.002)
