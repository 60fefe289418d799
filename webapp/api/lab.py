"""Search, stars, tags and comments, for pages and programs."""

from typing import Any

from pydantic import Field

from db.models.people import User
from db.models.projects import Comment, Tag
from db.repository.overview import JobLine, ProjectLine
from db.repository.search import Found
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


PROJECT = "/projects/{project_id}"
JOB = "/jobs/{job_id}"
ENDPOINTS = (
    Endpoint("GET", "/search", "Search in projects and jobs", search, query=Search),
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
