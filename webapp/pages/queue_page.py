"""Who computes what on which machine, since when; who waits, and why."""

import html
from collections.abc import Sequence
from datetime import UTC, datetime

import panel as pn

from db.models.jobs import Job
from db.repository.machines import Held
from db.repository.overview import JobLine
from webapp.components.headline import duration
from webapp.components.table import Table
from webapp.components.words import Words
from webapp.job_names import name_of
from webapp.pages.background import Background
from webapp.pages.frame import card
from webapp.pages.moments import every
from webapp.store import Store
from webapp.views import QueueView

POLL_MS = 2000
JOBS = [
    {"key": "number", "label": "Job", "kind": "number", "link": "url"},
    {"key": "title", "label": "Title"},
    {"key": "project", "label": "Project"},
    {"key": "author", "label": "Who"},
    {"key": "state", "label": "State", "kind": "status"},
    {"key": "since", "label": "Since"},
    {"key": "needs", "label": "Needs"},
    {"key": "why", "label": "Why it waits", "kind": "text"},
]


class QueuePage(pn.viewable.Viewer):
    """The queue of everybody, live."""

    def __init__(self, store: Store, background: Background, **params: object) -> None:
        super().__init__(**params)
        self._store, self._background = store, background
        self._machines = Words("", sizing_mode="stretch_width")
        self._running = Table(
            columns=[one for one in JOBS if one["key"] != "why"],
            empty="Nothing runs.",
            has_tools=False,
            sizing_mode="stretch_width",
        )
        self._waiting = Table(
            columns=JOBS, empty="Nobody waits.", has_tools=False, sizing_mode="stretch_width"
        )
        self._panel = pn.Column(
            card("Machines", self._machines),
            card("Running", self._running),
            card("Waiting", self._waiting, sub="in the order in which they start"),
            sizing_mode="stretch_width",
        )
        self._show(store.queue())
        every(POLL_MS, self._poll)

    def _poll(self) -> None:
        if not self._background.is_busy("queue"):
            self._background.run("queue", self._store.queue, self._show)

    def _show(self, found: QueueView) -> None:
        text = machines_html(found)
        if text != self._machines.object:
            self._machines.object = text
        self._running.rows = [_row(line) for line in found.running]
        self._waiting.rows = [_row(line) for line in found.waiting]

    def __panel__(self) -> pn.viewable.Viewable:
        return self._panel


def machines_html(found: QueueView) -> str:
    """Each machine: cores and GPUs, those that are held and by whom."""
    parts = []
    if found.pause:
        parts.append(f'<p class="notice warn">{html.escape(found.pause)}</p>')
    if not found.machines:
        parts.append(
            "<p class='faint'>No supervisor has reported a machine yet: jobs start when one runs.</p>"
        )
    for machine, held in found.machines:
        used = sum(one.cores for one in held)
        memory = f" · {machine.memory_GB:.0f} GB" if machine.memory_GB else ""
        share = min(100, round(100 * used / machine.cores))
        jobs = ", ".join(f"job {one.job.number}, for {_since(one.job)}" for one in held)
        gpus = "".join(_gpu(gpu, held) for gpu in machine.gpus)
        parts.append(
            f'<div class="machine"><b>{html.escape(machine.name)}</b> '
            f'<span class="faint">{used} of {machine.cores} cores in use{memory}</span>'
            f'<div class="bar"><span style="width:{share}%"></span></div>'
            f'<p class="faint">{html.escape(jobs) or "idle"}</p>{gpus}</div>'
        )
    return "".join(parts)


def _gpu(gpu: dict, held: Sequence[Held]) -> str:
    holder = next((one for one in held if gpu["index"] in one.gpus), None)
    words = f"job {holder.job.number}, for {_since(holder.job)}" if holder else "free"
    return f"<p>GPU {gpu['index']} {html.escape(str(gpu.get('name', '')))}: {words}</p>"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _since(job: Job) -> str:
    """How long a job has held what it holds."""
    began = job.started_at or job.submitted_at
    return duration((datetime.now(UTC) - began).total_seconds()) if began else "a moment"


def _row(line: JobLine) -> dict[str, object]:
    job = line.job
    since = job.started_at or job.submitted_at
    needs = _count(job.cores, "core") + (f", {_count(job.gpus, 'GPU')}" if job.gpus else "")
    return {
        "number": job.number,
        "url": f"job?id={job.id}",
        "title": name_of(job),
        "project": line.project.name,
        "author": line.author,
        "state": str(job.state),
        "since": f"{since.astimezone():%d %b %H:%M}" if since else "",
        "needs": needs,
        "why": job.reason,
    }
