from compute.files.events import Iteration
from tests.webapp.components.rows import iteration
from webapp.components.iteration_table import COLUMNS, iteration_rows, iteration_table


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
