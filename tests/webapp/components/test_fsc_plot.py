import math

import pytest

from tests.webapp.components.rows import EXTENT_A, curve, iteration
from webapp.components.fsc_plot import (
    NAMES,
    Limits,
    crossing_A,
    fsc_data,
    fsc_plot,
    reading,
    refinement_curves,
)
from webapp.components.look import DARK, LIGHT

LIMITS = Limits(extent_A=EXTENT_A, nyquist_A=4.0, lowpass_A=50.0, join_A=40.0)


def test_the_crossing_is_interpolated_between_shells() -> None:
    resolution, is_crossed = crossing_A(curve(20.5), 0.5, EXTENT_A)
    assert is_crossed
    assert resolution == pytest.approx(EXTENT_A / 20.5)


def test_the_first_crossing_counts_where_the_curve_comes_back() -> None:
    values = [1.0, 1.0, 0.2, 0.9, 0.9, 0.1]
    resolution, _ = crossing_A(values, 0.5, EXTENT_A)
    assert resolution == pytest.approx(EXTENT_A / (1 + 0.5 / 0.8))


def test_a_curve_that_never_falls_is_limited_by_the_pixel_size() -> None:
    values = [1.0] * 51
    assert crossing_A(values, 0.143, EXTENT_A) == (pytest.approx(4.0), False)
    assert "limited by the pixel size" in reading(values, 0.143, LIMITS)
    assert not fsc_data({"unmasked": values}, [], LIMITS)["crossings"]["x"]


def test_an_unknown_shell_ends_the_curve() -> None:
    resolution, is_crossed = crossing_A([1.0, 1.0, None, 0.9], 0.5, EXTENT_A)
    assert is_crossed
    assert resolution == pytest.approx(EXTENT_A)


def test_every_shell_is_drawn_at_its_frequency() -> None:
    row = iteration(3)
    data = fsc_data(refinement_curves(row), [], LIMITS)
    assert list(data["unmasked"]["y"]) == row.fsc
    assert list(data["unmasked"]["x"]) == [n / EXTENT_A for n in range(51)]
    assert all(not len(data[name]["x"]) for name in NAMES if name != "unmasked")


def test_a_corrected_curve_is_called_so() -> None:
    row = iteration(1, is_solvent_corrected=True, fsc_mask="envelope", fsc_unmasked=curve(5))
    assert refinement_curves(row) == {"corrected": row.fsc, "unmasked": curve(5)}
    assert set(refinement_curves(iteration(1, is_solvent_corrected=True))) == {"corrected"}


def test_marks_name_the_limits_in_order() -> None:
    marks = fsc_data({"unmasked": curve(20)}, [], LIMITS)["marks"]
    assert list(marks["x"]) == [1 / 50, 1 / 40, 1 / 4]
    assert list(marks["text"]) == ["start map 50 Å", "halves joined 40 Å", "Nyquist 4 Å"]


def test_of_many_earlier_curves_the_last_are_kept_and_the_newest_is_strongest() -> None:
    ghosts = fsc_data({}, [curve(n) for n in range(5, 25)], LIMITS)["ghosts"]
    assert len(ghosts["xs"]) == 8
    assert list(ghosts["ys"][-1]) == curve(24)
    assert sorted(ghosts["alpha"]) == list(ghosts["alpha"])


@pytest.mark.parametrize("look", [LIGHT, DARK])
def test_the_figure_shows_other_data_without_being_made_again(look) -> None:  # type: ignore[no-untyped-def]
    plot = fsc_plot(fsc_data({"unmasked": curve(10)}, [], LIMITS), LIMITS, look)
    plot.draw(fsc_data({"unmasked": curve(30)}, [curve(10)], LIMITS))
    assert list(plot.sources["unmasked"].data["y"]) == curve(30)
    assert len(plot.sources["ghosts"].data["xs"]) == 1
    assert plot.figures[0].x_range.end >= 1 / LIMITS.nyquist_A
    assert not any(math.isnan(x) for x in plot.sources["crossings"].data["x"])


def test_the_legend_names_the_curves_that_there_are() -> None:
    words = "inside the envelope, corrected"
    first = fsc_data({"unmasked": curve(10)}, [], LIMITS)
    plot = fsc_plot(first, LIMITS, LIGHT, corrected=words)

    def named() -> set[str]:
        return {one.label.value for one in plot.figures[0].legend[0].items if one.visible}

    assert named() == {"unmasked"}
    plot.draw(fsc_data({"corrected": curve(20), "unmasked": curve(10)}, [], LIMITS))
    assert named() == {words, "unmasked"}
