"""Line plots as SVG text, for documents that must open anywhere without a program behind them."""

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass

INK, FAINT, GRID = "#17212b", "#5a6876", "#e3e8ed"
BLUE, ORANGE, GREEN, VERMILION, PURPLE = "#0072b2", "#c98200", "#00855f", "#d55e00", "#a8558a"
"""Okabe and Ito's colours, darkened for white paper: safe for the colour-blind."""
RESOLUTION_TICKS_A = (50, 20, 12, 8, 6, 5, 4, 3.5, 3, 2.5, 2, 1.5, 1)
HISTORY_TICKS_A = (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10, 15, 20, 30, 50, 100)
WIDTH, HEIGHT = 640, 320
LEFT, RIGHT, TOP, BOTTOM = 58, 14, 30, 46


@dataclass(frozen=True, slots=True)
class Curve:
    """One line of a plot; values that are not known (None or not a number) leave a gap."""

    name: str
    x: Sequence[float]
    y: Sequence[float | None]
    colour: str = BLUE
    is_dashed: bool = False
    has_points: bool = False


@dataclass(frozen=True, slots=True)
class Axes:
    """The frame of a plot: labels, ranges, thresholds as (value, words); `shows_resolution` adds ticks in Å on top.

    With `is_y_resolution` the vertical axis is one of resolutions: logarithmic, and finer is up. With `has_whole_x`
    there is nothing between whole numbers on the other one.
    """

    title: str
    x_label: str
    y_label: str
    x_range: tuple[float, float]
    y_range: tuple[float, float]
    thresholds: Sequence[tuple[float, str]] = ()
    shows_resolution: bool = False
    is_y_resolution: bool = False
    has_whole_x: bool = False


def line_plot(curves: Sequence[Curve], axes: Axes) -> str:
    """An SVG element with the curves, a legend, and a title for those who cannot see it."""
    place = _Place(axes)
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" xmlns="http://www.w3.org/2000/svg">',
        f"<title>{html.escape(axes.title)}</title>",
        *_grid(axes, place),
        *_thresholds(axes, place),
    ]
    for curve in curves:
        parts += _drawn(curve, place)
    parts += _legend(curves)
    return "".join([*parts, "</svg>"])


def ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Round values between two bounds, about as many as wanted."""
    span = high - low
    if not span > 0:
        return [low]
    size = 10.0 ** math.floor(math.log10(span / wanted))
    step = next(size * n for n in (1, 2, 5, 10) if span / (size * n) <= wanted + 0.5)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(n * step, 12) for n in range(first, last + 1)]


class _Place:
    """Where values lie in the picture."""

    def __init__(self, axes: Axes) -> None:
        (self._x0, x1), (y0, y1) = axes.x_range, axes.y_range
        self._height = (lambda value: -math.log(value)) if axes.is_y_resolution else float
        self._y0, y1 = sorted((self._height(y0), self._height(y1)))
        self._x_scale = (WIDTH - LEFT - RIGHT) / ((x1 - self._x0) or 1.0)
        self._y_scale = (HEIGHT - TOP - BOTTOM) / ((y1 - self._y0) or 1.0)

    def x(self, value: float) -> float:
        return LEFT + (value - self._x0) * self._x_scale

    def y(self, value: float) -> float:
        return HEIGHT - BOTTOM - (self._height(value) - self._y0) * self._y_scale


def _text(x: float, y: float, words: str, anchor: str = "middle", more: str = "") -> str:
    style = f'font-size="12" fill="{FAINT}" text-anchor="{anchor}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}{more}>{html.escape(words)}</text>'


def _line(x0: float, y0: float, x1: float, y1: float, colour: str, more: str = "") -> str:
    ends = f'x1="{x0:.1f}" y1="{y0:.1f}" x2="{x1:.1f}" y2="{y1:.1f}"'
    return f'<line {ends} stroke="{colour}"{more}/>'


def _grid(axes: Axes, place: _Place) -> list[str]:
    """Grid lines with their numbers, the labels of both axes, and the resolution in Å above."""
    bottom = HEIGHT - BOTTOM
    parts = []
    for value in ticks(*axes.x_range):
        if axes.has_whole_x and value != round(value):
            continue
        x = place.x(value)
        parts += [_line(x, TOP, x, bottom, GRID), _text(x, bottom + 16, f"{value:g}")]
    for value in _y_ticks(axes):
        y = place.y(value)
        parts.append(_line(LEFT, y, WIDTH - RIGHT, y, GRID))
        parts.append(_text(LEFT - 6, y + 4, f"{value:g}", "end"))
    if axes.shows_resolution:
        low, high = axes.x_range
        shown = [tick for tick in RESOLUTION_TICKS_A if low < 1 / tick <= high]
        parts += [_text(place.x(1 / tick), TOP - 8, f"{tick:g} Å") for tick in _apart(shown, place)]
    middle = (TOP + bottom) / 2
    turned = f' transform="rotate(-90 14 {middle:.1f})"'
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, axes.x_label))
    parts.append(_text(14, middle, axes.y_label, more=turned))
    return parts


def _y_ticks(axes: Axes) -> list[float]:
    """The values at the vertical axis."""
    if not axes.is_y_resolution:
        return ticks(*axes.y_range)
    low, high = axes.y_range
    shown = [tick for tick in HISTORY_TICKS_A if low <= tick <= high]
    return shown if len(shown) > 2 else ticks(low, high)


def _apart(shown: Sequence[float], place: _Place) -> list[float]:
    """The ticks in Å whose numbers do not touch one another."""
    kept: list[float] = []
    for tick in shown:
        if not kept or place.x(1 / tick) - place.x(1 / kept[-1]) > 44:
            kept.append(tick)
    return kept


def _thresholds(axes: Axes, place: _Place) -> list[str]:
    parts = []
    for value, words in axes.thresholds:
        y = place.y(value)
        parts.append(_line(LEFT, y, WIDTH - RIGHT, y, FAINT, ' stroke-dasharray="2 3"'))
        parts.append(_text(WIDTH - RIGHT - 4, y - 4, words, "end"))
    return parts


def _drawn(curve: Curve, place: _Place) -> list[str]:
    """A curve as lines between neighbouring known points."""
    dash = ' stroke-dasharray="6 4"' if curve.is_dashed else ""
    style = f'fill="none" stroke="{curve.colour}" stroke-width="2"{dash}'
    parts: list[str] = []
    run: list[str] = []
    for x, y in zip(curve.x, curve.y, strict=True):
        if y is None or not math.isfinite(y):
            parts, run = _ended(parts, run, style), []
            continue
        run.append(f"{place.x(x):.1f},{place.y(y):.1f}")
        if curve.has_points:
            spot = f'cx="{place.x(x):.1f}" cy="{place.y(y):.1f}" r="3"'
            parts.append(f'<circle {spot} fill="{curve.colour}"/>')
    return _ended(parts, run, style)


def _ended(parts: list[str], run: Sequence[str], style: str) -> list[str]:
    return [*parts, f'<polyline points="{" ".join(run)}" {style}/>'] if len(run) > 1 else parts


def _legend(curves: Sequence[Curve]) -> list[str]:
    """The names of the curves at the upper right, each beside a piece of its line."""
    parts = []
    for row, curve in enumerate(curves if len(curves) > 1 else ()):
        y = TOP + 16 + 18 * row
        x = WIDTH - RIGHT - 210
        dash = ' stroke-width="2"' + (' stroke-dasharray="6 4"' if curve.is_dashed else "")
        parts.append(_line(x, y - 4, x + 24, y - 4, curve.colour, dash))
        parts.append(_text(x + 30, y, curve.name, "start"))
    return parts
