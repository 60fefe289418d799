"""The tab with the particles of a refinement: histograms, those far from the others, and a table with images."""

import html
from pathlib import Path

import panel as pn

from compute.files.errors import InputError
from webapp.components import particle_plots
from webapp.components.look import Look
from webapp.components.particle_rows import ParticleRows, read_rows
from webapp.components.sharpen_words import in_project
from webapp.components.table import Table
from webapp.components.words import Words
from webapp.pages.background import Background
from webapp.pages.frame import card
from webapp.pages.particle_browser import ParticleBrowser
from webapp.pages.refine_tabs import columns, grid
from webapp.pages.shown import Shown
from webapp.pages.waiting import READING
from webapp.store import Store


class ParticleTab:
    """Histograms of what was found for each particle, those far from the others, and all with their images."""

    def __init__(self, shown: Shown, look: Look, store: Store, background: Background) -> None:
        self._background = background
        self._plots = particle_plots.histogram_plots(particle_plots.histogram_data(None), look)
        self._table = Table(
            columns=particle_plots.OUTLIER_COLUMNS,
            caption="particles far from the others",
            file_name=shown.file_name("outliers"),
            empty="No particle is more than five robust standard deviations from the others.",
            scroll_height=380,
            can_choose=True,
            sizing_mode="stretch_width",
        )
        self._browser = ParticleBrowser(
            background,
            store.previews,
            shown.file_name("particles"),
            narrowed=self._plots.shade,
            looked_at=self._plots.mark,
        )
        self._plots.when_drawn(self._browser.narrow)
        self._table.param.watch(self._picked, "chosen")
        self._note = Words(READING, sizing_mode="stretch_width")
        self.panel: pn.viewable.Viewable = columns(
            self._note,
            card(
                "Particles",
                *grid(self._plots.figures),
                sub="of the chosen iteration; draw over a histogram to see only these",
            ),
            card("Far from the others", self._table, sub="click a row to see it below"),
            card(
                "All particles",
                self._browser,
                help_text="Sorted on the server: click a head to sort, again to turn the order round. The second "
                "image has its phases flipped by the CTF and is low-passed.",
            ),
        )

    def draw(self, shown: Shown) -> None:
        """Read the particle file of this moment, then draw it."""
        files = shown.data_files()
        if files is None:
            return

        def read() -> tuple:
            try:
                rows = read_rows(*files)
                return particle_plots.figures_of(rows.particles.table.columns, files[1]), rows, ""
            except InputError as error:
                return None, None, str(error)

        project = shown.view.project
        self._browser.selects_from(
            {
                "project": project.id,
                "type": "select",
                "tables": in_project(str(files[0]), Path(project.folder)),
            }
        )
        self._background.run("particles", read, lambda found: self._arrived(*found))

    def _arrived(
        self,
        figures: particle_plots.ParticleFigures | None,
        rows: ParticleRows | None,
        problem: str,
    ) -> None:
        self._note.object = f"<p class='notice warn'>{html.escape(problem)}</p>" if problem else ""
        self._plots.draw(particle_plots.histogram_data(figures))
        self._table.rows = particle_plots.outliers(figures) if figures else []
        self._browser.draw(rows)

    def _picked(self, _: object) -> None:
        if 0 <= self._table.chosen < len(self._table.rows):
            self._browser.show(int(self._table.rows[self._table.chosen]["row"]))
