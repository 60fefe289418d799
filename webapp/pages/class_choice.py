"""A classification's classes side by side, to start a refinement from one of them."""

import html
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import panel as pn

from compute.files.classes import DATA, MODEL, read_classification
from compute.files.errors import InputError
from compute.files.optics import find_file
from webapp.components.headers import ParticleHeader, particle_header, picture
from webapp.components.words import Words
from webapp.pages.background import Background
from webapp.pages.form_files import FormFiles
from webapp.pages.frame import card


@dataclass(frozen=True, slots=True)
class ChosenClass:
    """A class that a refinement is to start from: where its particles are among others, and its map."""

    number: int
    data: Path
    map: Path
    header: ParticleHeader


class ClassChoice:
    """A button that asks for a classification, and a card that shows its classes; `taken` is told of the choice."""

    def __init__(
        self, files: FormFiles, background: Background, taken: Callable[[ChosenClass], None]
    ) -> None:
        self._files, self._background, self._taken = files, background, taken
        self.button = pn.widgets.Button(label="From a classification …")
        self.button.on_click(lambda _: files.ask((DATA, MODEL), self.open, ""))
        self._problem = Words("", sizing_mode="stretch_width")
        self.classes = pn.FlexBox(gap="12px")
        self.card: pn.Column = card(
            "Classes",
            self._problem,
            self.classes,
            sub="the particles of the class that you take are selected by a job of its own",
            visible=False,
        )

    @property
    def problem(self) -> str:
        """What was wrong with the file that was opened; empty if nothing was."""
        return str(self._problem.object)

    def open(self, path: Path) -> None:
        """Show the classes of a classification."""

        def read() -> tuple[Mapping[str, Any], ParticleHeader] | str:
            try:
                found = read_classification(path, self._files.may_read)
                return found, particle_header(Path(found["data"]))
            except InputError as error:
                return str(error)

        self.card.visible = True
        self._background.run("classes", read, self._show)

    def _show(self, found: tuple[Mapping[str, Any], ParticleHeader] | str) -> None:
        if isinstance(found, str):
            self._problem.object = f'<p class="notice bad" role="alert">{html.escape(found)}</p>'
            self.classes[:] = []
            return
        overview, header = found
        self._problem.object = ""
        self.classes[:] = [self._one(one, overview, header) for one in overview["classes"]]

    def _one(
        self, one: Mapping[str, Any], overview: Mapping[str, Any], header: ParticleHeader
    ) -> pn.Column:
        """A class: its slices, its figures, and the button that takes it."""
        number, data = int(one["number"]), Path(overview["data"])
        button = pn.widgets.Button(label=f"Take class {number}")
        place = find_file(str(one["image"]), data) if one["image"] else None
        is_usable = (
            place is not None
            and self._files.may_read(place)
            and place.is_file()
            and one["particles"] > 0
        )
        button.disabled = not is_usable or set(one["slices"]) != {"x", "y", "z"}
        if place is not None:
            chosen = ChosenClass(number, data, place, replace(header, particles=one["particles"]))
            button.on_click(lambda _: self._take(chosen))
        return pn.Column(
            pn.pane.HTML(class_html(one)), button, css_classes=["class-choice"], width=320
        )

    def _take(self, chosen: ChosenClass) -> None:
        self.card.visible = False
        self._taken(chosen)


def class_html(one: Mapping[str, Any]) -> str:
    """A class as a page shows it: slices X, Y, Z of its map and its figures."""
    tiles = [np.array(one["slices"][axis]) for axis in ("x", "y", "z") if axis in one["slices"]]
    shown = picture(tiles, f"class {one['number']}, slices X, Y, Z") if tiles else ""
    words = [f"{one['particles']:,} particles".replace(",", " "), f"{one['fraction']:.0%}"]
    if one["resolution_A"]:
        words.append(f"{one['resolution_A']:.1f} Å")
    if one["box"] and one["pixel_size_A"]:
        words.append(f"{one['box']} px of {one['pixel_size_A']:.3g} Å")
    if not tiles:
        words.append("its map is not there")
    return f"{shown}<p><b>Class {one['number']}</b> · {' · '.join(words)}</p>"
