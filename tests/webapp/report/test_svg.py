"""Plots as SVG text: every value in its place, gaps where nothing is known."""

import math
import re
from xml.etree import ElementTree

import pytest

from webapp.report.svg import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Axes, Curve, line_plot, ticks

AXES = Axes("A <plot>", "x", "y", (0.0, 10.0), (0.0, 2.0), [(0.5, "half")])
SVG = "{http://www.w3.org/2000/svg}"


def points_of(text: str) -> list[list[tuple[float, float]]]:
    lines = ElementTree.fromstring(text).iter(f"{SVG}polyline")
    return [
        [
            (float(x), float(y))
            for x, y in (pair.split(",") for pair in line.attrib["points"].split())
        ]
        for line in lines
    ]


def test_the_corners_of_the_frame_hold_the_ends_of_both_axes() -> None:
    ((first, last),) = points_of(line_plot([Curve("one", [0, 10], [0, 2])], AXES))
    assert first == (LEFT, HEIGHT - BOTTOM)
    assert last == (WIDTH - RIGHT, TOP)


def test_what_is_not_known_leaves_a_gap() -> None:
    curve = Curve("one", list(range(7)), [1, 1, None, 2, math.nan, 0, 0])
    lines = points_of(line_plot([curve], AXES))
    assert [len(line) for line in lines] == [2, 2]


def test_words_cannot_become_marks() -> None:
    text = line_plot([Curve("<script>", [0, 1], [0, 1]), Curve("b", [0, 1], [1, 1])], AXES)
    found = ElementTree.fromstring(text)
    assert found.findtext(f"{SVG}title") == "A <plot>"
    assert "<script>" in [one.text for one in found.iter(f"{SVG}text")]
    assert not list(found.iter("script"))


def test_the_axis_above_tells_resolutions_that_do_not_touch() -> None:
    axes = Axes("FSC", "1/Å", "FSC", (0.0, 0.5), (0.0, 1.0), shows_resolution=True)
    text = line_plot([Curve("one", [0, 0.5], [1, 0])], axes)
    shown = re.findall(r'<text x="([\d.]+)" y="[\d.]+"[^>]*>([\d.]+) Å<', text)
    assert len(shown) > 3
    for place, tick in shown:
        assert float(place) == pytest.approx(
            LEFT + (WIDTH - LEFT - RIGHT) / float(tick) / 0.5, abs=0.1
        )
    places = [float(place) for place, _ in shown]
    assert min(b - a for a, b in zip(places, places[1:], strict=False)) > 40


def numbers_of(text: str, anchor: str) -> dict[float, tuple[float, float]]:
    """Where the numbers of an axis stand: those of the vertical one end at their place, the other's are around it."""
    found = [
        one
        for one in ElementTree.fromstring(text).iter(f"{SVG}text")
        if one.attrib["text-anchor"] == anchor and re.fullmatch(r"[\d.]+", one.text or "")
    ]
    return {
        float(one.text or ""): (float(one.attrib["x"]), float(one.attrib["y"])) for one in found
    }


@pytest.mark.parametrize("bounds", [(3.0, 60.0), (3.2, 3.9)])
def test_a_finer_resolution_is_higher_and_iterations_are_whole(
    bounds: tuple[float, float],
) -> None:
    axes = Axes("R", "Iteration", "Å", (1.0, 3.0), bounds, is_y_resolution=True, has_whole_x=True)
    text = line_plot([Curve("one", [1, 3], [bounds[1], bounds[0]])], axes)
    ((first, last),) = points_of(text)
    assert first == (LEFT, HEIGHT - BOTTOM)
    assert last == (WIDTH - RIGHT, TOP)
    heights = [height for _, (_, height) in sorted(numbers_of(text, "end").items())]
    assert len(heights) > 2
    assert heights == sorted(heights)
    assert sorted(numbers_of(text, "middle")) == [1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.0, 1.0, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (0.0, 0.141, [0.0, 0.05, 0.1]),
        (3.0, 3.0, [3.0]),
        (1.0, 12.0, [2.0, 4.0, 6.0, 8.0, 10.0, 12.0]),
    ],
)
def test_ticks_are_round(low: float, high: float, expected: list[float]) -> None:
    assert ticks(low, high) == pytest.approx(expected)
