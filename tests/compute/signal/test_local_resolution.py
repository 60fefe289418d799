"""Local resolution: planted cores and rims, and the laws of its parts."""

import hypothesis
import numpy as np
import pytest
import torch
from hypothesis import strategies as st

from compute.signal.fourier import lowpass
from compute.signal.fsc import fsc
from compute.signal.local_resolution import (
    corrected,
    crossing_frequency,
    local_fsc,
    locally_filtered,
    make_window,
    non_increasing,
    sample_points,
    spread,
)
from tests.halves import core_and_rim, distances_A

BOX, PIXEL_A = 64, 1.5


@pytest.mark.parametrize("seed", range(5))
def test_a_core_at_4_and_a_rim_at_8_angstrom(seed: int) -> None:
    first, second = core_and_rim(seed, BOX, PIXEL_A)
    window = make_window(24.0 / PIXEL_A)
    distance_A = distances_A(BOX, PIXEL_A)
    in_core, in_rim = distance_A < 12.0, (distance_A > 26.0) & (distance_A < 34.0)
    _, points = sample_points(in_core | in_rim, 4)
    curves = non_increasing(local_fsc(first, second, points, window), window.counts)
    found_A = 1.0 / crossing_frequency(curves, 0.143, window.box * PIXEL_A)
    is_core = in_core[points[:, 0], points[:, 1], points[:, 2]]
    assert float(found_A[is_core].median()) == pytest.approx(4.0, rel=0.1)
    assert float(found_A[~is_core].median()) == pytest.approx(8.0, rel=0.1)


def test_a_window_measures_the_fsc_of_its_crop() -> None:
    generator = torch.Generator().manual_seed(0)
    first, second = torch.randn(2, 24, 24, 24, generator=generator)
    second = first + second
    window = make_window(9.0)
    half = window.box // 2
    heard: list[int] = []
    points = torch.tensor([[12, 11, 12], [13, 12, 11]])
    curves = local_fsc(first, second, points, window, heard.append)
    assert sum(heard) == 2
    for (z, y, x), curve in zip(points.tolist(), curves, strict=True):
        crops = [
            one[z - half : z + half, y - half : y + half, x - half : x + half] * window.weight
            for one in (first, second)
        ]
        expected = fsc(torch.fft.rfftn(crops[0]), torch.fft.rfftn(crops[1]), half + 1)
        torch.testing.assert_close(curve.double(), expected, atol=1e-4, rtol=1e-3)


def test_windows_reach_beyond_the_box() -> None:
    volume = torch.randn(16, 16, 16, generator=torch.Generator().manual_seed(1))
    corner = torch.tensor([[0, 0, 0], [15, 15, 15]])
    curves = local_fsc(volume, 2 * volume, corner, make_window(10.0))
    torch.testing.assert_close(curves, torch.ones_like(curves), atol=1e-4, rtol=0)
    assert not local_fsc(volume, volume, corner[:0], make_window(10.0)).numel()


@pytest.mark.property
@hypothesis.given(seed=st.integers(0, 10_000), shells=st.integers(2, 12))
def test_the_nearest_non_increasing_curve(seed: int, shells: int) -> None:
    rng = np.random.default_rng(seed)
    curve = rng.normal(size=shells).astype(np.float32)
    counts = rng.uniform(0.5, 9.0, shells).astype(np.float32)
    found = non_increasing(torch.from_numpy(curve)[None], torch.from_numpy(counts))[0].numpy()
    assert (np.diff(found) <= 1e-5).all()
    blocks: list[list[float]] = []  # pooling of adjacent violators, the textbook way
    for value, weight in zip(curve.astype(float), counts.astype(float), strict=True):
        blocks.append([value, weight, 1])
        while len(blocks) > 1 and blocks[-2][0] < blocks[-1][0]:
            (v1, w1, n1), (v2, w2, n2) = blocks[-2:]
            blocks[-2:] = [[(v1 * w1 + v2 * w2) / (w1 + w2), w1 + w2, n1 + n2]]
    expected = np.concatenate([np.full(int(n), value) for value, _, n in blocks])
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_crossings_between_shells() -> None:
    curves = torch.tensor(
        [[1.0, 0.9, 0.6, 0.2], [1.0, 0.9, 0.8, 0.7], [1.0, 0.1, 0.0, 0.0], [1.0, 1.0, 0.5, 0.5]]
    )
    found = crossing_frequency(curves, 0.5, 10.0)
    assert found.tolist() == pytest.approx([0.225, 0.3, 0.1, 0.3])


def test_what_random_phases_correlate_is_taken_out() -> None:
    curves = torch.tensor([[1.0, 0.9, 0.3, 0.3]])
    random = torch.tensor([1.0, 0.8, 0.05, -0.2], dtype=torch.float64)
    found = corrected(curves, random, 2)
    assert found[0].tolist() == pytest.approx([1.0, 0.9, 0.263158, 0.3], abs=1e-6)


def test_values_are_spread_between_the_points() -> None:
    nodes, points = sample_points(torch.ones(10, 10, 10, dtype=torch.bool), 3)
    whole = spread(points.sum(1).float(), nodes, 3, 10, -1.0)
    z, y, x = torch.meshgrid(*[torch.arange(10.0)] * 3, indexing="ij")
    torch.testing.assert_close(whole, z + y + x, atol=1e-4, rtol=0)
    part = spread(torch.tensor([5.0]), torch.tensor([[1, 1, 1]]), 3, 10, -1.0)
    assert float(part[4, 3, 3]) == 5.0 and float(part[9, 9, 9]) == -1.0


def test_each_place_is_filtered_at_its_own_frequency() -> None:
    volume = torch.randn(32, 32, 32, generator=torch.Generator().manual_seed(2))
    frequency = torch.full((32, 32, 32), 1 / 12.0)
    frequency[:16] = 1 / 5.0
    found = locally_filtered(volume, frequency, 2.0, 6)
    for half, resolution_A in ((slice(0, 16), 5.0), (slice(16, 32), 12.0)):
        expected = lowpass(volume, 2.0, resolution_A)[half]
        torch.testing.assert_close(found[half], expected, atol=1e-4, rtol=1e-3)
    uniform = locally_filtered(volume, torch.full_like(volume, 0.125), 2.0, 6)
    torch.testing.assert_close(uniform, lowpass(volume, 2.0, 8.0), atol=1e-5, rtol=1e-4)
