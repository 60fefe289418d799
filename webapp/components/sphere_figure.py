"""The frame of every picture of the sphere of directions: azimuth by elevation, with a bar of colours."""

from bokeh.models import ColorBar, ColorMapper, Range1d
from bokeh.plotting import figure

from webapp.components.look import Look, dress, new_figure


def sphere_figure(look: Look, name: str, mapper: ColorMapper, unit: str, height: int) -> figure:
    """An empty figure over all directions, in degrees; `unit` stands above the bar of colours."""
    plot = new_figure(
        look,
        name,
        "azimuth (°)",
        "elevation (°)",
        height,
        x_range=Range1d(-182, 182),
        y_range=Range1d(-92, 92),
    )
    bar = ColorBar(
        color_mapper=mapper,
        width=10,
        title=unit,
        background_fill_color=look.card,
        major_label_text_color=look.faint,
        title_text_color=look.faint,
    )
    plot.add_layout(bar, "right")
    dress(plot, look)
    plot.xaxis.ticker = [-180, -90, 0, 90, 180]
    plot.yaxis.ticker = [-90, -45, 0, 45, 90]
    plot.grid.visible = False
    return plot
