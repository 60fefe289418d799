"""Search, stars, tags, comments, notices and visits, for pages and programs."""

from typing import Any

from pydantic import Field

from db.models.people import User
from db.models.projects import Comment, Tag
from db.repository.notices import NoticeLine
from db.repository.overview import JobLine, ProjectLine
from db.repository.search import Found
from db.repository.visits import Change
from webapp import finding, marking
from webapp.api.endpoint import Call, Endpoint, Taken

LONGEST = 200


class Search(Taken):
    """What is searched for."""

    q: str = Field(
        "",
        max_length=LONGEST,
        description="words and filters: d2 tag:best state:failed type:refine by:me in:beta is:starred",
    )
    limit: int = Field(finding.FEW_JOBS, ge=1, le=200, description="at most as many jobs")
    before: int = Field(0, ge=0, le=100_000, description="so many jobs are skipped")


class NewTag(Taken):
    """How a tag is to look."""

    colour: str | None = Field(
        None, description="grey, red, orange, amber, yellow, lime, green, teal …"
    )


class NewComment(Taken):
    """What is to be said."""

    text: str = Field(max_length=10_000, description="plain text; @name calls somebody")


class Notices(Taken):
    """Which notices are wanted, newest first."""

    limit: int = Field(20, ge=1, le=200)
    before: int | None = Field(None, description="notices before this id")


class Read(Taken):
    """Which notices were read; all of them without."""

    ids: list[int] | None = Field(None, max_length=500)
    job: int | None = Field(None, description="those of a job (its id)")
    up_to: int | None = Field(None, description="all up to this id")


def search(call: Call) -> dict[str, Any]:
    """What a text finds."""
    asked = call.query
    found = finding.find(call.store, asked.q, jobs=asked.limit, before=asked.before)
    return {
        "q": asked.q,
        "terms": found.wanted.terms,
        "problem": found.problem or None,
        "projects": [project_found(one) for one in found.projects],
        "jobs": [job_found(one) for one in found.jobs],
        "has_more": found.has_more,
    }


def project_found(found: Found) -> dict[str, Any]:
    """A project that was found, as JSON has it."""
    line = found.line
    assert isinstance(line, ProjectLine)
    return {
        "id": line.project.id,
        "name": line.project.name,
        "jobs": line.jobs,
        "is_starred": line.is_starred,
        "place": found.place,
        "excerpt": found.excerpt,
        "url": f"project?id={line.project.id}",
    }


def job_found(found: Found) -> dict[str, Any]:
    """A job that was found, as JSON has it."""
    line = found.line
    assert isinstance(line, JobLine)
    job = line.job
    return {
        "id": job.id,
        "number": job.number,
        "title": job.title or job.alias or "",
        "type": job.type,
        "state": str(job.state),
        "resolution_A": job.resolution_A,
        "author": line.author,
        "project": line.project.name,
        "tags": [tag.name for tag in line.tags],
        "is_starred": line.is_starred,
        "place": found.place,
        "excerpt": found.excerpt,
        "url": f"job?id={job.id}",
    }


def star_project(call: Call) -> dict[str, Any]:
    """Give it your star."""
    marking.star_project(call.store, call.number("project_id"), True)
    return {"is_starred": True}


def unstar_project(call: Call) -> dict[str, Any]:
    """Take your star away."""
    marking.star_project(call.store, call.number("project_id"), False)
    return {"is_starred": False}


def star_job(call: Call) -> dict[str, Any]:
    """Give it your star."""
    marking.star_job(call.store, call.number("job_id"), True)
    return {"is_starred": True}


def unstar_job(call: Call) -> dict[str, Any]:
    """Take your star away."""
    marking.star_job(call.store, call.number("job_id"), False)
    return {"is_starred": False}


def tags(call: Call) -> list[dict[str, Any]]:
    """The tags of a project."""
    return [_tag(one) for one in marking.tags(call.store, call.number("project_id"))]


def job_marks(call: Call) -> dict[str, Any]:
    """A job's star and tags."""
    return dict(marking.job_marks(call.store, call.number("job_id")))


def add_tag(call: Call) -> dict[str, Any]:
    """Put a tag on a job."""
    marking.add_tag(call.store, call.number("job_id"), call.place["name"], call.body.colour)
    return job_marks(call)


def remove_tag(call: Call) -> dict[str, Any]:
    """Take a tag off a job."""
    marking.remove_tag(call.store, call.number("job_id"), call.place["name"])
    return job_marks(call)


def _tag(tag: Tag) -> dict[str, Any]:
    return {"name": tag.name, "colour": tag.colour}


def job_comments(call: Call) -> list[dict[str, Any]]:
    """What was said about a job."""
    said = marking.job_comments(call.store, call.number("job_id"))
    return [_comment(call, *one) for one in said]


def project_comments(call: Call) -> list[dict[str, Any]]:
    """What was said about a project."""
    said = marking.project_comments(call.store, call.number("project_id"))
    return [_comment(call, *one) for one in said]


def comment_on_job(call: Call) -> list[dict[str, Any]]:
    """Say something about a job."""
    marking.comment_on_job(call.store, call.number("job_id"), call.body.text)
    return job_comments(call)


def comment_on_project(call: Call) -> list[dict[str, Any]]:
    """Say something about a project."""
    marking.comment_on_project(call.store, call.number("project_id"), call.body.text)
    return project_comments(call)


def remove_comment(call: Call) -> dict[str, Any]:
    """Take back what you have said."""
    marking.remove_comment(call.store, call.number("comment"))
    return {"is_removed": True}


def _comment(call: Call, comment: Comment, user: User | None) -> dict[str, Any]:
    return {
        "id": comment.id,
        "author": user.name if user is not None else "",
        "full_name": user.full_name if user is not None else "",
        "text": comment.text,
        "written_at": comment.written_at,
        "changed_at": comment.changed_at,
        "is_own": comment.user_id == call.visitor.user_id,
    }


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


PROJECT = "/projects/{project_id}"
JOB = "/jobs/{job_id}"
ENDPOINTS = (
    Endpoint("GET", "/search", "Search in projects and jobs", search, query=Search),
    Endpoint("GET", "/notices", "What you are told", notices, query=Notices),
    Endpoint("POST", "/notices/read", "Mark notices as read", read_notices, body=Read),
    Endpoint("PUT", f"{PROJECT}/star", "Give it your star", star_project),
    Endpoint("DELETE", f"{PROJECT}/star", "Take your star away", unstar_project),
    Endpoint("GET", f"{PROJECT}/tags", "The tags of its jobs", tags),
    Endpoint("GET", f"{PROJECT}/comments", "What was said about it", project_comments),
    Endpoint(
        "POST",
        f"{PROJECT}/comments",
        "Say something",
        comment_on_project,
        body=NewComment,
        status=201,
    ),
    Endpoint("GET", f"{PROJECT}/changes", "What happened since your last visit", changes),
    Endpoint("POST", f"{PROJECT}/visit", "Say that you are there now", note_visit),
    Endpoint("PUT", f"{JOB}/star", "Give it your star", star_job),
    Endpoint("DELETE", f"{JOB}/star", "Take your star away", unstar_job),
    Endpoint("GET", f"{JOB}/marks", "Its star and tags", job_marks),
    Endpoint("PUT", JOB + "/tags/{name}", "Put a tag on it", add_tag, body=NewTag),
    Endpoint("DELETE", JOB + "/tags/{name}", "Take a tag off it", remove_tag),
    Endpoint("GET", f"{JOB}/comments", "What was said about it", job_comments),
    Endpoint(
        "POST", f"{JOB}/comments", "Say something", comment_on_job, body=NewComment, status=201
    ),
    Endpoint("DELETE", "/comments/{comment}", "Take back what you said", remove_comment),
)
