"""The FSC by direction: is the map as good along all directions, and if not, which are weak?"""

import html
import json
from typing import Any

import panel as pn

from webapp.components import direction_plots
from webapp.components.look import Look
from webapp.components.table import Table
from webapp.pages.background import Background
from webapp.pages.frame import card
from webapp.pages.refine_tabs import pane, row
from webapp.pages.shown import Shown
from webapp.pages.waiting import READING, result_words, said

COLUMNS: list[dict[str, Any]] = [
    {"key": "azimuth_deg", "label": "Azimuth", "unit": "°", "kind": "number", "digits": 1},
    {"key": "polar_deg", "label": "Polar angle", "unit": "°", "kind": "number", "digits": 1},
    {"key": "resolution_A", "label": "Resolution", "unit": "Å", "kind": "number", "digits": 2},
    {
        "key": "area",
        "label": "Area under the curve",
        "unit": "shells",
        "kind": "number",
        "digits": 3,
    },
]


class DirectionalTab:
    """What a job of directional FSC has made."""

    def __init__(self, shown: Shown, look: Look, background: Background) -> None:
        self._look, self._background = look, background
        self.panel: pn.viewable.Viewable = pn.Column(said(READING), sizing_mode="stretch_width")

    def draw(self, shown: Shown) -> None:
        """Read the job's table, then draw it."""
        root = shown.view.root
        path = root.with_name(f"{root.name}_directional_fsc.json")
        if not path.exists():
            self.panel[:] = [said(result_words(shown, path))]
            return
        self._background.run(
            "directions",
            lambda: json.loads(path.read_text()),
            lambda table: self._arrived(shown, table),
        )

    def _arrived(self, shown: Shown, table: dict[str, Any]) -> None:
        look, name = self._look, shown.file_name
        curves = direction_plots.curves_plot(
            direction_plots.curves_data(table), look, name("directional_fsc")
        )
        ends = float(table["best_A"]), float(table["worst_A"])
        sphere = direction_plots.sphere_plot(
            direction_plots.sphere_data(table), ends, look, name("directional_resolution")
        )
        rows = [{one["key"]: line[one["key"]] for one in COLUMNS} for line in table["directions"]]
        self.panel[:] = [
            card("Anisotropy", pn.pane.HTML(words(table), sizing_mode="stretch_width")),
            row(
                card("FSC by direction", pane(curves.figures[0])),
                card(
                    "Resolution by direction",
                    pane(sphere.figures[0]),
                    sub="where it falls below 0.143",
                    help_text="Each place of the sphere is a direction of Fourier space; opposite ones are the same.",
                ),
            ),
            card(
                "The directions",
                Table(
                    columns=COLUMNS,
                    rows=sorted(rows, key=lambda one: -one["resolution_A"]),
                    caption="directions, the weakest first",
                    file_name=name("directions"),
                    scroll_height=320,
                    sizing_mode="stretch_width",
                ),
            ),
        ]


def words(table: dict[str, Any]) -> str:
    """The number, its verdict and its definition."""
    style = "bad" if table["is_anisotropic"] else "good"
    verdict = "anisotropic" if table["is_anisotropic"] else "isotropic"
    return (
        f'<p class="notice {style}">The map is <b>{verdict}</b>: area ratio <b>{table["area_ratio"]:.2f}</b>. '
        f"Best direction {table['best_A']:.2f} Å, worst {table['worst_A']:.2f} Å, mean {table['mean_A']:.2f} ± "
        f"{table['deviation_A']:.2f} Å over {len(table['directions'])} directions, in cones of "
        f"±{table['half_angle_deg']:g}°; the whole map {table['whole_map_A']:.2f} Å.</p>"
        f"<p class='faint'>Definition: {html.escape(table['definition'])}</p>"
    )
