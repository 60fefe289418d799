"""Noise power and spectral signal-to-noise of an iteration, by shell."""

from bokeh.models import Range1d, Span

from compute.files.events import Iteration
from webapp.components.look import (
    Data,
    Look,
    Plot,
    dress_legend,
    hover,
    known,
    new_figure,
    resolution_axis,
    sources,
)

LARGEST_SSNR = 999.0
"""Shells whose halves are joined have no signal-to-noise of their own; the engine caps it there."""


def spectra_data(row: Iteration | None) -> Data:
    """The columns of both plots; empty without an iteration."""
    if row is None or not row.extent_A:
        empty: dict[str, list] = {"xs": [], "ys": [], "name": [], "half": []}
        return {"noise": empty, "ssnr": {"x": [], "y": [], "A": []}}
    extent = row.extent_A
    shells = range(1, len(row.ssnr))
    signal = known(row.ssnr)
    return {
        "noise": {
            "xs": [[n / extent for n in range(1, len(one.power))] for one in row.noise_power],
            "ys": [known(one.power[1:]) for one in row.noise_power],
            "name": [one.optics_group for one in row.noise_power],
            "half": [str(one.half) for one in row.noise_power],
        },
        "ssnr": {
            "x": [n / extent for n in shells],
            "y": [
                float("nan") if not 1e-6 < signal[n] < LARGEST_SSNR * 0.999 else signal[n]
                for n in shells
            ],
            "A": [f"{extent / n:.2f} Å" for n in shells],
        },
    }


def spectra_plot(data: Data, nyquist_A: float, look: Look, height: int = 280) -> Plot:
    """Noise power of each optics group and half, and the map's signal-to-noise with its line at 1."""
    made = sources(data)
    figures = []
    for name, label in (("noise", "noise power"), ("ssnr", "signal to noise")):
        plot = new_figure(
            look,
            name,
            "spatial frequency (1/Å)",
            label,
            height,
            y_axis_type="log",
            x_range=Range1d(0, 1.02 / nyquist_A),
        )
        resolution_axis(plot, look, 1.02 / nyquist_A)
        figures.append(plot)
    lines = figures[0].multi_line(
        "xs", "ys", source=made["noise"], line_color=look.blue, line_width=1.8, line_alpha=0.8
    )
    hover(figures[0], [lines], [("optics group", "@name"), ("half", "@half"), ("power", "$y")])
    line = figures[1].line("x", "y", source=made["ssnr"], color=look.green, width=2)
    figures[1].add_layout(
        Span(location=1.0, dimension="width", line_color=look.ink, line_dash="dashed")
    )
    hover(figures[1], [line], [("at", "@A"), ("signal to noise", "@y{0.000}")])
    for plot in figures:
        dress_legend(plot, look)
    return Plot(figures, made)
