"""Some of the particle images that a job has made or kept, as they are in its stack."""

import html
from pathlib import Path

import panel as pn

from compute.files.errors import InputError
from webapp.components.headers import particle_header, sample_images
from webapp.pages.background import Background
from webapp.pages.frame import card
from webapp.pages.shown import Shown
from webapp.pages.waiting import READING, result_words, said

PARTICLES = "particles"


class ImagesTab:
    """A sheet of images from each file of particles among a job's outputs."""

    def __init__(self, shown: Shown, background: Background) -> None:
        self._background = background
        self.panel: pn.viewable.Viewable = pn.Column(said(READING), sizing_mode="stretch_width")

    def draw(self, shown: Shown) -> None:
        """Read some images, then draw them."""
        project = Path(shown.view.project.folder)
        made = [project / one.path for one in shown.view.outputs if one.content == PARTICLES]
        there = [path for path in made if path.exists()]
        if not there:
            self.panel[:] = [said(result_words(shown, None))]
            return
        self._background.run("images", lambda: [_sheet(path) for path in there], self._arrived)

    def _arrived(self, sheets: list[tuple[str, str, str]]) -> None:
        self.panel[:] = [card(name, said(sheet), sub=words) for name, words, sheet in sheets]


def _sheet(path: Path) -> tuple[str, str, str]:
    """The name of a file, what its header says, and some of its images, or why there are none."""
    try:
        return path.name, particle_header(path).sentence(), sample_images(path)
    except InputError as error:
        problem = f'<p class="notice warn">{html.escape(str(error))}</p>'
        return path.name, "", problem
