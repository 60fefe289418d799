"""What the first reading of all images makes of their grey values."""

import numpy as np
import pytest

from compute.jobs.image_check import judge


def seen(
    mean: np.ndarray, deviation: np.ndarray, whole: np.ndarray | None = None
) -> list[dict[str, np.ndarray]]:
    """What two workers saw in images of these backgrounds, the second one's images first in the set."""
    count = len(mean)
    columns = {
        "indices": np.roll(np.arange(count), count // 2),
        "is_finite": np.isfinite(mean),
        "std": deviation if whole is None else whole,
        "background_mean": mean,
        "background_std": deviation,
    }
    half = count // 2
    return [
        {name: v[part] for name, v in columns.items()} for part in (slice(half), slice(half, None))
    ]


@pytest.mark.parametrize(
    ("mean", "deviation", "is_odd"),
    [
        (0.0, 1.0, False),
        (0.49, 1.0, False),
        (0.51, 1.0, True),
        (-0.51, 1.0, True),
        (0.9, 1.9, False),
        (0.0, 0.51, False),
        (0.0, 0.49, True),
        (0.0, 1.99, False),
        (0.0, 2.01, True),
        (0.3, 0.55, True),
    ],
)
def test_e28_an_image_is_odd_beyond_half_a_deviation_and_a_factor_of_two(
    mean: float, deviation: float, is_odd: bool
) -> None:
    report = judge(seen(np.full(40, mean), np.full(40, deviation)))
    assert report.odd == (40 if is_odd else 0)
    assert [code for _, code in report.warnings()] == (["E28"] if is_odd else [])
    assert len(report.bad) == 0


@pytest.mark.parametrize(("odd", "is_told"), [(2, False), (3, True)])
def test_e28_is_told_where_more_than_one_in_twenty_is_odd(odd: int, is_told: bool) -> None:
    mean = np.zeros(40)
    mean[:odd] = 3.0
    report = judge(seen(mean, np.ones(40)))
    assert report.odd == odd
    assert bool(report.warnings()) == is_told
    assert not is_told or f"{odd} of 40" in report.warnings()[0][0]


def test_e27_bad_images_are_named_by_their_place_and_are_not_odd_too() -> None:
    mean, whole = np.zeros(40), np.ones(40)
    mean[1], whole[30] = np.nan, 1001.0
    report = judge(seen(mean, np.ones(40), whole))
    assert report.bad.tolist() == [10, 21]
    assert "over a thousand times" in report.reasons[0] and "not finite" in report.reasons[1]
    assert report.odd == 0
    whole[30] = 999.0
    assert judge(seen(mean, np.ones(40), whole)).bad.tolist() == [21]
