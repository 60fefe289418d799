"""The grade of a mask: what it cuts, how close it comes, how sharp and how wide it is."""

import re

import numpy as np
import pytest

from compute.signal.binary import extended, softened
from compute.signal.mask_grade import grade_mask
from compute.signal.shapes import beyond_sphere

PIXEL_A = 2.0


def ball(radius: float) -> np.ndarray:
    return beyond_sphere(64, radius, 0.0, (0.0, 0.0, 0.0)) <= 0


@pytest.mark.parametrize(
    ("radius", "edge_px", "resolution_A", "grade", "words"),
    [
        (16.0, 4.0, 4.0, "good", ""),
        (16.0, 4.0, None, "good", ""),
        (10.0, 4.0, 4.0, "cuts", "cuts off"),
        (12.0, 1.0, None, "tight", "within 0.0 Å"),
        (16.0, 2.0, 6.0, "sharp", "an edge of 4.0 Å, .* at least 6.0 Å"),
        (16.0, 0.0, None, "sharp", "has no soft edge"),
        (26.0, 4.0, 4.0, "loose", "ends [23][0-9] Å .* times its volume"),
    ],
)
def test_grades(
    radius: float, edge_px: float, resolution_A: float | None, grade: str, words: str
) -> None:
    mask = softened(ball(radius), edge_px)
    found = grade_mask(mask, ball(12.0), PIXEL_A, edge_px * PIXEL_A, resolution_A)
    assert found.grade == grade
    assert bool(found.remarks) == (grade != "good")
    if words:
        assert re.search(words, found.remarks[0])


def test_the_figures() -> None:
    molecule = ball(12.0)
    mask = softened(extended(molecule, 4.0), 2.0)
    found = grade_mask(mask, molecule, PIXEL_A, 2 * PIXEL_A, 4.0)
    # Grown to distances below 4 voxels, and half an edge more.
    assert found.closest_margin_A == pytest.approx(9.0, abs=1.5)
    assert found.median_margin_A == pytest.approx(9.5, abs=1.0)
    assert found.cut_fraction == 0.0 and found.edge_over_resolution == 1.0
    assert found.volume_ratio == pytest.approx((16.8 / 12.0) ** 3, rel=0.08)
    cutting = grade_mask(softened(ball(12.0), 0.0), ball(15.0), PIXEL_A, 0.0, None)
    assert cutting.cut_fraction == pytest.approx(1 - (12.3 / 15.3) ** 3, abs=0.03)
    assert cutting.closest_margin_A == 0.0


def test_a_mask_that_fills_the_box_is_far_away() -> None:
    found = grade_mask(
        np.ones((32, 32, 32), np.float32), ball(4.0)[16:48, 16:48, 16:48], 2.0, 8.0, None
    )
    assert found.grade == "loose" and found.closest_margin_A == 30.0
