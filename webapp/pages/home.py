"""The first page: what runs, what needs attention, where to go on; for a first visit, where to begin."""

import html
import shutil
from collections.abc import Sequence
from pathlib import Path

import panel as pn
import psutil

from db.repository.overview import ELSEWHERE, Home, JobLine, ProjectLine
from db.repository.visits import Since
from db.words import State
from webapp.components.headline import PHASES, duration
from webapp.components.since import since_html
from webapp.components.star import star_html
from webapp.components.words import Words
from webapp.finding import news_everywhere
from webapp.job_names import name_of
from webapp.pages.background import Background
from webapp.pages.demo_start import DemoStarter
from webapp.pages.frame import card
from webapp.pages.moments import every
from webapp.store import Store

POLL_MS = 2000
NEWS_MS = 60_000


class HomePage(pn.viewable.Viewer):
    """Running and waiting jobs, recent projects and failed jobs of everybody's that this user sees."""

    def __init__(self, store: Store, background: Background, **params: object) -> None:
        super().__init__(**params)
        self._store, self._background = store, background
        self._content = Words("", sizing_mode="stretch_width")
        self._since = Words("", sizing_mode="stretch_width")
        self._demo = DemoStarter(store)
        self._load = Load()
        self._first = pn.Column(visible=False, sizing_mode="stretch_width")
        self._first[:] = [
            card("Begin here", pn.pane.HTML(_FIRST_STEPS, sizing_mode="stretch_width"), self._demo)
        ]
        self._panel = pn.Column(
            self._first, self._since, self._content, sizing_mode="stretch_width"
        )
        self._show(self._read())
        self._show_news(news_everywhere(store))
        every(POLL_MS, self._poll)
        every(NEWS_MS, self._look_for_news)

    def _look_for_news(self) -> None:
        self._background.run("news", lambda: news_everywhere(self._store), self._show_news)

    def _show_news(self, found: Sequence[Since]) -> None:
        text = news_html(found)
        if text != self._since.object:
            self._since.object = text

    def _poll(self) -> None:
        if not self._background.is_busy("home"):
            self._background.run("home", self._read, self._show)

    def _read(self) -> tuple[Home, str]:
        return self._store.home(), machine_html(self._store.settings.projects, self._load.busy())

    def _show(self, answer: tuple[Home, str]) -> None:
        found, machine = answer
        if not found.recent:
            self._first.visible = True  # it stays until the page is left: it is being used
        text = machine + home_html(found)
        if text != self._content.object:
            self._content.object = text

    def __panel__(self) -> pn.viewable.Viewable:
        return self._panel


_FIRST_STEPS = """
<div class="tiles">
<a class="tile" href="projects"><b>Open a project</b><p class="faint">Choose a folder for the jobs of one specimen.
Files of RELION are read as they are.</p></a>
<a class="tile" href="new?type=refine"><b>New refinement</b><p class="faint">Needs particles (STAR) and a rough
map (MRC).</p></a>
<a class="tile" href="help"><b>Learn the words</b><p class="faint">FSC, Nyquist, Pmax: one sentence each.</p></a>
</div>
"""


class Load:
    """How busy the cores of this machine were since it was last asked, whichever thread asks."""

    def __init__(self) -> None:
        self._before = psutil.cpu_times()

    def busy(self) -> float | None:
        """A share from 0 to 1; None where no time has gone by."""
        before, now = self._before, psutil.cpu_times()
        self._before = now
        total = sum(now) - sum(before)
        idle = now.idle + getattr(now, "iowait", 0.0) - before.idle - getattr(before, "iowait", 0.0)
        return min(1.0, max(0.0, 1.0 - idle / total)) if total > 0 else None


def machine_html(folder: Path, busy: float | None) -> str:
    """What this machine has and how busy it is, with the ways to begin."""
    memory = psutil.virtual_memory()
    place = next(one for one in (folder, *folder.parents) if one.exists())
    free_GB = shutil.disk_usage(place).free / 1e9
    cores = psutil.cpu_count()
    meters = (
        ("Cores", f"{cores}" if busy is None else f"{busy:.0%} of {cores}", busy),
        ("Memory", f"{memory.used / 1e9:.0f} of {memory.total / 1e9:.0f} GB", memory.percent / 100),
        ("Disk", f"{free_GB:.0f} GB free", None),
    )
    drawn = "".join(
        f'<div><span class="faint">{name}</span> {words}'
        + (
            f'<div class="bar"><span style="width:{share:.0%}"></span></div>'
            if share is not None
            else ""
        )
        + "</div>"
        for name, words, share in meters
    )
    return (
        f'<div class="strip"><div class="meters">{drawn}</div>'
        '<div><a class="as-button primary" href="new?type=refine">New refinement</a> '
        '<a class="as-button" href="projects">New project</a></div></div>'
    )


def news_html(found: Sequence[Since]) -> str:
    """What happened in each project since its last visit."""
    lines = "".join(since_html(one, one.project.name) for one in found)
    return f"<section><h2>New since you were there</h2>{lines}</section>" if lines else ""


def home_html(found: Home) -> str:
    """The sections of the page, those that have something to say."""
    parts = []
    if found.running:
        parts.append(_section("Running now", [_job(line) for line in found.running]))
    if found.waiting:
        parts.append(_section("Waiting", [_job(line) for line in found.waiting]))
    if found.attention:
        parts.append(_section("Needs attention", [_job(line) for line in found.attention]))
    if found.starred:
        parts.append(_section("Starred jobs", [_job(line) for line in found.starred]))
    if found.recent:
        tiles = "".join(_project(line) for line in found.recent)
        parts.append(f'<h2>Recent projects</h2><div class="tiles">{tiles}</div>')
    return "".join(f"<section>{part}</section>" for part in parts)


def _section(title: str, rows: Sequence[str]) -> str:
    return f'<h2>{title}</h2><div class="job-lines">{"".join(rows)}</div>'


def _job(line: JobLine) -> str:
    """A job in one line."""
    job, progress = line.job, line.progress
    name = html.escape(name_of(job))
    words = []
    if job.last_iteration:
        words.append(f"it {job.last_iteration}")
    if job.resolution_A:
        words.append(f"<b>{job.resolution_A:.2f} Å</b>")
    if progress is not None and progress.phase and job.state == State.RUNNING:
        share = f" {progress.done / progress.total:.0%}" if progress.total else ""
        words.append(f"{html.escape(PHASES.get(progress.phase, progress.phase))}{share}")
        if progress.seconds_left is not None:
            words.append(f"~{duration(progress.seconds_left)} left in it")
    if job.state in (State.WAITING, State.FAILED, State.STOPPING) and job.reason:
        words.append(html.escape(job.reason))
    author = f'<span class="faint">{html.escape(line.author)}</span>' if line.author else ""
    star = star_html(f"jobs/{job.id}", f"job {job.number}", line.is_starred)
    if line.project.name == ELSEWHERE:
        star = ""
    return (
        f'<div class="job-line-place">{star}<a class="job-line" href="job?id={job.id}">'
        f'<span class="chip {job.state}">{job.state}</span>'
        f"<b>job {job.number}</b><span>{name}</span>"
        f'<span class="faint">{html.escape(line.project.name)}</span>'
        f'<span class="grow">{" · ".join(words)}</span>{author}</a></div>'
    )


def _project(line: ProjectLine) -> str:
    best = f"best {line.best_resolution_A:.2f} Å" if line.best_resolution_A else "no result yet"
    running = f", {line.at_work} running" if line.at_work else ""
    jobs = "1 job" if line.jobs == 1 else f"{line.jobs} jobs"
    star = star_html(f"projects/{line.project.id}", line.project.name, line.is_starred)
    return (
        f'<div class="tile-place">{star}<a class="tile" href="project?id={line.project.id}">'
        f"<b>{html.escape(line.project.name)}</b>"
        f'<p class="faint">{best} · {jobs}{running}<br>'
        f"{line.changed_at.astimezone():%d %b %Y, %H:%M}</p></a></div>"
    )
