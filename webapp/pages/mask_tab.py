"""What a mask job has made: the threshold and what it encloses, and the mask on the slices of its map."""

import html
import json
from pathlib import Path
from typing import Any

import panel as pn

from compute.files.errors import InputError
from webapp.components.look import Look
from webapp.components.mask_plot import mask_data, mask_plot
from webapp.components.slice_viewer import SliceViewer
from webapp.components.volume_viewer import VolumeViewer
from webapp.pages.background import Background
from webapp.pages.frame import card
from webapp.pages.refine_tabs import pane
from webapp.pages.shown import Shown
from webapp.pages.waiting import READING, result_words, said
from webapp.store import Store

MASK = "mask"


class MaskTab:
    """The figures, the histogram, the slices and the surface."""

    def __init__(self, shown: Shown, look: Look, store: Store, background: Background) -> None:
        self._look, self._store, self._background = look, store, background
        self._slices = SliceViewer(look, shown.file_name("mask"), (MASK,))
        self._volume = VolumeViewer(look, shown.file_name("mask_3d"))
        self.panel: pn.viewable.Viewable = pn.Column(said(READING), sizing_mode="stretch_width")

    def draw(self, shown: Shown) -> None:
        """Read the report, the mask and the map it was made from, then draw them."""
        root = shown.view.root
        mask, report = (root.with_name(f"{root.name}{end}") for end in (".mrc", ".json"))
        if not report.exists():
            self.panel[:] = [said(result_words(shown, report))]
            return
        given = str(shown.view.job.parameters.get("map") or "")
        source = Path(shown.view.project.folder) / given if given else None

        def read() -> tuple | str:
            try:
                found = self._store.map(source) if source and source.exists() else None
                return json.loads(report.read_text()), self._store.map(mask), found
            except (InputError, OSError) as error:
                return str(error)

        url = shown.map_url(mask)
        self._background.run("mask", read, lambda found: self._arrived(shown, url, found))

    def _arrived(self, shown: Shown, url: str, found: tuple | str) -> None:
        if isinstance(found, str):
            words = f'<p class="notice warn">{html.escape(found)}</p>'
            self.panel[:] = [pn.pane.HTML(words, sizing_mode="stretch_width")]
            return
        report, mask, source = found
        cards: list[object] = [
            card("The mask", pn.pane.HTML(facts(report), sizing_mode="stretch_width"))
        ]
        if report.get("histogram"):
            plot = mask_plot(mask_data(report), self._look, shown.file_name("mask_histogram"))
            cards.append(card("Densities and what they enclose", pane(plot.figures[0])))
        cards.append(card("On the map" if source is not None else "Slices", self._slices))
        cards.append(card("Surface of the mask", self._volume))
        self.panel[:] = cards
        under = mask if source is None else source
        self._slices.draw({"map": under.volume}, mask.pixel_size_A or 1.0, {MASK: mask.volume})
        self._volume.draw({"map": url})


def facts(report: dict[str, Any]) -> str:
    """The figures of a mask's report."""
    lines = []
    if report.get("threshold") is not None:
        reason = html.escape(str(report["threshold_reason"]))
        lines.append(("Threshold", f"<b>{report['threshold']:.4g}</b>, {reason}"))
        lines.append(("The density there", _size(report, "region_")))
    lines.append(
        ("The whole mask", f"{_size(report, '')}, {report['box_fraction']:.1%} of the box")
    )
    lines.append(("Soft edge", f"{report['soft_edge_A']:.1f} Å"))
    if report.get("dust_pieces") or report.get("holes_filled"):
        cleaned = (
            f"{report['dust_pieces']} pieces of dust, {report['holes_filled']} cavities filled"
        )
        lines.append(("Cleaned", cleaned))
    listed = "".join(f"<dt>{name}</dt><dd>{text}</dd>" for name, text in lines)
    grade = report.get("grade")
    said = ""
    if grade is not None:
        style = {"good": "good", "poor": "bad"}.get(str(grade["grade"]), "warn")
        remarks = " ".join(html.escape(str(one)) for one in grade.get("remarks") or ())
        said = f'<p class="notice {style}">Grade: <b>{html.escape(str(grade["grade"]))}</b>. {remarks}</p>'
    return f'<dl class="facts-list">{listed}</dl>{said}'


def _size(report: dict[str, Any], which: str) -> str:
    volume, mass = (
        f"{report[which + name]:,.0f}".replace(",", " ") for name in ("volume_A3", "mass_kDa")
    )
    return f"<b>{volume} Å³</b>, as {mass} kDa of protein"
