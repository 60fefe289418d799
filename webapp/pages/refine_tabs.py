"""The tabs of a refinement: overview, FSC, orientations, maps and particles, drawn for one iteration."""

from collections.abc import Callable
from typing import Protocol

import panel as pn
from bokeh.plotting import figure

from webapp.components import fsc_plot, history_columns, history_plots, spectra
from webapp.components.iteration_table import iteration_rows, iteration_table
from webapp.components.look import Data, Look
from webapp.components.orientation_plot import OrientationView
from webapp.components.side_by_side import side_by_side
from webapp.components.table import Table
from webapp.components.words import Words
from webapp.pages.explain import explain_fsc
from webapp.pages.frame import card
from webapp.pages.moments import after_drawing
from webapp.pages.shown import Shown
from webapp.pages.waiting import DRAWING, said

LOWER_HEIGHT_PX = 450
"""About the height of the lower figures of the overview, so that nothing moves when they come."""


RESOLUTION_HEIGHT_PX = 400
"""So that the card ends where that of the FSC beside it does."""


class Tab(Protocol):
    """A part of a job's page that is drawn when it is looked at."""

    @property
    def panel(self) -> pn.viewable.Viewable:
        """What is put on the page."""

    def draw(self, shown: Shown) -> None:
        """Draw this moment."""


def pane(plot: figure) -> pn.pane.Bokeh:
    """A figure as wide as its place."""
    return pn.pane.Bokeh(plot, sizing_mode="stretch_width")


def row(*parts: object) -> pn.Row:
    """Parts side by side."""
    return side_by_side(*parts)


def columns(*parts: object) -> pn.Column:
    """Parts below each other."""
    return pn.Column(*parts, sizing_mode="stretch_width")


class Overview:
    """What matters on one sheet: resolution, FSC, accuracy, convergence and the table.

    The lower figures are made once the browser has drawn the upper ones.
    """

    def __init__(self, shown: Shown, look: Look, choose: Callable[[int], None]) -> None:
        self._choose, self._look, self._shown = choose, look, shown
        limits = shown.limits
        history = history_columns.history_data(shown.records.iterations)
        self._plots = [
            history_plots.resolution_plot(history, limits.nyquist_A, look, RESOLUTION_HEIGHT_PX)
        ]
        self._fsc = fsc_plot.fsc_plot(
            _fsc_data(shown), limits, look, shown.file_name("fsc"), corrected=_corrected(shown)
        )
        self._words = Words("", css_classes=["summary"], sizing_mode="stretch_width")
        self._table = iteration_table(shown.records.iterations, shown.file_name("iterations"))
        self._table.param.watch(self._chosen, "chosen")
        self._lower = side_by_side(said(DRAWING), min_height=LOWER_HEIGHT_PX)
        self.panel: pn.viewable.Viewable = columns(
            row(
                card("Resolution by iteration", pane(self._plots[0].figures[0])),
                card("Fourier shell correlation", pane(self._fsc.figures[0]), self._words),
            ),
            self._lower,
            card("Iterations", self._table, sub="click a row to look at it"),
        )
        after_drawing(self._complete)

    def _complete(self) -> None:
        """Add the lower figures."""
        history = history_columns.history_data(self._shown.records.iterations)
        accuracy = history_plots.accuracy_plot(history, self._look)
        strip = history_plots.convergence_strip(history, self._look)
        self._plots += [accuracy, strip]
        self._lower[:] = [
            card(
                "Accuracy, step and changes",
                *map(pane, accuracy.figures),
                help_text="The step must fall below 75 % of the estimated accuracy before the "
                "refinement may end. The dotted line is 10°: worse, and particles cannot be aligned.",
            ),
            card("Convergence", *grid(strip.figures)),
        ]

    def draw(self, shown: Shown) -> None:
        """Draw this moment."""
        self._shown = shown
        rows = shown.records.iterations
        history = history_columns.history_data(rows)
        history_plots.rescale(self._plots[0], history, shown.limits.nyquist_A)
        for plot in self._plots:
            plot.draw(history)
            history_plots.widen(plot, rows)
        self._fsc.draw(_fsc_data(shown))
        self._words.object = f"<p>{explain_fsc(shown.row, shown.limits)}</p>"
        chosen = rows.index(shown.row) if shown.row in rows else -1
        self._table.param.update(rows=iteration_rows(rows), chosen=chosen)

    def _chosen(self, event: object) -> None:
        """A click on a row; the mark that follows what is shown is none."""
        index, rows = self._table.chosen, self._shown.records.iterations
        if 0 <= index < len(rows) and rows[index] != self._shown.row:
            self._choose(rows[index].iteration)


def grid(figures: list[figure]) -> list[pn.Row]:
    """Small figures, two in a row."""
    return [row(*map(pane, figures[n : n + 2])) for n in range(0, len(figures), 2)]


def _corrected(shown: Shown) -> str:
    """What the corrected curve of this refinement is: that inside the user's mask, or inside the envelope."""
    is_given = bool(shown.view.job.parameters.get("solvent_mask"))
    return f"inside {'your mask' if is_given else 'the envelope'}, corrected"


def _fsc_data(shown: Shown) -> Data:
    curves = fsc_plot.refinement_curves(shown.row) if shown.row else {}
    return fsc_plot.fsc_data(curves, [one.fsc for one in shown.earlier], shown.limits)


class FscTab:
    """The curve in large, what it means, the spectra, and its values as a table."""

    def __init__(self, shown: Shown, look: Look) -> None:
        limits = shown.limits
        self._fsc = fsc_plot.fsc_plot(
            _fsc_data(shown), limits, look, shown.file_name("fsc"), 460, _corrected(shown)
        )
        self._spectra = spectra.spectra_plot(
            spectra.spectra_data(shown.row), limits.nyquist_A, look
        )
        self._words = Words("", css_classes=["summary"], sizing_mode="stretch_width")
        self._table = Table(
            columns=[
                {"key": "shell", "label": "Shell", "kind": "number"},
                {"key": "frequency", "label": "1/Å", "kind": "number", "digits": 5},
                {"key": "resolution", "label": "Å", "kind": "number", "digits": 3},
                {"key": "fsc", "label": "FSC", "kind": "number", "digits": 5},
                {"key": "ssnr", "label": "Signal to noise", "kind": "number", "digits": 4},
            ],
            caption="FSC by shell",
            file_name=shown.file_name("fsc"),
            scroll_height=360,
            sizing_mode="stretch_width",
        )
        self.panel: pn.viewable.Viewable = columns(
            card("Fourier shell correlation", pane(self._fsc.figures[0]), self._words),
            row(
                card("Noise power", pane(self._spectra.figures[0]), sub="by optics group and half"),
                card("Signal to noise", pane(self._spectra.figures[1]), sub="line at 1"),
            ),
            card("The curve as a table", self._table),
        )

    def draw(self, shown: Shown) -> None:
        """Draw this moment."""
        self._fsc.draw(_fsc_data(shown))
        self._spectra.draw(spectra.spectra_data(shown.row))
        self._words.object = f"<p>{explain_fsc(shown.row, shown.limits)}</p>"
        self._table.rows = _shell_rows(shown)


def _shell_rows(shown: Shown) -> list[dict[str, object]]:
    found, extent = shown.row, shown.limits.extent_A
    if found is None:
        return []
    return [
        {
            "shell": n,
            "frequency": n / extent,
            "resolution": extent / n if n else None,
            "fsc": found.fsc[n],
            "ssnr": found.ssnr[n] if n < len(found.ssnr) else None,
        }
        for n in range(len(found.fsc))
    ]


class OrientationTab:
    """Where the particles are seen from."""

    def __init__(self, shown: Shown, look: Look) -> None:
        start = shown.records.start
        self._view = OrientationView((start.symmetry if start else None) or "C1", look)
        self.panel: pn.viewable.Viewable = card(
            "Viewing directions",
            self._view,
            help_text="Each particle counts at the direction of its most probable pose. Counts are on a "
            "logarithmic scale. The efficiency compares how densely the views cover Fourier space in all "
            "directions (harmonic over arithmetic mean; Baldwin &amp; Lyumkis 2020).",
        )

    def draw(self, shown: Shown) -> None:
        """Draw this moment."""
        self._view.draw(shown.row.orientations if shown.row else None)
