"""The page of a project: its jobs as a table and as a chart, its files, and notes."""

import html
from functools import partial
from pathlib import Path
from urllib.parse import quote

import panel as pn
import param

from compute.files.errors import InputError
from db.models.jobs import Job
from db.models.projects import Project
from db.repository.overview import JobLine
from db.repository.visits import Since
from db.words import Role, may
from webapp import binning
from webapp.components.flow_chart import Station, flow_chart
from webapp.components.headline import duration
from webapp.components.job_cells import job_cells
from webapp.components.look import Look
from webapp.components.since import since_html
from webapp.components.star import star_html
from webapp.components.table import Table
from webapp.components.talk import Talk
from webapp.components.tick import Tick
from webapp.components.words import Words
from webapp.finding import jobs_of_project, since_last_visit
from webapp.job_names import type_name
from webapp.marking import is_project_starred
from webapp.pages.background import Background
from webapp.pages.bin_tab import BinTab
from webapp.pages.frame import card
from webapp.pages.members import MembersTab, activity_card
from webapp.pages.moments import every
from webapp.store import Store

POLL_MS = 2000
NEWS_MS = 30_000
TABS = ("jobs", "flow", "files", "notes", "comments", "members", "activity", "bin")
COLUMNS = [
    {"key": "starred", "label": "Star", "kind": "star", "place": "place", "about": "about"},
    {"key": "number", "label": "Job", "kind": "number", "link": "url"},
    {"key": "title", "label": "Title", "link": "url"},
    {"key": "tags", "label": "Tags", "kind": "tags"},
    {"key": "type", "label": "Type"},
    {"key": "state", "label": "State", "kind": "status"},
    {"key": "resolution", "label": "Resolution", "unit": "Å", "kind": "number", "digits": 2},
    {"key": "particles", "label": "Particles", "kind": "number"},
    {"key": "iteration", "label": "It", "kind": "number"},
    {"key": "time", "label": "Time"},
    {"key": "author", "label": "By"},
    {"key": "started", "label": "Started"},
    {"key": "why", "label": "Why", "kind": "text"},
]
NO_JOBS = "No jobs yet. A refinement needs particles (STAR) and a reference map (MRC)."
NOTHING_FITS = "No job of this project fits."


class ProjectPage(pn.viewable.Viewer):
    """One project, live."""

    tab = param.String(default="jobs")

    def __init__(
        self, store: Store, background: Background, look: Look, project_id: int, **params: object
    ) -> None:
        super().__init__(**params)
        self._store, self._background = store, background
        self.project, self._role = store.project(project_id)
        self._jobs = Table(
            columns=COLUMNS,
            caption="jobs",
            file_name=f"{self.project.name}_jobs",
            empty=NO_JOBS,
            sizing_mode="stretch_width",
        )
        self._flow = Words("", sizing_mode="stretch_width")
        self._files = Table(
            columns=[
                {"key": "path", "label": "File", "kind": "path", "link": "file", "download": True},
                {"key": "content", "label": "What"},
                {"key": "particles", "label": "Particles", "kind": "number"},
                {"key": "box", "label": "Box", "unit": "px", "kind": "number"},
                {"key": "pixel", "label": "Pixel", "unit": "Å", "kind": "number", "digits": 4},
                {"key": "job", "label": "Made by", "link": "url"},
            ],
            caption="files that jobs hand on",
            file_name=f"{self.project.name}_files",
            empty="No job has made anything yet.",
            sizing_mode="stretch_width",
        )
        self._notes = pn.widgets.TextAreaInput(
            label="Notes", value=self.project.notes, rows=12, sizing_mode="stretch_width"
        )
        self._saved = Words("")
        self._words = pn.widgets.TextInput(
            label="Filter", placeholder="d2  tag:best  state:failed  type:refine  by:me", width=380
        )
        self._starred = Tick(text="starred only", align="end")
        self._words.param.watch(lambda _: self._filter(), "value_input")
        self._starred.param.watch(lambda _: self._filter(), "value")
        self._since = Words("", sizing_mode="stretch_width")
        self._bin = BinTab(store, background, project_id)
        self._tabs = self._layout()
        if self.tab in TABS:
            self._tabs.active = TABS.index(self.tab)
        self._tabs.param.watch(self._switched, "active")
        self._show(self._read())
        self._show_news(since_last_visit(store, project_id))
        every(POLL_MS, self._poll)
        every(NEWS_MS, self._look_for_news)

    def _layout(self) -> pn.Tabs:
        save = pn.widgets.Button(label="Save notes", color="primary")
        save.on_click(lambda _: self._save())
        edits = may(self._role, Role.EDITOR)
        self._notes.disabled = not edits
        return pn.Tabs(
            (
                "Jobs",
                card(
                    "Jobs",
                    pn.FlexBox(self._words, self._starred, align_items="end"),
                    self._jobs,
                    self._compare_link(),
                ),
            ),
            ("Flow", card("Flow", self._flow)),
            ("Files", card("Files", self._files)),
            ("Notes", card("Notes", self._notes, *([pn.Row(save, self._saved)] if edits else []))),
            (
                "Comments",
                card(
                    "Comments",
                    Talk(place=f"projects/{self.project.id}", sizing_mode="stretch_width"),
                    sub="on the project as a whole; those on a job are on its page",
                ),
            ),
            ("Members", MembersTab(self._store, self.project.id)),
            ("Activity", activity_card(self._store, self.project.id)),
            ("Bin", self._bin),
            dynamic=True,
            sizing_mode="stretch_width",
        )

    def _compare_link(self) -> pn.pane.HTML:
        """To the page that shows several jobs side by side."""
        newest = [line.job for line in self._store.project_jobs(self.project.id)]
        refined = [job.number for job in newest if job.type == "refine" and job.last_iteration]
        numbers = ",".join(map(str, sorted(refined[:2])))
        address = f"compare?project={self.project.id}&jobs={numbers}"
        return pn.pane.HTML(f'<a href="{html.escape(address)}">Compare jobs side by side</a>')

    def _read(self) -> tuple:
        project_id, words, starred = self.project.id, self._words.value_input, self._starred.value
        lines = self._store.project_jobs(project_id)
        is_filtered = bool(words or starred)
        return (
            lines,
            jobs_of_project(self._store, project_id, words or "", starred=starred)
            if is_filtered
            else lines,
            self._store.project_tree(project_id),
            self._store.project_files(project_id),
            binning.content(self._store, project_id) if self.tab == "bin" else None,
        )

    def _filter(self) -> None:
        """Other jobs are wanted."""
        is_filtered = bool(self._words.value_input or self._starred.value)
        self._jobs.empty = NOTHING_FITS if is_filtered else NO_JOBS
        self._background.run("project", self._read, self._show)

    def _look_for_news(self) -> None:
        read = partial(since_last_visit, self._store, self.project.id)
        self._background.run("news", read, self._show_news)

    def _show_news(self, found: Since | None) -> None:
        text = since_html(found, "Since your last visit")
        if text != self._since.object:
            self._since.object = text

    def _poll(self) -> None:
        if not self._background.is_busy("project"):
            self._background.run("project", self._read, self._show)

    def _show(self, found: tuple) -> None:
        lines, wanted, tree, files, in_bin = found
        if in_bin is not None:
            self._bin.draw(in_bin)
        rows = [job_row(line) for line in wanted]
        if rows != self._jobs.rows:
            self._jobs.rows = rows
        chart = flow_chart([station(line) for line in lines], tree.edges)
        if chart != self._flow.object:
            self._flow.object = chart
        listed = [
            {
                "path": node.path,
                "content": node.content,
                "particles": node.particles,
                "box": node.box_size,
                "pixel": node.pixel_size_A,
                "job": job.name,
                "url": f"job?id={job.id}",
                "file": file_address(job, node.path),
            }
            for node, job in files
        ]
        if listed != self._files.rows:
            self._files.rows = listed

    def _switched(self, event: param.parameterized.Event) -> None:
        self.tab = TABS[event.new]
        self._background.run("project", self._read, self._show)

    def _save(self) -> None:
        try:
            self.project = self._store.set_project_notes(
                self.project.id, self._notes.value, self.project.notes
            )
            self._saved.object = '<span class="chip finished">saved</span>'
        except InputError as error:
            self._saved.object = f'<p class="notice bad">{html.escape(str(error))}</p>'

    def __panel__(self) -> pn.viewable.Viewable:
        edits, starred = (
            may(self._role, Role.EDITOR),
            is_project_starred(self._store, self.project.id),
        )
        return pn.Column(
            pn.pane.HTML(_head(self.project, edits, starred), sizing_mode="stretch_width"),
            self._since,
            self._tabs,
            sizing_mode="stretch_width",
        )


def _head(project: Project, edits: bool, is_starred: bool) -> str:
    acts = (
        f'<a class="as-button primary" href="new?project={project.id}&type=refine">New refinement</a> '
        f'<a class="as-button" href="new?project={project.id}">Other job</a>'
    )
    return (
        f'<div class="hero"><div><div class="title"><h1>{html.escape(project.name)}</h1>'
        f"{star_html(f'projects/{project.id}', project.name, is_starred)}</div>"
        f'<div class="facts"><code>{html.escape(project.folder)}</code></div></div>'
        f"<div>{acts if edits else '<span class=faint>You look at this project</span>'}</div></div>"
    )


def file_address(job: Job, path: str) -> str:
    """Where the browser gets a file of a job by its path in the project; empty where that lies elsewhere."""
    inside = Path(path)
    if not inside.is_relative_to(job.folder):
        return ""
    return f"api/file?job={job.id}&file={quote(str(inside.relative_to(job.folder)))}"


def job_row(line: JobLine) -> dict[str, object]:
    """A job as a row of the table."""
    job = line.job
    seconds = None
    if job.started_at is not None and job.ended_at is not None:
        seconds = (job.ended_at - job.started_at).total_seconds()
    return {
        "starred": line.is_starred,
        "place": f"jobs/{job.id}",
        "about": job.name,
        "tags": [{"name": tag.name, "colour": tag.colour} for tag in line.tags],
        **job_cells(job),
        "resolution": job.resolution_A,
        "particles": job.particles,
        "iteration": job.last_iteration,
        "time": duration(seconds) if seconds is not None else "",
        "author": line.author,
        "started": f"{job.started_at.astimezone():%Y-%m-%d %H:%M}" if job.started_at else "",
        "why": job.reason if job.state in ("failed", "waiting", "stopping") else "",
    }


def station(line: JobLine) -> Station:
    """A job as a box of the chart."""
    job = line.job
    return Station(
        job.id,
        job.number,
        type_name(job.type),
        job.title or job.alias or "",
        str(job.state),
        job.resolution_A,
    )
