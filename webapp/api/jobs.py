"""Jobs, iterations, curves, logs and files, for programs."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import Field

from compute.files.relion import JobFolder
from db.errors import NotFound
from db.models.records import IterationCurves, IterationRow
from db.repository import iterations, overview, progress
from webapp.api.endpoint import Call, Endpoint, Taken
from webapp.api.projects import ListJobs
from webapp.commands.rows import attempt_row, job_row
from webapp.job_types import model_of
from webapp.views import JobView

LAST = "last"
LOG_BYTES = 1_000_000
MOST_FILES = 5000
HIDDEN = {"id", "job_id", "attempt_id", "is_superseded", "iteration_id"}
"""Columns that mean something inside the database only."""


class Stop(Taken):
    """How a job is to be stopped."""

    at_once: bool = Field(False, description="now, instead of after the iteration")


class Continue(Taken):
    """How an ended job is to go on."""

    after_iteration: int | None = Field(None, ge=0, description="without it, after the last one")
    changes: dict[str, Any] = Field({}, description="parameters given anew")


class Log(Taken):
    """Which part of what a job has said."""

    errors: bool = Field(False, description="warnings and errors instead")
    lines: int | None = Field(None, ge=1, description="only the last N lines")


def all_jobs(call: Call) -> list[dict[str, Any]]:
    """The jobs of all projects that the user sees, newest first."""
    with call.store.database.reading() as session:
        lines = overview.jobs(
            session,
            call.visitor.user_id,
            wanted=call.query.wanted,
            before_id=call.query.before,
            limit=call.query.limit,
        )
    return [job_row(one.job, one.project, one.progress) for one in lines]


def job(call: Call) -> dict[str, Any]:
    """Everything about a job but its iterations."""
    view = _view(call)
    with call.store.database.reading() as session:
        row = job_row(view.job, view.project, progress.latest(session, view.job.id))
        warnings = progress.event_list(session, view.job.id, kinds=["warning"], limit=20)
    outputs = ("path", "content", "particles", "box_size", "pixel_size_A")
    return {
        **row,
        "author": view.author,
        "parameters": view.job.parameters,
        "attempts": [attempt_row(one) for one in view.attempts],
        "outputs": [{name: getattr(one, name) for name in outputs} for one in view.outputs],
        "warnings": [one.message for one in warnings],
    }


def stop(call: Call) -> dict[str, Any]:
    """Ask a job to stop."""
    call.store.stop(call.number("job_id"), call.body.at_once)
    return _row(call)


def go_on(call: Call) -> dict[str, Any]:
    """Put an ended job into the queue again."""
    call.store.continue_job(
        call.number("job_id"), call.body.after_iteration, changes=call.body.changes
    )
    return _row(call)


def iteration_table(call: Call) -> list[dict[str, Any]]:
    """The figures of all iterations, in order."""
    view = _view(call)
    with call.store.database.reading() as session:
        return [_columns(one) for one in iterations.table(session, view.job.id)]


def curves(call: Call) -> dict[str, Any]:
    """All curves of one iteration, with the frequency of each shell."""
    view = _view(call)
    with call.store.database.reading() as session:
        if call.place["iteration"] == LAST:
            row = iterations.last(session, view.job.id)
            if row is None:
                raise NotFound("no iteration has ended yet")
        else:
            row = iterations.one(session, view.job.id, call.number("iteration"))
        found = _columns(iterations.curves(session, view.job.id, row.iteration))
    shells = range(len(found["fsc"]))
    frequencies = [shell / row.extent_A for shell in shells] if row.extent_A else None
    return {"iteration": row.iteration, "frequency_per_A": frequencies, **found}


def log(call: Call) -> dict[str, Any]:
    """What a job has said so far, the end of it where that is long."""
    view = _view(call)
    folder = JobFolder(view.folder)
    path = folder.run_err if call.query.errors else folder.run_out
    if not path.exists():
        return {"file": path.name, "is_whole": True, "lines": []}
    real = call.store.file(view, path.name)
    with real.open("rb") as file:
        size = real.stat().st_size
        file.seek(max(0, size - LOG_BYTES))
        lines = file.read(LOG_BYTES).decode("utf-8", "replace").splitlines()
    wanted = lines[-call.query.lines :] if call.query.lines else lines
    is_whole = size <= LOG_BYTES and len(wanted) == len(lines)
    return {"file": path.name, "is_whole": is_whole, "lines": wanted}


def files(call: Call) -> list[dict[str, Any]]:
    """The files in a job's folder."""
    view = _view(call)
    listed = []
    for path in _inside(view.folder):
        status = path.stat()
        listed.append(
            {
                "path": str(path.relative_to(view.folder)),
                "bytes": status.st_size,
                "changed_at": datetime.fromtimestamp(status.st_mtime, UTC),
            }
        )
        if len(listed) == MOST_FILES:
            break
    return listed


def one_file(call: Call) -> Path:
    """A file of a job."""
    return call.store.file(_view(call), call.place["file"])


def types(call: Call) -> list[dict[str, Any]]:
    """The types of jobs that the queue takes."""
    return [{"type": name, "what": words} for name, (_, words) in call.store.job_types.items()]


def one_type(call: Call) -> dict[str, Any]:
    """The parameters of a type of job, as a JSON schema."""
    name = call.place["type"]
    if name not in call.store.job_types:
        raise NotFound(f"'{name}' is not a type of job")
    return model_of(name).model_json_schema()


def queue(call: Call) -> dict[str, Any]:
    """What runs and waits; of projects that the user does not see, only who and what it takes."""
    found = call.store.queue()
    return {
        "paused": found.pause,
        "running": [
            {**job_row(one.job, one.project), "author": one.author} for one in found.running
        ],
        "waiting": [
            {**job_row(one.job, one.project), "author": one.author} for one in found.waiting
        ],
        "machines": [
            {
                "name": machine.name,
                "cores": machine.cores,
                "cores_held": sum(one.cores for one in held),
                "memory_GB": machine.memory_GB,
                "gpus": machine.gpus,
                "gpus_held": sorted(gpu for one in held for gpu in one.gpus),
            }
            for machine, held in found.machines
        ],
    }


def _view(call: Call) -> JobView:
    return call.store.job(call.number("job_id"))


def _row(call: Call) -> dict[str, Any]:
    view = _view(call)
    return job_row(view.job, view.project)


def _columns(row: IterationRow | IterationCurves) -> dict[str, Any]:
    names = [column.name for column in row.__table__.columns]
    return {name: getattr(row, name) for name in names if name not in HIDDEN}


def _inside(folder: Path) -> Iterator[Path]:
    """The plain files below a folder, by name; links that lead out of it are left out."""
    base = folder.resolve()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.resolve().is_relative_to(base):
            yield path


ENDPOINTS = (
    Endpoint("GET", "/jobs", "Jobs of all projects that you see", all_jobs, query=ListJobs),
    Endpoint("GET", "/jobs/{job_id}", "One job", job),
    Endpoint("POST", "/jobs/{job_id}/stop", "Stop it", stop, body=Stop),
    Endpoint("POST", "/jobs/{job_id}/continue", "Let it go on", go_on, body=Continue),
    Endpoint("GET", "/jobs/{job_id}/iterations", "Figures of its iterations", iteration_table),
    Endpoint(
        "GET",
        "/jobs/{job_id}/iterations/{iteration}/curves",
        "FSC and all other curves of an iteration, or of the 'last'",
        curves,
    ),
    Endpoint("GET", "/jobs/{job_id}/log", "What it has said", log, query=Log),
    Endpoint("GET", "/jobs/{job_id}/files", "Its files", files),
    Endpoint(
        "GET",
        "/jobs/{job_id}/files/{file}",
        "A map or other file, whole or a range of bytes",
        one_file,
        is_file=True,
    ),
    Endpoint("GET", "/types", "The types of jobs", types),
    Endpoint("GET", "/types/{type}", "The parameters of a type of job", one_type),
    Endpoint("GET", "/queue", "What runs and waits", queue),
)
