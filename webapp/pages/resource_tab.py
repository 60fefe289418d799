"""What a job used over time: memory, processor, GPUs, where the time went, and the forecasts held against it."""

import html

import panel as pn

from webapp.components.look import Look
from webapp.components.resource_plots import gpu_words, resource_data, resource_plot
from webapp.components.side_by_side import side_by_side
from webapp.components.table import Table
from webapp.components.words import Words
from webapp.pages.frame import card
from webapp.pages.shown import Shown


class ResourceTab:
    """Memory and processor use over time, where the time went, and the forecasts held against them."""

    def __init__(self, shown: Shown, look: Look) -> None:
        self._plot = resource_plot(shown.records, look)
        self._gpu = Words("", sizing_mode="stretch_width")
        self._memory = Table(
            columns=[
                {"key": "what", "label": "Part"},
                {
                    "key": "forecast",
                    "label": "Forecast",
                    "unit": "GB",
                    "kind": "number",
                    "digits": 2,
                },
                {
                    "key": "measured",
                    "label": "Measured",
                    "unit": "GB",
                    "kind": "number",
                    "digits": 2,
                },
                {
                    "key": "available",
                    "label": "Free at the start",
                    "unit": "GB",
                    "kind": "number",
                    "digits": 1,
                },
                {"key": "device", "label": "Where"},
            ],
            has_tools=False,
            sizing_mode="stretch_width",
        )
        self._ranks = Table(
            columns=[
                {"key": "rank", "label": "Rank", "kind": "number"},
                {"key": "role", "label": "Role"},
                {"key": "host", "label": "Machine"},
                {"key": "pid", "label": "Process", "kind": "number"},
                {"key": "device", "label": "Device"},
                {"key": "threads", "label": "Threads", "kind": "number"},
            ],
            caption="processes",
            has_tools=False,
            sizing_mode="stretch_width",
        )
        figures = [pn.pane.Bokeh(one, sizing_mode="stretch_width") for one in self._plot.figures]
        self.panel: pn.viewable.Viewable = pn.Column(
            side_by_side(
                card("Memory", figures[0], sub="all processes at the end of each iteration"),
                card("Time by phase", figures[1], sub="seconds of each iteration"),
            ),
            side_by_side(
                card("Load over time", figures[2], self._gpu),
                card(
                    "Memory over time",
                    figures[3],
                    sub="the first process, and all that is in use on a GPU",
                ),
            ),
            side_by_side(
                card("Processes", self._ranks),
                card("Memory forecast", self._memory),
            ),
            sizing_mode="stretch_width",
        )

    def draw(self, shown: Shown) -> None:
        """Draw this moment."""
        self._plot.draw(resource_data(shown.records))
        words = gpu_words(shown.records)
        self._gpu.object = f'<p class="faint gpu-load">{html.escape(words)}</p>'
        start = shown.records.start
        self._ranks.rows = [rank.model_dump() for rank in start.ranks] if start else []
        self._memory.rows = [
            {
                "what": one.what,
                "forecast": one.forecast_GB,
                "measured": one.measured_GB,
                "available": one.available_GB,
                "device": one.device,
            }
            for one in shown.records.memory
        ]
