"""Many images against slices of their own: the kernels for GPUs against their definition."""

import pytest
import torch
from torch import Tensor

from compute.expectation import pairs_torch, pairs_triton
from compute.projection.reference import Projector, grid_shape, paired
from compute.signal.fourier import half_plane_pixels

PADDING, RADIUS, IMAGES, PAIRS, SHIFTS = 2, 8, 3, 21, 19


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def xy() -> tuple[Tensor, Tensor]:
    pixels = half_plane_pixels(2 * RADIUS, 1.0)
    return pixels.model_x, pixels.model_y


TURNS = torch.linalg.qr(random(PAIRS, 3, 3)).Q.contiguous()
VOLUME = paired(Projector(random(*grid_shape(PADDING, RADIUS), 2, seed=1), PADDING, RADIUS))
OWNER = torch.tensor([0] * 4 + [2] * 17)
"""The second image has no pairs."""


def close(found: Tensor, expected: Tensor) -> None:
    assert float((found - expected).abs().max()) < 1e-5 * float(expected.abs().max())


def test_scores_are_those_of_the_definition(xy: tuple[Tensor, Tensor]) -> None:
    """With phases of more pixels than the images have, and numbers that no block size divides."""
    count = len(xy[0])
    images, strength = random(IMAGES, 2, count, seed=2), random(IMAGES, count, seed=3).abs()
    phases = random(SHIFTS, 2, count + 5, seed=4)
    given = (VOLUME, TURNS, OWNER, xy, images, strength, phases, True)
    found, expected = pairs_triton.scores(*given), pairs_torch.scores(*given)
    assert found[0].shape == (PAIRS, SHIFTS)
    close(found[0], expected[0])
    close(found[1], expected[1])


def test_a_score_is_that_of_the_formula(xy: tuple[Tensor, Tensor]) -> None:
    """Re Σ conj(S) X e^{iφ} with complex numbers, for one pair and shift."""
    count = len(xy[0])
    image, angle = random(1, 2, count, seed=5), random(count, seed=6)
    phase = torch.exp(1j * angle)
    rows = torch.stack([phase.real, -phase.imag])[None]
    given = (VOLUME, TURNS[:1], OWNER[:1], xy, image, torch.ones(1, count), rows, True)
    cross, power = pairs_torch.scores(*given)
    real, imaginary = pairs_torch.kernels_torch.slices(VOLUME.values, TURNS[:1], *xy, PADDING)[0]
    sliced = torch.complex(real, imaginary)
    expected = (sliced.conj() * torch.complex(image[0, 0], image[0, 1]) * phase).sum().real
    assert float(cross[0, 0]) == pytest.approx(float(expected), rel=1e-4)
    assert float(power[0]) == pytest.approx(float(sliced.abs().square().sum()), rel=1e-5)


def test_sums_over_pairs_are_those_of_the_definition(xy: tuple[Tensor, Tensor]) -> None:
    """They are added to what is there."""
    count = len(xy[0])
    images, shares = random(IMAGES, 2, count, seed=2), random(PAIRS, seed=3).abs()
    means = random(PAIRS, 2, count + 3, seed=4)
    made = []
    for kernels in (pairs_triton, pairs_torch):
        fit, model = random(IMAGES, count, seed=5), random(IMAGES, count, seed=6)
        given = (VOLUME, TURNS, OWNER, xy, images, shares, means)
        kernels.model_sums(*given, fit, model)
        made.append((fit, model))
    close(made[0][0], made[1][0])
    close(made[0][1], made[1][1])
    assert torch.equal(made[0][0][1], random(IMAGES, count, seed=5)[1])


def test_images_are_put_back_as_the_definition_does(xy: tuple[Tensor, Tensor]) -> None:
    count = len(xy[0])
    images, shares = random(IMAGES, 2, count, seed=2), random(PAIRS, seed=3).abs()
    means, weights = random(PAIRS, 2, count, seed=4), random(IMAGES, count, seed=7).abs()
    sums = [random(*grid_shape(PADDING, RADIUS), 3, seed=8) for _ in range(2)]
    for kernels, to in zip((pairs_triton, pairs_torch), sums, strict=True):
        kernels.put_back(to, PADDING, TURNS, OWNER, xy, images, shares, means, weights)
    close(*sums)


def test_no_pairs_leave_everything_as_it_is(xy: tuple[Tensor, Tensor]) -> None:
    none, owner = TURNS[:0], OWNER[:0]
    count = len(xy[0])
    images, weights = random(IMAGES, 2, count), random(IMAGES, count)
    for kernels in (pairs_triton, pairs_torch):
        cross, power = kernels.scores(
            VOLUME, none, owner, xy, images, weights, random(SHIFTS, 2, count), True
        )
        assert cross.shape == (0, SHIFTS) and power.shape == (0,)
        fit = torch.zeros(IMAGES, count)
        shares, means = torch.zeros(0), torch.zeros(0, 2, count)
        kernels.model_sums(VOLUME, none, owner, xy, images, shares, means, fit, fit)
        sums = torch.zeros(*grid_shape(PADDING, RADIUS), 3)
        kernels.put_back(sums, PADDING, none, owner, xy, images, shares, means, weights)
        assert not bool(fit.any()) and not bool(sums.any())


def rounded(values: Tensor) -> Tensor:
    """Numbers of 10 bits and a sign, as the matrix units of GPUs take them: tf32."""
    bits = values.contiguous().view(torch.int32)
    return ((bits + 0x1000) & ~0x1FFF).view(torch.float32)


def test_factors_rounded_to_tf32_move_scores_little(xy: tuple[Tensor, Tensor]) -> None:
    """By a thousandth of the scores' spread at most; what rounding has left, multiplied too, to a millionth."""
    count = len(xy[0])
    images, phases = random(IMAGES, 2, count, seed=2), random(SHIFTS, 2, count, seed=4)
    rows = pairs_torch._along(
        pairs_torch.kernels_torch.slices(VOLUME.values, TURNS, *xy, PADDING), images[OWNER]
    ).reshape(PAIRS, -1)
    columns = phases.reshape(SHIFTS, -1).T
    exact, found = rows @ columns, rounded(rows) @ rounded(columns)
    assert 0 < float((found - exact).abs().max()) < 1e-3 * float(exact.std())
    wide = rows.double() @ columns.double()
    left, other = rounded(rows - rounded(rows)), rounded(columns - rounded(columns))
    found = found + rounded(rows) @ other + left @ rounded(columns)
    assert float((found.double() - wide).abs().max()) < 3e-6 * float(wide.std())
