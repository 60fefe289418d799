import math
from dataclasses import replace

from compute.files.events import End, GpuLoad, Heartbeat, Rank
from tests.webapp.components.rows import iteration, start
from webapp.components.look import LIGHT
from webapp.components.resource_plots import gpu_words, resource_data, resource_plot
from webapp.records import JobRecords

ON_GPU = [
    Rank(rank=0, role="leader", host="here", pid=1, device="cpu", threads=1),
    Rank(rank=1, role="half 1", host="here", pid=2, device="cuda:0", threads=1),
]


def beats(*loads: tuple[float | None, float | None]) -> tuple[Heartbeat, ...]:
    """Signs of life with the load and memory of one GPU."""
    return tuple(
        Heartbeat(
            phase="expectation",
            cpu_percent=99.0,
            memory_GB=0.5,
            gpus=[GpuLoad(device="cuda:0", percent=percent, memory_GB=memory)],
        )
        for percent, memory in loads
    )


def test_each_gpu_is_a_line_with_gaps_where_nothing_is_known() -> None:
    records = JobRecords(heartbeats=beats((80.0, 3.0), (None, 3.5), (90.0, 4.0)))
    lines = resource_data(records)["gpus"]
    assert lines["device"] == ["cuda:0"]
    assert lines["percent"][0][0] == 80.0 and math.isnan(lines["percent"][0][1])
    assert lines["memory_GB"][0] == [3.0, 3.5, 4.0]
    assert len(lines["times"][0]) == 3


def test_memory_of_all_processes_is_added_up() -> None:
    row = iteration(1, peak_memory_GB=[0.5, 0.25, None])
    assert resource_data(JobRecords(iterations=(row,)))["memory"]["memory_GB"] == [0.75]


def test_it_is_said_why_no_load_is_drawn() -> None:
    assert "on the processor" in gpu_words(JobRecords(start=start()))
    on_gpu = start(ranks=ON_GPU)
    assert "next sign of life" in gpu_words(JobRecords(start=on_gpu))
    silent = JobRecords(start=on_gpu, heartbeats=beats((None, None)))
    assert "management library" in gpu_words(silent)


def test_the_last_and_greatest_load_of_a_gpu_are_told() -> None:
    records = JobRecords(
        start=start(ranks=ON_GPU), heartbeats=beats((80.0, 3.0), (95.0, None), (50.4, 14.04))
    )
    most = "at most 95 % busy with 14.0 GB in use."
    assert gpu_words(records) == f"cuda:0 is 50 % busy with 14.0 GB in use; {most}"
    ended = replace(records, end=End(reason="converged", message="done"))
    assert gpu_words(ended).startswith("cuda:0 was last 50 % busy with 14.0 GB in use; ")
    partly = JobRecords(start=start(ranks=ON_GPU), heartbeats=beats((None, 2.0), (None, None)))
    assert gpu_words(partly) == "cuda:0 is not telling its load; at most 2.0 GB in use."


def test_later_beats_are_drawn_into_the_same_figures() -> None:
    plot = resource_plot(JobRecords(), LIGHT)
    plot.draw(resource_data(JobRecords(heartbeats=beats((80.0, 3.0)))))
    assert plot.sources["gpus"].data["percent"] == [[80.0]]
    assert len(plot.figures) == 4
