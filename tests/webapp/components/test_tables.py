import json

import numpy as np
import pytest

from compute.files.events import Iteration
from tests.webapp.components.rows import iteration
from webapp.components.iteration_table import COLUMNS, iteration_rows, iteration_table
from webapp.components.table import Table


def test_every_column_has_its_figure() -> None:
    row = iteration(4, peak_gpu_memory_GB=[1.5, None, 2.0])
    shown = iteration_rows([row])[0]
    assert set(shown) == {column["key"] for column in COLUMNS}
    assert shown["resolution_0143"] == row.resolution_fsc0143_A
    assert shown["memory_GB"] == 1.0
    assert shown["gpu_GB"] == 3.5


def test_what_is_unknown_stays_unknown() -> None:
    shown = iteration_rows([Iteration(iteration=1)])[0]
    assert shown["accuracy_deg"] is None
    assert shown["memory_GB"] is None


def test_gpu_memory_has_a_column_only_where_there_are_gpus() -> None:
    without = iteration_table([iteration(1)], "x")
    with_gpu = iteration_table([iteration(1, peak_gpu_memory_GB=[1.0])], "x")
    assert "gpu_GB" not in {column["key"] for column in without.columns}
    assert "gpu_GB" in {column["key"] for column in with_gpu.columns}


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        (1.5, 1.5),
        (float("nan"), None),
        (float("inf"), None),
        (np.int64(3), 3),
        (np.float32(0.5), 0.5),
        (None, None),
        ("5 Å <b>", "5 Å <b>"),
        ([{"name": "tag"}], [{"name": "tag"}]),
    ],
)
def test_rows_are_sent_as_one_text(value: object, sent: object) -> None:
    table = Table(rows=[{"key": value}])
    assert json.loads(table.rows_text) == [{"key": sent}]
    table.rows = [{"key": value}, {"key": 0}]
    assert json.loads(table.rows_text) == [{"key": sent}, {"key": 0}]
    data = table.get_root().data
    assert data.rows_text == table.rows_text and "rows" not in data.properties()
