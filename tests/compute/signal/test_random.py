"""Counter-based random numbers: uniform, independent, and a function of their key only."""

import numpy as np
import pytest

from compute.signal.random import generator, uniforms


def test_the_same_key_gives_the_same_numbers() -> None:
    assert np.array_equal(
        generator(3, "noise", 5, 6).random(8), generator(3, "noise", 5, 6).random(8)
    )


@pytest.mark.parametrize(
    "other", [(4, "noise", 5, 6), (3, "halves", 5, 6), (3, "noise", 5, 7), (3, "noise", 56)]
)
def test_a_different_key_gives_other_numbers(other: tuple) -> None:
    assert not np.any(generator(3, "noise", 5, 6).random(8) == generator(*other).random(8))


def test_neighbouring_counters_are_uncorrelated() -> None:
    draws = np.stack([generator(0, "noise", counter).standard_normal(4096) for counter in range(6)])
    correlation = np.corrcoef(draws) - np.eye(6)
    assert np.abs(correlation).max() < 5 / np.sqrt(4096)


def test_uniforms_are_uniform_and_independent() -> None:
    numbers = uniforms(7, "halves", np.arange(100_000), 3)
    assert numbers.shape == (100_000, 3) and numbers.dtype == np.float64
    assert numbers.min() >= 0.0 and numbers.max() < 1.0
    counts = np.histogram(numbers, bins=64, range=(0, 1))[0]
    expected = numbers.size / 64
    assert ((counts - expected) ** 2 / expected).sum() < 63 + 5 * np.sqrt(2 * 63)
    assert np.abs(np.corrcoef(numbers.T) - np.eye(3)).max() < 5 / np.sqrt(len(numbers))
    assert abs(np.corrcoef(numbers[1:, 0], numbers[:-1, 0])[0, 1]) < 5 / np.sqrt(len(numbers))


def test_uniforms_of_an_id_do_not_depend_on_the_other_ids() -> None:
    ids = np.array([9, -4, 2**40, 0])
    together = uniforms(1, "halves", ids, 2)
    apart = np.concatenate([uniforms(1, "halves", ids[i : i + 1], 2) for i in range(4)])
    assert np.array_equal(together, apart)
    assert np.array_equal(together[:, :1], uniforms(1, "halves", ids))
    assert not np.any(together == uniforms(2, "halves", ids, 2))
    assert not np.any(together == uniforms(1, "poses", ids, 2))


def test_uniforms_refuse_ids_that_are_not_whole_numbers() -> None:
    with pytest.raises(ValueError, match="integer ids"):
        uniforms(1, "halves", np.array([0.5]))
