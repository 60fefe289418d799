"""What becomes of a job as a whole: another title, into the bin and out again, for programs."""

from dataclasses import replace
from typing import Any

from pydantic import Field

from db.errors import NotFound
from db.models.jobs import Job
from db.repository import jobs
from webapp import binning
from webapp.api.endpoint import Call, Endpoint, Taken
from webapp.commands.rows import job_row

LONGEST_TITLE = 300


class Title(Taken):
    """What a job is to be called."""

    title: str = Field(max_length=LONGEST_TITLE, description="empty for the name of its type")


class IntoBin(Taken):
    """What goes into the bin with a job."""

    with_descendants: bool = Field(False, description="and all jobs that follow from it")


class WhichOfBin(Taken):
    """Which jobs of the bin are asked for."""

    job: str = Field("", max_length=LONGEST_TITLE, description="only this: 19, job019 or an alias")


def rename(call: Call) -> dict[str, Any]:
    """Give a job another title."""
    return _row(call, call.store.rename(call.number("job_id"), call.body.title))


def delete(call: Call) -> list[dict[str, Any]]:
    """Put a job into the bin, and its folder into the project's Trash."""
    gone = binning.delete(call.store, call.number("job_id"), call.body.with_descendants)
    return [_row(call, job) for job in gone]


def restore(call: Call) -> dict[str, Any]:
    """Take a job out of the bin."""
    return _row(call, binning.restore(call.store, call.number("job_id")))


def content(call: Call) -> list[dict[str, Any]]:
    """The jobs of a project's bin, the last put in first, with who put them there."""
    found, asked = binning.content(call.store, call.number("project_id")), call.query.job
    if asked:
        with call.store.database.reading() as session:
            wanted = jobs.find(session, found.project.id, asked, in_bin=True).id
        found = replace(found, jobs=[one for one in found.jobs if one.job.id == wanted])
        if not found.jobs:
            raise NotFound(f"the job '{asked}' is not in the bin")
    return [
        job_row(one.job, found.project)
        | {"deleted_at": one.job.deleted_at.isoformat() if one.job.deleted_at else None}
        | {"deleted_by": one.by}
        for one in found.jobs
    ]


def _row(call: Call, job: Job) -> dict[str, Any]:
    return job_row(job, call.store.project(job.project_id)[0])


ENDPOINTS = (
    Endpoint("PUT", "/jobs/{job_id}/title", "Give it another title", rename, body=Title),
    Endpoint("PUT", "/jobs/{job_id}/bin", "Put it into the bin", delete, body=IntoBin),
    Endpoint("DELETE", "/jobs/{job_id}/bin", "Take it out of the bin", restore),
    Endpoint("GET", "/projects/{project_id}/bin", "The jobs in its bin", content, query=WhichOfBin),
)
