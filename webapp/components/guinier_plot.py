"""The Guinier plot: ln of the amplitudes against 1/d², through the steps of sharpening, and the fitted line."""

from collections.abc import Mapping, Sequence

import numpy as np
from bokeh.models import LabelSet, Range1d

from webapp.components.look import (
    Data,
    Look,
    Plot,
    dress_legend,
    hover,
    new_figure,
    resolution_axis,
    sources,
)

NO_AMPLITUDE = -90.0
"""Below it, a logarithm stands for a shell without any amplitude."""
NAMES = {
    "original": "as reconstructed",
    "mtf_corrected": "divided by the MTF",
    "weighted": "weighted by the FSC",
    "inside_mask": "inside the mask, not sharpened",
    "sharpened": "sharpened",
}


def guinier_data(
    squared_per_A2: Sequence[float],
    steps: Mapping[str, Sequence[float]],
    line: tuple[float, float, float, float] | None,
    b_factor_A2: float | None,
) -> Data:
    """The columns that `guinier_plot` draws.

    line: slope (Å²) and intercept of the fit, and the range of 1/d² that it was made in.
    """
    data: dict[str, dict[str, Sequence[object]]] = {}
    for name in NAMES:
        values = np.asarray(steps.get(name, ()), dtype=np.float64)
        x = np.asarray(squared_per_A2, dtype=np.float64)[: len(values)]
        is_known = (values > NO_AMPLITUDE) & (x > 0)
        data[f"guinier_{name}"] = {
            "x": x[is_known].tolist(),
            "y": values[is_known].tolist(),
            "A": [f"{value**-0.5:.2f} Å" for value in x[is_known]],
        }
    ends = [] if line is None else [line[2], line[3]]
    data["guinier_line"] = {"x": ends, "y": [] if line is None else _on(line, ends)}
    words = "" if b_factor_A2 is None else f"B = {b_factor_A2:.0f} Å²"
    middle = [sum(ends) / 2] if ends else []
    data["guinier_words"] = {
        "x": middle,
        "y": [] if line is None else _on(line, middle),
        "text": [words] if ends else [],
    }
    return data


def _on(line: tuple[float, float, float, float], places: Sequence[float]) -> list[float]:
    slope, intercept = line[:2]
    return [intercept + slope * x for x in places]


def guinier_plot(data: Data, nyquist_A: float, look: Look, name: str, height: int = 340) -> Plot:
    """The figure for `guinier_data`."""
    made = sources(data)
    largest = 1.0 / nyquist_A**2
    plot = new_figure(
        look,
        name,
        "1/d² (1/Å²)",
        "ln of the mean amplitude",
        height,
        x_range=Range1d(0, 1.02 * largest),
    )
    resolution_axis(plot, look, largest, power=2)
    styles = {
        "original": (look.ink, "solid", 1.8),
        "mtf_corrected": (look.green, "dotdash", 1.8),
        "weighted": (look.blue, "solid", 2.0),
        "inside_mask": (look.orange, "solid", 2.0),
        "sharpened": (look.vermilion, "solid", 2.4),
    }
    for step, (colour, dash, width) in styles.items():
        source = made[f"guinier_{step}"]
        legend = {"legend_label": NAMES[step]} if len(data[f"guinier_{step}"]["x"]) else {}
        line = plot.line(
            "x",
            "y",
            source=source,
            line_color=colour,
            line_dash=dash,
            line_width=width,
            **legend,
        )
        hover(plot, [line], [(NAMES[step], "@y{0.000}"), ("at", "@A"), ("1/d²", "@x{0.00000}")])
    plot.line(
        "x",
        "y",
        source=made["guinier_line"],
        line_color=look.purple,
        line_dash="dashed",
        line_width=2.6,
        legend_label="fitted line",
    )
    plot.add_layout(
        LabelSet(
            x="x",
            y="y",
            text="text",
            y_offset=10,
            source=made["guinier_words"],
            text_color=look.purple,
            text_font_size="12px",
            text_font_style="bold",
        )
    )
    dress_legend(plot, look, "top_right")
    return Plot([plot], made)
