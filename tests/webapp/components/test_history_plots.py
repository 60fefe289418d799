import math

import pytest

from tests.webapp.components.rows import iteration
from webapp.components.history_columns import history_data
from webapp.components.history_plots import (
    accuracy_plot,
    convergence_strip,
    rescale,
    resolution_ends_A,
    resolution_plot,
    widen,
)
from webapp.components.look import LIGHT


def test_the_75_percent_line_follows_the_accuracy() -> None:
    rows = history_data([iteration(1), iteration(2)])["rows"]
    assert list(rows["limit_deg"]) == [pytest.approx(4.5), pytest.approx(2.25)]
    assert list(rows["limit_A"]) == [pytest.approx(2.25), pytest.approx(1.125)]


def test_the_final_iteration_stands_apart() -> None:
    data = history_data([iteration(1), iteration(2), iteration(3, is_final=True)])
    assert list(data["normal"]["iteration"]) == [1, 2]
    assert list(data["final"]["iteration"]) == [3]


def test_local_searches_are_marked_where_they_begin() -> None:
    rows = [iteration(1), iteration(2, is_local_search=True), iteration(3, is_local_search=True)]
    assert list(history_data(rows)["local"]["iteration"]) == [2]


def test_the_gain_is_unknown_until_two_iterations_went_by_likelihood() -> None:
    rows = [iteration(1, accuracy_angles_deg=None), iteration(2), iteration(3)]
    gains = list(history_data(rows)["rows"]["gain"])
    assert math.isnan(gains[0]) and math.isnan(gains[1])
    assert gains[2] == pytest.approx(10.0)


def test_figures_of_an_empty_history_can_be_made_and_grow() -> None:
    data = history_data([])
    plots = [resolution_plot(data, 4.0, LIGHT), accuracy_plot(data, LIGHT)]
    plots.append(convergence_strip(data, LIGHT))
    rows = [iteration(n) for n in range(1, 21)]
    for plot in plots:
        plot.draw(history_data(rows))
        widen(plot, rows)
        (held,) = {tuple(one.data["iteration"]) for one in plot.sources.values()} - {()}
        assert held == tuple(range(1, 21))
    assert plots[0].figures[0].x_range.end > 20
    held = [{key for one in plot.sources.values() for key in one.data} for plot in plots]
    assert set.union(*held) == {key for columns in data.values() for key in columns}
    assert set.intersection(*held) == {"iteration"}


@pytest.mark.parametrize(
    ("resolutions", "nyquist_A", "coarse_A", "fine_A"),
    [
        ([40.0, 40.0], 4.0, 58.24, 37.2),
        ([20.0, 8.0], 4.0, 22.4, 3.72),
        ([20.0, 14.0], 4.0, 22.4, 13.02),
        ([4.0, 4.0], 4.0, 5.824, 3.72),
    ],
)
def test_the_axis_of_resolutions_holds_all_of_them_and_a_nyquist_that_is_near(
    resolutions: list[float], nyquist_A: float, coarse_A: float, fine_A: float
) -> None:
    rows = [
        iteration(n, resolution_fsc0143_A=value, resolution_fsc05_A=value)
        for n, value in enumerate(resolutions, start=1)
    ]
    data = history_data(rows)
    assert resolution_ends_A(data, nyquist_A) == pytest.approx((coarse_A, fine_A))
    plot = resolution_plot(history_data([]), nyquist_A, LIGHT)
    rescale(plot, data, nyquist_A)
    axis = plot.figures[0].y_range
    assert (axis.start, axis.end) == pytest.approx((coarse_A, fine_A))
