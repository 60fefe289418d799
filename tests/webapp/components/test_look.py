"""What is sent of a plot: numbers in one piece, and nothing of what is as it was."""

import math

import numpy as np
import pytest
from bokeh.document import Document

from webapp.components.look import (
    LIGHT,
    Data,
    Plot,
    is_same,
    more_of,
    new_figure,
    sent,
    sources,
)


def test_numbers_are_sent_in_one_piece_and_nothing_else_is_changed() -> None:
    column = sent([1.5, float("nan")])
    assert isinstance(column, np.ndarray) and column.dtype == np.float64
    lines = sent([[1.0, 2.0], (3.0,)])
    assert isinstance(lines, list) and [line.tolist() for line in lines] == [[1.0, 2.0], [3.0]]
    for kept in ([], [1, 2], ["a"], [None, 1.0], [True]):
        assert sent(kept) == kept and type(sent(kept)) is list


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        (np.array([1.0, math.nan]), [1.0, math.nan], True),
        (np.array([1.0, 2.0]), [1.0, 2.5], False),
        (np.array([1.0]), [1.0, 1.0], False),
        ([np.array([1.0, math.nan])], [[1.0, math.nan]], True),
        (["a", None], ["a", None], True),
        ({"x": np.array([1.0])}, {"x": [1.0]}, True),
        ({"x": np.array([1.0])}, {"y": [1.0]}, False),
    ],
)
def test_what_is_as_it_was_is_known(old: object, new: object, same: bool) -> None:
    assert is_same(old, new) is same


def test_only_changed_columns_are_replaced() -> None:
    data = {"curve": {"x": [0.0, 1.0], "y": [1.0, math.nan]}}
    plot = Plot([], sources(data))
    held = plot.sources["curve"].data
    plot.draw({"curve": {"x": [0.0, 1.0], "y": [1.0, math.nan]}})
    assert plot.sources["curve"].data is held
    plot.draw({"curve": {"x": [0.0, 1.0], "y": [1.0, 0.5]}})
    assert plot.sources["curve"].data["y"].tolist() == [1.0, 0.5]


def test_columns_that_grow_are_sent_from_where_they_ended() -> None:
    grown = {"x": [0.0, 1.0, 2.0], "y": [1.0, math.nan, 3.0], "text": ["a", "b", "c"]}
    document, plot = Document(), Plot([], sources({"curve": {k: v[:2] for k, v in grown.items()}}))
    source, sent = plot.sources["curve"], []
    document.add_root(source)
    document.on_change(sent.append)
    plot.draw({"curve": grown})
    assert [(one.kind, one.data) for one in sent] == [
        ("ColumnsStreamed", {"x": [2.0], "y": [3.0], "text": ["c"]})
    ]
    assert is_same(source.data, grown)
    plot.draw({"curve": grown})
    assert len(sent) == 1
    plot.draw({"curve": {key: values[1:] for key, values in grown.items()}})
    assert [one.kind for one in sent[1:]] == ["ColumnDataChanged"]
    assert list(source.data["text"]) == ["b", "c"]


@pytest.mark.parametrize(
    ("old", "new", "more"),
    [
        ({"x": [1]}, {"x": [1, 2]}, {"x": [2]}),
        ({"x": [1]}, {"x": [1]}, {"x": []}),
        ({"x": []}, {"x": []}, {"x": []}),
        ({"x": []}, {"x": [1]}, None),
        ({"x": [1, 2]}, {"x": [1]}, None),
        ({"x": [1]}, {"y": [1, 2]}, None),
        ({"x": [1], "y": [1]}, {"x": [1, 2], "y": [2, 2]}, None),
    ],
)
def test_more_is_known(old: Data, new: Data, more: object) -> None:
    assert more_of(old, new) == more


def test_a_legend_names_only_what_has_data() -> None:
    made = sources({"known": {"x": [1.0], "y": [2.0]}, "coming": {"x": [], "y": []}})
    drawn = new_figure(LIGHT, "curves", "x", "y")
    for name, source in made.items():
        drawn.line("x", "y", source=source, legend_label=name)
    plot = Plot([drawn], made)
    named = {item.label.value: item.visible for item in drawn.legend[0].items}
    assert named == {"known": True, "coming": False}
    plot.draw({"coming": {"x": [1.0, 2.0], "y": [1.0, 2.0]}})
    assert all(item.visible for item in drawn.legend[0].items)
