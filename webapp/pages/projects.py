"""All projects of a user, jobs found by a search, and the making of a project."""

import html
from pathlib import Path

import panel as pn

from compute.files.errors import InputError
from webapp.components.table import Table
from webapp.components.words import Words
from webapp.pages.demo_start import DemoStarter
from webapp.pages.frame import card
from webapp.store import Store


class ProjectsPage(pn.viewable.Viewer):
    """The table of projects; with a search also the jobs that it finds."""

    def __init__(self, store: Store, search: str, **params: object) -> None:
        super().__init__(**params)
        self._store = store
        self._name = pn.widgets.TextInput(label="Name", placeholder="beta-galactosidase")
        self._folder = pn.widgets.TextInput(
            label="Folder (absolute; made where it is missing)",
            placeholder=f"{store.settings.projects}/…",
            sizing_mode="stretch_width",
            max_width=420,
        )
        self._problem = Words("", sizing_mode="stretch_width")
        make = pn.widgets.Button(label="Create or open", color="primary", align="end")
        make.on_click(lambda _: self._create())
        found = [
            {
                "starred": line.is_starred,
                "place": f"projects/{line.project.id}",
                "name": line.project.name,
                "url": f"project?id={line.project.id}",
                "jobs": line.jobs,
                "running": line.at_work,
                "best": line.best_resolution_A,
                "changed": f"{line.changed_at.astimezone():%Y-%m-%d %H:%M}",
                "folder": line.project.folder,
            }
            for line in store.projects(search)
        ]
        table = Table(
            columns=[
                {
                    "key": "starred",
                    "label": "Star",
                    "kind": "star",
                    "place": "place",
                    "about": "name",
                },
                {"key": "name", "label": "Project", "link": "url"},
                {"key": "best", "label": "Best", "unit": "Å", "kind": "number", "digits": 2},
                {"key": "jobs", "label": "Jobs", "kind": "number"},
                {"key": "running", "label": "Running", "kind": "number"},
                {"key": "changed", "label": "Changed"},
                {"key": "folder", "label": "Folder", "kind": "path"},
            ],
            rows=found,
            caption=f"projects with '{search}'" if search else "projects",
            file_name="projects",
            empty="No project yet: name one and its folder below.",
            sizing_mode="stretch_width",
        )
        parts: list[object] = [card("Projects", table)]
        if search:
            parts.append(card(f"Jobs with '{search}'", _found_jobs(store, search)))
        parts.append(
            card(
                "New project, or an existing folder",
                pn.FlexBox(self._name, self._folder, make),
                self._problem,
            )
        )
        parts.append(card("Demo", DemoStarter(store)))
        self._panel = pn.Column(*parts, sizing_mode="stretch_width")

    def _create(self) -> None:
        try:
            folder = Path(self._folder.value) if self._folder.value else None
            made = self._store.create_project(self._name.value or "", folder)
        except InputError as error:
            self._problem.object = (
                f'<p class="notice bad" role="alert">{html.escape(str(error))}</p>'
            )
            return
        name = html.escape(made.name)
        self._problem.object = (
            f'<p class="notice good">Made. <a href="project?id={made.id}">Open {name}</a></p>'
        )

    def __panel__(self) -> pn.viewable.Viewable:
        return self._panel


def _found_jobs(store: Store, search: str) -> Table:
    rows = [
        {
            "number": line.job.number,
            "url": f"job?id={line.job.id}",
            "title": line.job.title or line.job.folder,
            "project": line.project.name,
            "state": str(line.job.state),
            "resolution": line.job.resolution_A,
        }
        for line in store.found_jobs(search)
    ]
    return Table(
        columns=[
            {"key": "number", "label": "Job", "kind": "number", "link": "url"},
            {"key": "title", "label": "Title"},
            {"key": "project", "label": "Project"},
            {"key": "state", "label": "State", "kind": "status"},
            {
                "key": "resolution",
                "label": "Resolution",
                "unit": "Å",
                "kind": "number",
                "digits": 2,
            },
        ],
        rows=rows,
        empty="No job has these words in its title, alias, notes or folder.",
        sizing_mode="stretch_width",
    )
