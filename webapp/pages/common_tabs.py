"""The tabs that every kind of job has: what was asked for, the log, the files, and what it used over time."""

import html
from datetime import datetime
from typing import Any

import panel as pn
from pydantic.fields import FieldInfo

from compute.params.option import JobParams, unit
from db.models.jobs import Node
from webapp.command_line import command_line
from webapp.components.log_view import LogView, last_lines
from webapp.components.table import Table
from webapp.components.words import Words
from webapp.options import details, stem
from webapp.pages.background import Background
from webapp.pages.frame import card
from webapp.pages.shown import Shown
from webapp.pages.waiting import READING
from webapp.store import Store

KINDS = {
    ".mrc": "map",
    ".mrcs": "images",
    ".star": "table",
    ".jsonl": "records",
    ".json": "what was asked for",
    ".out": "log",
    ".err": "errors",
    ".npz": "checkpoint",
    ".bild": "directions for a viewer",
    ".xml": "FSC for deposition",
}
NONE = "–"
NO_FILES = "The job has no files yet."
NAMED = {
    "RELION_JOB_EXIT_SUCCESS": "it has finished",
    "RELION_JOB_EXIT_FAILURE": "it has failed",
    "RELION_JOB_EXIT_ABORTED": "it was stopped",
    "run.launch": "how it was started",
    "job.star": "what was asked for, for RELION",
    "job_pipeline.star": "inputs and outputs, for RELION",
    "default_pipeline.star": "the project's jobs, for RELION",
}


class ParameterTab:
    """Every parameter with its value, what it would be by default, and the command that asks for the same."""

    def __init__(self, shown: Shown, store: Store) -> None:
        self._model = store.model(shown.view.job.type)
        self._changed = Table(
            columns=[
                {"key": "name", "label": "Parameter"},
                {"key": "value", "label": "Value", "kind": "text"},
                {"key": "default", "label": "Default", "kind": "text"},
                {"key": "group", "label": "Group"},
                {"key": "changed", "label": "Changed"},
            ],
            caption="parameters",
            file_name=shown.file_name("parameters"),
            sizing_mode="stretch_width",
        )
        self._command = Words("", sizing_mode="stretch_width")
        self._inputs = Words("", sizing_mode="stretch_width")
        self.panel: pn.viewable.Viewable = pn.Column(
            card("Inputs and outputs", self._inputs),
            card("Parameters as used", self._changed, sub="changed ones first"),
            card("The same by command line", self._command),
            sizing_mode="stretch_width",
        )

    def draw(self, shown: Shown) -> None:
        """Draw this moment."""
        start, job = shown.records.start, shown.view.job
        used = dict(start.parameters) if start and start.parameters else dict(job.parameters)
        self._changed.rows = parameter_rows(self._model, used)
        command = command_line(job.type, job.parameters)
        self._command.object = f'<pre class="command">{html.escape(command)}</pre>'
        self._inputs.object = _files_html(shown)


def parameter_rows(model: type[JobParams] | None, used: dict[str, Any]) -> list[dict[str, Any]]:
    """One row for each parameter; those that differ from their default come first."""
    fields: dict[str, FieldInfo] = dict(model.model_fields) if model else {}
    rows = []
    for name, value in used.items():
        info = fields.get(name)
        default = info.default if info is not None and not info.is_required() else None
        rows.append(
            {
                "name": stem(name).replace("_", " "),
                "value": _with_unit(value, unit(name)),
                "default": _with_unit(default, unit(name)),
                "group": details(info)["group"] if info is not None else "",
                "changed": "yes" if value != default else "",
            }
        )
    return sorted(rows, key=lambda row: row["changed"] == "")


def _with_unit(value: Any, unit_of_it: str) -> str:
    text = _text(value)
    return f"{text} {unit_of_it}" if unit_of_it and text != NONE else text


def _text(value: Any) -> str:
    if value in (None, ""):
        return NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def counted(node: Node) -> str:
    """What a table that jobs hand on has in its rows, and how many: coordinates are counted by micrograph."""
    of_micrographs = node.content in ("micrographs", "coordinates")
    one = "micrograph" if of_micrographs else "particle"
    return f"{node.particles} {one}" + ("" if node.particles == 1 else "s")


def _files_html(shown: Shown) -> str:
    """The files that the job reads and hands on, with the jobs that made them."""
    lines = []
    for one in shown.view.inputs:
        maker = ""
        if one.made_by is not None:
            maker = f' from <a href="job?id={one.made_by.id}">{html.escape(one.made_by.name)}</a>'
        size = f", {counted(one.node)}" if one.node.particles else ""
        lines.append(
            f"<dt>{html.escape(one.parameter)}</dt><dd><code>{html.escape(one.node.path)}</code>{maker}{size}</dd>"
        )
    for node in shown.view.outputs:
        size = f", {counted(node)}" if node.particles else ""
        lines.append(
            f"<dt>makes {html.escape(node.content)}</dt><dd><code>{html.escape(node.path)}</code>{size}</dd>"
        )
    return f'<dl class="facts-list">{"".join(lines)}</dl>' if lines else "<p>None recorded.</p>"


class LogTab:
    """What the job has said, and its warnings."""

    def __init__(self, shown: Shown, background: Background) -> None:
        self._background = background
        self._out = LogView(sizing_mode="stretch_width")
        self._errors = LogView(sizing_mode="stretch_width")
        self._warnings = Words(READING, sizing_mode="stretch_width")
        self.panel: pn.viewable.Viewable = pn.Column(
            self._warnings,
            card("Log", self._out, sub="run.out"),
            card("Errors and details", self._errors, sub="run.err"),
            sizing_mode="stretch_width",
        )

    def draw(self, shown: Shown) -> None:
        """Read the end of the log, then draw it."""
        folder = shown.view.folder
        out, err = folder / "run.out", folder / "run.err"
        self._out.url = shown.file_url(out)
        self._errors.url = shown.file_url(err)
        self._background.run(
            "log",
            lambda: (last_lines(out), last_lines(err)),
            lambda found: self._arrived(shown, *found),
        )

    def _arrived(self, shown: Shown, out: list[str], errors: list[str]) -> None:
        warnings = [html.escape(one.message) for one in shown.records.warnings]
        self._warnings.object = "".join(f'<p class="notice warn">{text}</p>' for text in warnings)
        self._out.lines, self._errors.lines = out, errors


class FileTab:
    """The files of the job with their sizes, to be downloaded."""

    def __init__(self, shown: Shown, background: Background) -> None:
        self._background = background
        self._table = Table(
            columns=[
                {"key": "name", "label": "File", "kind": "path", "link": "url", "download": True},
                {"key": "kind", "label": "What"},
                {"key": "bytes", "label": "Size", "kind": "number", "text": "size"},
                {"key": "time", "label": "Written"},
            ],
            file_name=shown.file_name("files"),
            empty="Reading …",
            scroll_height=560,
            sizing_mode="stretch_width",
        )
        address = f"api/report?job={shown.view.job.id}"
        report = pn.pane.HTML(
            f'<a href="{address}" download>Report as one document</a> · '
            f'<a href="{address}&amp;form=json" download>Provenance</a>',
            sizing_mode="stretch_width",
        )
        self.panel: pn.viewable.Viewable = card(
            "Files", report, self._table, sub=str(shown.view.folder)
        )

    def draw(self, shown: Shown) -> None:
        """Look into the folder, then draw it."""
        self._background.run("files", lambda: file_rows(shown), self._arrived)

    def _arrived(self, rows: list[dict[str, Any]]) -> None:
        total = size_words(sum(row["bytes"] for row in rows))
        self._table.param.update(rows=rows, empty=NO_FILES, caption=f"{len(rows)} files, {total}")


def size_words(count: float) -> str:
    """A number of bytes as people read it."""
    units = ("B", "kB", "MB", "GB", "TB")
    power = min(len(units) - 1, max(0, len(f"{count:.0f}") - 1) // 3)
    shown = count / 1000**power
    return (
        f"{shown:.0f} {units[power]}"
        if not power or shown >= 100
        else f"{shown:.1f} {units[power]}"
    )


def file_rows(shown: Shown) -> list[dict[str, Any]]:
    """A row for each file of a job's folder, results of the whole job first."""
    found = []
    folder = shown.view.folder
    for path in sorted(folder.rglob("*")) if folder.is_dir() else []:
        if not path.is_file() or path.name.startswith("."):
            continue
        status = path.stat()
        found.append(
            {
                "name": str(path.relative_to(folder)),
                "kind": NAMED.get(path.name) or KINDS.get(path.suffix, ""),
                "bytes": status.st_size,
                "size": size_words(status.st_size),
                "time": f"{datetime.fromtimestamp(status.st_mtime):%Y-%m-%d %H:%M:%S}",
                "url": shown.file_url(path),
            }
        )
    return sorted(found, key=lambda row: ("_it" in row["name"], row["name"]))
