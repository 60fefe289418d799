"""Notices, and what happened since the last visit, for pages and programs."""

from typing import Any

from pydantic import Field

from db.repository.notices import NoticeLine
from db.repository.visits import Change
from webapp import finding
from webapp.api.endpoint import Call, Endpoint, Taken

PROJECT = "/projects/{project_id}"


class Notices(Taken):
    """Which notices are wanted, newest first."""

    limit: int = Field(20, ge=1, le=200)
    before: int | None = Field(None, description="notices before this id")


class Read(Taken):
    """Which notices were read; all of them without."""

    ids: list[int] | None = Field(None, max_length=500)
    job: int | None = Field(None, description="those of a job (its id)")
    up_to: int | None = Field(None, description="all up to this id")


def notices(call: Call) -> dict[str, Any]:
    """What you are told."""
    asked = call.query
    unread, lines = finding.notice_list(call.store, before_id=asked.before, limit=asked.limit)
    return {"unread": unread, "notices": [notice_row(one) for one in lines]}


def read_notices(call: Call) -> dict[str, Any]:
    """Note that you have read notices."""
    asked = call.body
    left = finding.mark_read(call.store, ids=asked.ids, job_id=asked.job, up_to=asked.up_to)
    return {"unread": left}


def notice_row(line: NoticeLine) -> dict[str, Any]:
    """A notice as JSON has it."""
    notice, job = line.notice, line.job
    place = f"job?id={job.id}" if job is not None else f"project?id={line.project.id}"
    if notice.comment_id is not None:
        place += "&tab=comments"
    return {
        "id": notice.id,
        "news": str(notice.news),
        "sentence": sentence(line),
        "text": notice.text,
        "project": line.project.name,
        "job": job.number if job is not None else None,
        "made_at": notice.made_at,
        "is_read": notice.read_at is not None,
        "url": place,
    }


def sentence(line: NoticeLine) -> str:
    """A notice in a few words."""
    job, by = line.job, line.by or "somebody"
    news = str(line.notice.news)
    if news == "shared":
        return f"{by} has shared the project {line.project.name} with you"
    where = f"the project {line.project.name}"
    if job is not None:
        where = f"job {job.number}" + (
            f" ({job.title or job.alias})" if job.title or job.alias else ""
        )
    if news == "mentioned":
        return f"{by} mentions you at {where}"
    verb = {
        "finished": "has finished",
        "failed": "has failed",
        "stopped": "was stopped",
        "waits": "waits",
    }[news]
    return f"{where[0].upper()}{where[1:]} {verb}"


def note_visit(call: Call) -> dict[str, Any]:
    """Say that you are at a project now."""
    finding.note_visit(call.store, call.number("project_id"))
    return {"is_noted": True}


def changes(call: Call) -> dict[str, Any]:
    """What happened since your last visit."""
    found = finding.since_last_visit(call.store, call.number("project_id"))
    return {
        "since": found.moment if found is not None else None,
        "changes": [_change(one) for one in found.changes] if found is not None else [],
    }


def _change(change: Change) -> dict[str, Any]:
    return {
        "what": change.what,
        "time": change.time,
        "job": change.job.number if change.job is not None else None,
        "who": change.who,
        "text": change.text,
    }


ENDPOINTS = (
    Endpoint("GET", "/notices", "What you are told", notices, query=Notices),
    Endpoint("POST", "/notices/read", "Mark notices as read", read_notices, body=Read),
    Endpoint("GET", f"{PROJECT}/changes", "What happened since your last visit", changes),
    Endpoint("POST", f"{PROJECT}/visit", "Say that you are there now", note_visit),
)
