"""Jobs that go before the one of a form and make its inputs: a reference to match, the particles of a class."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import panel as pn

from compute.files.errors import InputError
from webapp.components.headers import MapHeader
from webapp.components.parameter_form import ParameterForm
from webapp.pages.background import Background
from webapp.pages.class_choice import ChosenClass, ClassChoice
from webapp.pages.form_files import FormFiles
from webapp.store import Store


class JobsBefore:
    """Two buttons of the form of a refinement; each puts a job into the queue and takes what it will make."""

    def __init__(
        self,
        store: Store,
        background: Background,
        form: ParameterForm,
        files: FormFiles,
        project: Callable[[], int | None],
        complain: Callable[[str], None],
    ) -> None:
        self._store, self._form, self._files = store, form, files
        self._project, self._complain = project, complain
        self.match = pn.widgets.Button(label="Make reference match", visible=False)
        self.match.on_click(lambda _: self._make_match())
        self.classes = ClassChoice(files, background, self._take_class)

    def _root_of(self, job_type: str, asked: Mapping[str, Any], title: str) -> str | None:
        """The root of what a new job will make; None where it is refused."""
        project = self._project()
        if project is None:
            self._complain("Project: make one first on the page Projects.")
            return None
        try:
            made = self._store.submit(project, job_type, asked, title=title)
        except InputError as error:
            self._complain(str(error))
            return None
        return str(made.parameters["output"])

    def _make_match(self) -> None:
        """A job that rescales the reference to the particles' box and pixel size."""
        values, particles = self._form.values(), self._files.particles
        asked = {"maps": values["reference"], "match_particles": values["particles"]}
        root = self._root_of("rescale", asked, "Reference to match")
        if root is None or particles is None:
            return
        path = f"{root}.mrc"
        self._files.expect(path, MapHeader(Path(path), particles.box_size, particles.pixel_size_A))
        self._form.fields["reference"].set(path)

    def _take_class(self, chosen: ChosenClass) -> None:
        """A job that selects a class's particles; its map becomes the reference."""
        asked = {"tables": self._files.relative(chosen.data), "classes": str(chosen.number)}
        root = self._root_of("select", asked, f"Class {chosen.number}")
        if root is None:
            return
        self._files.expect(f"{root}.star", chosen.header)
        self._form.fill(
            {"particles": f"{root}.star", "reference": self._files.relative(chosen.map)}
        )
