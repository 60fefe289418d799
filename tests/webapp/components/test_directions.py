import numpy as np
import pytest

from compute.sampling.symmetry import parse_symmetry
from webapp.components import directions


@pytest.mark.parametrize("name", ["C1", "C5", "D2", "D7", "T", "O", "I1", "I2", "I3", "I4"])
def test_the_rotations_are_those_of_the_engine(name: str) -> None:
    ours, engine = directions.operators(name), parse_symmetry(name).operators
    assert len(ours) == len(engine)
    for operator in ours:
        assert np.abs(engine - operator).max(axis=(1, 2)).min() < 1e-5


def test_uniform_views_have_efficiency_one() -> None:
    assert directions.efficiency(np.ones(12 * 4**3, dtype=np.int64)) == pytest.approx(1.0, abs=1e-3)


def test_a_single_view_leaves_fourier_space_empty() -> None:
    counts = np.zeros(192, dtype=np.int64)
    counts[5] = 100
    assert directions.efficiency(counts) == 0.0


def test_views_on_one_side_are_worse_than_uniform_ones() -> None:
    z = directions._vectors(3, np.arange(768))[:, 2]
    polar = (1000 * np.exp(8 * (np.abs(z) - 1))).astype(np.int64) + 1
    assert 0.05 < directions.efficiency(polar) < 0.9


def test_symmetry_repeats_every_view() -> None:
    counts = np.zeros(192, dtype=np.int64)
    counts[[3, 40]] = [5, 7]
    assert directions.by_symmetry(counts, "D2").sum() == 4 * 12


def test_few_particles_are_counted_in_large_pixels() -> None:
    counts = np.zeros(12 * 4**5, dtype=np.int64)
    counts[:300] = 1
    coarse = directions.coarse_counts(counts)
    assert len(coarse) == 12 * 4**2
    assert coarse.sum() == 300


@pytest.mark.parametrize("view", ["mollweide", "rectangle"])
def test_a_map_of_the_northern_half_is_bright_above_the_equator(view: str) -> None:
    order = 3
    z = directions._vectors(order, np.arange(12 * 4**order))[:, 2]
    drawn = getattr(directions, view)((z > 0.1).astype(np.int64)).image
    rows = drawn.shape[0]
    assert np.nanmin(drawn[int(0.7 * rows) :]) == 1.0
    assert np.nanmax(drawn[: int(0.3 * rows)]) == 0.0


def test_mollweide_keeps_areas() -> None:
    drawn = directions.mollweide(np.arange(48), rows=400).image
    inside = drawn[np.isfinite(drawn)].astype(int)
    shares = np.bincount(inside, minlength=48) / len(inside)
    assert np.abs(shares - 1 / 48).max() < 0.002


def test_the_share_of_unseen_directions_counts_the_symmetry() -> None:
    z = directions._vectors(2, np.arange(192))[:, 2]
    upper = np.where(z > 0, 5, 0)
    assert directions.empty_share(upper, "C1") > 0.4
    assert directions.empty_share(upper, "D2") < 0.15
