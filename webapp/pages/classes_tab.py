"""What a selection was made from and what it kept: classes side by side with their slices, and the steps."""

import html
import json
from typing import Any

import numpy as np
import panel as pn

from webapp.components.pictures import png
from webapp.components.table import Table
from webapp.pages.background import Background
from webapp.pages.frame import card
from webapp.pages.shown import Shown
from webapp.pages.waiting import READING, result_words, said

CLASS_COLUMNS: list[dict[str, Any]] = [
    {"key": "number", "label": "Class", "kind": "number"},
    {"key": "particles", "label": "Particles", "kind": "number"},
    {"key": "share", "label": "Share", "unit": "%", "kind": "number", "digits": 1},
    {"key": "resolution_A", "label": "Resolution", "unit": "Å", "kind": "number", "digits": 2},
    {
        "key": "accuracy_angles_deg",
        "label": "Acc. angles",
        "unit": "°",
        "kind": "number",
        "digits": 2,
    },
    {
        "key": "accuracy_offsets_A",
        "label": "Acc. offsets",
        "unit": "Å",
        "kind": "number",
        "digits": 2,
    },
    {"key": "kept", "label": "Kept"},
]
STEP_COLUMNS: list[dict[str, Any]] = [
    {"key": "what", "label": "Step", "kind": "text"},
    {"key": "before", "label": "Before", "kind": "number"},
    {"key": "after", "label": "Kept", "kind": "number"},
    {"key": "lost", "label": "Left out", "kind": "number"},
]


class ClassesTab:
    """The classes of the particles that were selected from, and what each step of the selection kept."""

    def __init__(self, shown: Shown, background: Background) -> None:
        self._background = background
        self.panel: pn.viewable.Viewable = pn.Column(said(READING), sizing_mode="stretch_width")

    def draw(self, shown: Shown) -> None:
        """Read the job's reports, then draw them."""
        root = shown.view.root
        steps, classes = (
            root.with_name(f"{root.name}_{one}.json") for one in ("selection", "classes")
        )
        if not steps.exists():
            self.panel[:] = [said(result_words(shown, steps))]
            return

        def read() -> tuple[dict[str, Any], dict[str, Any] | None]:
            overview = json.loads(classes.read_text()) if classes.exists() else None
            return json.loads(steps.read_text()), overview

        self._background.run("selection", read, lambda found: self._arrived(shown, *found))

    def _arrived(
        self, shown: Shown, steps: dict[str, Any], overview: dict[str, Any] | None
    ) -> None:
        noun = html.escape(steps["noun"])
        kept = f"<b>{steps['selected']}</b> of {steps['rows']} {noun} were kept."
        remarks = "".join(f"<p class='faint'>{html.escape(one)}</p>" for one in steps["remarks"])
        lines = [{**one, "lost": one["before"] - one["after"]} for one in steps["steps"]]
        cards: list[object] = [
            card(
                "Selection",
                pn.pane.HTML(
                    f'<p class="notice good">{kept}</p>{remarks}', sizing_mode="stretch_width"
                ),
                Table(
                    columns=STEP_COLUMNS,
                    rows=lines,
                    caption="steps of the selection",
                    empty="Nothing was asked for that leaves rows out.",
                    file_name=shown.file_name("selection"),
                    sizing_mode="stretch_width",
                ),
            )
        ]
        if overview is not None:
            picture = pn.pane.HTML(class_cards(overview), sizing_mode="stretch_width")
            cards.append(card("Classes", picture, sub=f"of {overview['particles']} particles"))
            cards.append(
                card(
                    "Classes as a table",
                    Table(
                        columns=CLASS_COLUMNS,
                        rows=class_rows(overview),
                        caption="classes",
                        file_name=shown.file_name("classes"),
                        sizing_mode="stretch_width",
                    ),
                )
            )
        self.panel[:] = cards


def class_rows(overview: dict[str, Any]) -> list[dict[str, Any]]:
    """A row for each class."""
    names = ("number", "particles", "resolution_A", "accuracy_angles_deg", "accuracy_offsets_A")
    return [
        {name: one[name] for name in names}
        | {"share": 100 * one["fraction"], "kept": "yes" if one["is_selected"] else ""}
        for one in overview["classes"]
    ]


def class_cards(overview: dict[str, Any]) -> str:
    """The classes side by side: slices, population and resolution; those that were kept are marked."""
    largest = max((one["fraction"] for one in overview["classes"]), default=1.0) or 1.0
    return (
        f'<div class="classes">{"".join(_class(one, largest) for one in overview["classes"])}</div>'
    )


def _class(one: dict[str, Any], largest: float) -> str:
    slices = "".join(
        f'<img alt="class {one["number"]}, slice {axis}" src="{png(np.array(rows, dtype=np.uint8))}">'
        for axis, rows in one["slices"].items()
    )
    resolution = one["resolution_A"]
    figures = "resolution unknown" if resolution is None else f"{resolution:.2f} Å"
    kept = ' <span class="chip finished">kept</span>' if one["is_selected"] else ""
    style = "kept" if one["is_selected"] else ""
    return (
        f'<div class="{style}"><h3>Class {one["number"]}{kept}</h3><div class="slices">{slices}</div>'
        f'<div class="bar"><span style="width: {100 * one["fraction"] / largest:.1f}%"></span></div>'
        f"<p>{one['particles']} particles, {one['fraction']:.1%} · {figures}</p></div>"
    )
