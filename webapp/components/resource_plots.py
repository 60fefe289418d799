"""Plots of what a job used: memory and seconds by iteration, load and GPU memory over time."""

from collections.abc import Sequence

from bokeh.plotting import figure

from compute.files.events import GpuLoad, Heartbeat
from webapp.components.look import Data, Look, Plot, hover, known, legend_above, new_figure, sources
from webapp.records import JobRecords

ONE_BEAT_MS = 60_000
"""What the axis of time spans around the only sign of life of a short job."""
FULL_LOAD = 100.0
"""What the axis of the load spans where all of it is the same, such as nothing."""
PARTS = ("planning", "expectation", "maximisation")


def resource_data(records: JobRecords) -> Data:
    """The columns of all plots."""
    rows, beats = records.iterations, records.heartbeats
    return {
        "memory": {
            "iteration": [one.iteration for one in rows],
            "memory_GB": known([_total(one.peak_memory_GB) for one in rows]),
            "gpu_GB": known([_total(one.peak_gpu_memory_GB) for one in rows]),
        },
        "phases": {
            "iteration": [one.iteration for one in rows],
            **{part: known([one.phase_seconds.get(part) or 0.0 for one in rows]) for part in PARTS},
        },
        "beats": {
            "time": [beat.time.replace(tzinfo=None) for beat in beats],
            "cpu": known([beat.cpu_percent for beat in beats]),
            "memory_GB": known([beat.memory_GB for beat in beats]),
        },
        "gpus": _by_gpu(beats),
    }


def _by_gpu(beats: Sequence[Heartbeat]) -> dict[str, list]:
    """A line for each GPU: times, load and memory in use."""
    devices = sorted({one.device for beat in beats for one in beat.gpus})
    lines: dict[str, list] = {"device": devices, "times": [], "percent": [], "memory_GB": []}
    for device in devices:
        told = [(beat.time, one) for beat in beats for one in beat.gpus if one.device == device]
        lines["times"].append([time.replace(tzinfo=None) for time, _ in told])
        lines["percent"].append(known([one.percent for _, one in told]))
        lines["memory_GB"].append(known([one.memory_GB for _, one in told]))
    return lines


def _total(values: Sequence[float | None]) -> float | None:
    found = [value for value in values if value is not None]
    return sum(found) if found else None


def gpu_words(records: JobRecords) -> str:
    """How busy each GPU was last and at most, and what is in use of its memory; or why that is not known."""
    start = records.start
    devices = {rank.device for rank in start.ranks} if start else set()
    if not any(str(device).startswith("cuda") for device in devices):
        return "This job computes on the processor; no GPU is in use."
    told = [one for beat in records.heartbeats for one in beat.gpus]
    if not told:
        return "The load of the GPU comes with the next sign of life."
    if all(one.percent is None and one.memory_GB is None for one in told):
        return "NVIDIA's management library does not answer on that machine: the GPU's load is not known."
    verb = "is" if records.end is None else "was last"
    return " ".join(
        f"{device} {verb} {load_text(last)}; at most {load_text(most)}."
        for device, last, most in gpu_loads(records)
    )


def gpu_loads(records: JobRecords) -> list[tuple[str, GpuLoad, GpuLoad]]:
    """Each GPU of which anything was told: its name, its last load, and the greatest of its figures."""
    told = [one for beat in records.heartbeats for one in beat.gpus]
    found = []
    for device in sorted({one.device for one in told}):
        own = [one for one in told if one.device == device]
        percent = max((one.percent for one in own if one.percent is not None), default=None)
        memory = max((one.memory_GB for one in own if one.memory_GB is not None), default=None)
        found.append((device, own[-1], GpuLoad(device=device, percent=percent, memory_GB=memory)))
    return found


def load_text(load: GpuLoad) -> str:
    """How busy a GPU is and what is in use of its memory, as far as that is known."""
    busy = "" if load.percent is None else f"{load.percent:.0f} % busy"
    memory = "" if load.memory_GB is None else f"{load.memory_GB:.1f} GB in use"
    return " with ".join(part for part in (busy, memory) if part) or "not telling its load"


def resource_plot(records: JobRecords, look: Look) -> Plot:
    """Memory by iteration, seconds by phase, load over time, GPU memory over time."""
    made = sources(resource_data(records))
    memory = new_figure(look, "memory", "iteration", "GB", 240)
    bars = memory.vbar("iteration", 0.6, "memory_GB", source=made["memory"], color=look.blue)
    dots = memory.scatter(
        "iteration", "gpu_GB", source=made["memory"], size=9, color=look.orange, marker="diamond"
    )
    memory.y_range.start = 0
    memory.xaxis.ticker.min_interval = 1  # there is no half iteration
    hover(memory, [bars, dots], [("memory", "@memory_GB{0.00} GB"), ("GPU", "@gpu_GB{0.00} GB")])
    time = new_figure(look, "seconds", "iteration", "seconds", 240)
    time.vbar_stack(
        list(PARTS),
        x="iteration",
        width=0.6,
        source=made["phases"],
        color=[look.faint, look.sky, look.orange],
        legend_label=list(PARTS),
    )
    time.y_range.start = 0
    time.xaxis.ticker.min_interval = 1
    legend_above(time, look)
    return Plot([memory, time, _load(made, look), _gpu_memory(made, look)], made)


def _load(made: dict, look: Look) -> figure:
    """Load of the leader's process and of each GPU."""
    plot = new_figure(look, "load", "time", "load (%)", 220, x_axis_type="datetime")
    plot.y_range.default_span = 2 * FULL_LOAD
    return _with_devices(plot, made, look, ("cpu", "percent"), ("load", "$y{0} %"))


def _gpu_memory(made: dict, look: Look) -> figure:
    """Memory in use on each GPU, and of the leader's process."""
    plot = new_figure(look, "memory over time", "time", "GB", 220, x_axis_type="datetime")
    return _with_devices(plot, made, look, ("memory_GB", "memory_GB"), ("in use", "$y{0.0} GB"))


def _with_devices(
    plot: figure, made: dict, look: Look, columns: tuple[str, str], shown: tuple[str, str]
) -> figure:
    """The figure with a line for the first process and one for each GPU, by their columns over time."""
    of_process, of_device = columns
    style = {"source": made["beats"], "color": look.faint, "legend_label": "first process"}
    plot.line("time", of_process, width=1.5, **style)
    plot.scatter("time", of_process, size=4, **style)
    plot.x_range.default_span = ONE_BEAT_MS
    lines = plot.multi_line(
        "times",
        of_device,
        source=made["gpus"],
        color=look.orange,
        line_width=2,
        legend_field="device",
    )
    plot.y_range.start = 0
    hover(plot, [lines], [("GPU", "@device"), shown])
    legend_above(plot, look)
    return plot
