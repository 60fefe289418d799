"""Windows on maps that are sampled much finer than they resolve."""

from pathlib import Path

import pytest
import torch

from compute.files.relion import JobFolder
from compute.jobs.half_fsc import measure
from compute.jobs.half_pair import HalfPair
from compute.jobs.local_windows import (
    NEAR_END,
    cut_pair,
    resolved_frequencies,
    sufficient_box,
)
from compute.jobs.voice import speaking
from compute.signal.local_resolution import sample_points
from compute.signal.masks import sphere
from tests.halves import core_and_rim, distances_A

BOX, PIXEL_A, WINDOW_A = 128, 0.75, 24.0


@pytest.fixture(scope="module")
def pair() -> HalfPair:
    first, second = core_and_rim(3, BOX, PIXEL_A)
    mask = sphere(BOX, 40.0 / PIXEL_A, 4.0)
    return HalfPair(first, second, mask, PIXEL_A, ("half1", "half2"))


def test_fewer_voxels_give_the_same_resolution(
    pair: HalfPair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = measure(pair)
    distance_A = distances_A(BOX, PIXEL_A)
    in_core, in_rim = distance_A < 10.0, (distance_A > 27.0) & (distance_A < 33.0)
    _, points = sample_points(in_core | in_rim, 12)
    with speaking(JobFolder(tmp_path)) as voice:

        def measured() -> torch.Tensor:
            return resolved_frequencies(pair, whole, points, WINDOW_A, 0.143, 1, voice)

        quickly = measured()
        monkeypatch.setattr("compute.jobs.local_windows.sufficient_box", lambda *_: BOX)
        plainly = measured()
    assert sufficient_box(pair, whole.resolution_A(), WINDOW_A) <= 0.8 * BOX
    apart = (quickly / plainly).log()  # the noise of few values in a shell, on grids a little apart
    assert abs(float(apart.median())) < 0.02 and float(apart.abs().median()) < 0.05
    is_core = in_core[points[:, 0], points[:, 1], points[:, 2]]
    assert float((1 / quickly)[is_core].median()) == pytest.approx(4.0, rel=0.12)
    assert float((1 / quickly)[~is_core].median()) == pytest.approx(8.0, rel=0.12)


def test_what_resolves_more_is_measured_again(pair: HalfPair, tmp_path: Path) -> None:
    """The whole map is said to hold 12 Å, so that maps cut accordingly end before the core does."""
    whole = measure(pair)
    worse = torch.where(torch.arange(BOX // 2 + 1) <= 8, whole.final.clamp(min=0.5), 0.0)
    object.__setattr__(whole, "final", worse)
    assert 10.0 < whole.resolution_A() < 14.0
    middle = torch.full((1, 3), BOX // 2)
    with speaking(JobFolder(tmp_path)) as voice:
        found = resolved_frequencies(pair, whole, middle, WINDOW_A, 0.143, 1, voice)
    box = sufficient_box(pair, whole.resolution_A(), WINDOW_A)
    assert 1 / float(found) == pytest.approx(4.0, rel=0.15)
    assert float(found) > NEAR_END * box / (2 * pair.extent_A)


def test_maps_keep_their_low_frequencies(pair: HalfPair) -> None:
    small = cut_pair(pair, 48)
    assert small.extent_A == pytest.approx(pair.extent_A)
    assert float(small.first.mean()) == pytest.approx(float(pair.first.mean()), abs=1e-6)
    again = torch.fft.rfftn(small.first)[:20, :20, :20] * (BOX / 48) ** 3
    expected = torch.fft.rfftn(pair.first)[:20, :20, :20]
    torch.testing.assert_close(again, expected, atol=1e-2, rtol=1e-4)
    assert sufficient_box(pair, 2.0, WINDOW_A) == BOX
