"""What a post-processing job has made: its figures, FSC curves and Guinier plot from its files, and the map."""

import html
import json
from typing import Any

import panel as pn

from compute.files.errors import InputError
from compute.files.postprocess_files import PostprocessTables, read_postprocess
from webapp.components import fsc_plot
from webapp.components.fsc_plot import Limits
from webapp.components.guinier_plot import guinier_data, guinier_plot
from webapp.components.look import Data, Look
from webapp.pages.background import Background
from webapp.pages.frame import card
from webapp.pages.refine_tabs import pane, row
from webapp.pages.shown import Shown
from webapp.pages.waiting import READING, result_words, said

FITTED = ("inside_mask", "weighted", "mtf_corrected", "original")
"""Which amplitudes the line was fitted to: the first of these that there are."""


class PostprocessTab:
    """The result of a finished job."""

    def __init__(self, shown: Shown, look: Look, background: Background) -> None:
        self._look, self._background = look, background
        self.panel: pn.viewable.Viewable = pn.Column(said(READING), sizing_mode="stretch_width")

    def draw(self, shown: Shown) -> None:
        """Read the job's files, then draw them."""
        star = shown.view.root.with_name(f"{shown.view.root.name}.star")
        report = shown.view.root.with_name(f"{shown.view.root.name}_summary.json")
        if not star.exists():
            self.panel[:] = [said(result_words(shown, star))]
            return

        def read() -> tuple[PostprocessTables, dict[str, Any]] | str:
            try:
                return read_postprocess(star), json.loads(report.read_text())
            except (InputError, OSError) as error:
                return str(error)

        self._background.run("result", read, lambda found: self._arrived(shown, found))

    def _arrived(self, shown: Shown, found: tuple | str) -> None:
        if isinstance(found, str):
            self.panel[:] = [said(f'<p class="notice warn">{html.escape(found)}</p>')]
            return
        tables, summary = found
        look, name = self._look, shown.file_name
        limits = limits_of(tables, summary)
        curves = {key: values.tolist() for key, values in tables.curves.items()}
        data = fsc_plot.fsc_data(curves, [], limits)
        fsc = fsc_plot.fsc_plot(data, limits, look, name("fsc"))
        guinier = guinier_plot(amplitudes(tables, summary), limits.nyquist_A, look, name("guinier"))
        self.panel[:] = [
            card("Result", pn.pane.HTML(facts(summary), sizing_mode="stretch_width")),
            row(
                card("Fourier shell correlation", pane(fsc.figures[0])),
                card("Guinier plot", pane(guinier.figures[0])),
            ),
        ]


def limits_of(tables: PostprocessTables, summary: dict[str, Any]) -> Limits:
    """What bounds the curves."""
    shells = len(tables.resolution_per_A)
    return Limits(
        extent_A=(shells - 1) * summary["nyquist_A"],
        nyquist_A=summary["nyquist_A"],
        randomised_from_A=summary.get("randomised_from_A"),
    )


def amplitudes(tables: PostprocessTables, summary: dict[str, Any]) -> Data:
    """The columns of the Guinier plot."""
    line = None
    fit = summary.get("fit")
    if tables.fit is not None and fit is not None:
        is_used = tables.squared_per_A2 >= fit["lowest_resolution_A"] ** -2
        highest = fit.get("highest_resolution_A")
        if highest:
            is_used &= tables.squared_per_A2 <= highest**-2
        last = next(tables.amplitudes[name] for name in FITTED if name in tables.amplitudes)
        used = tables.squared_per_A2[is_used & (last > -99.0)]
        if len(used):
            line = (*tables.fit, float(used.min()), float(used.max()))
    steps = {name: values.tolist() for name, values in tables.amplitudes.items()}
    return guinier_data(tables.squared_per_A2.tolist(), steps, line, tables.b_factor_A2)


def facts(summary: dict[str, Any]) -> str:
    """The figures of the job and what is to be said of them."""
    mask, fit = summary.get("mask"), summary.get("fit")
    lines = [
        (
            "Resolution",
            f"<b>{summary['resolution_A']:.2f} Å</b>, {html.escape(summary['criterion'])}",
        ),
        ("B-factor", f"<b>{summary['b_factor_A2']:.0f} Å²</b>"),
    ]
    if fit is not None:
        region = fit.get("region", "whole box")
        lines[-1] = (
            "B-factor",
            f"{lines[-1][1]}, from {fit['points']} shells beyond {fit['lowest_resolution_A']:g} Å, "
            f"{region} (r² {fit['squared_correlation']:.2f})",
        )
        if region != "whole box":
            lines.append(("of the whole box", f"{summary['b_factor_whole_box_A2']:.0f} Å²"))
    for name, found in summary["resolutions_A"].items():
        text = ", ".join(f"{value:.2f} Å at {level}" for level, value in found.items())
        lines.append((f"FSC {name.replace('_', ' ')}", text))
    if mask is not None:
        lines.append(
            (
                "Mask",
                f"<code>{html.escape(mask['file'])}</code>, {mask['volume_A3']:.0f} Å³, "
                f"{mask['mass_kDa']:.0f} kDa of protein, {mask['share_of_box']:.1%} of the box: "
                f"{html.escape(mask['grade'])}",
            )
        )
    listed = "".join(f"<dt>{name}</dt><dd>{text}</dd>" for name, text in lines)
    remarks = "".join(
        f'<p class="notice warn">{html.escape(one)}</p>' for one in summary.get("remarks", ())
    )
    return f'<dl class="facts-list">{listed}</dl>{remarks}'
