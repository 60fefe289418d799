"""Projects, their members and their jobs, for programs."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from compute.files.errors import InputError
from db.repository import jobs, overview, people, rows
from db.repository.overview import JobFilter
from db.words import Role, State
from webapp import reach, sharing
from webapp.api.endpoint import Call, Endpoint, Taken
from webapp.commands.rows import job_row, project_row
from webapp.commands.submit import check_files

States = Literal["draft", "waiting", "starting", "running", "stopping", "finished", "failed"]


class Find(Taken):
    """A search by name."""

    text: str = Field("", max_length=200, description="a part of the name")


class NewProject(Taken):
    """A project that is to be made."""

    name: str = Field(max_length=200)
    folder: str | None = Field(None, description="absolute; without it, in the place for projects")


class ListJobs(Taken):
    """Which jobs are wanted."""

    state: States | None = None
    type: str | None = Field(None, max_length=40)
    text: str = Field("", max_length=200, description="a part of title, alias, notes or folder")
    limit: int = Field(100, ge=1, le=1000)
    before: int | None = Field(None, description="jobs before this number (id in the list of all)")

    @property
    def wanted(self) -> JobFilter:
        """The same for the database."""
        states = [State(self.state)] if self.state else []
        return JobFilter(states, [self.type] if self.type else [], text=self.text)


class ListProjectJobs(ListJobs):
    """Which jobs of a project are wanted."""

    job: str = Field("", max_length=200, description="one alone: its number, folder or alias")


class NewJob(Taken):
    """A job that is to wait for its turn."""

    type: str = Field(description="refine, mask, postprocess …: see /types")
    values: dict[str, Any] = Field(description="parameters by their full names: see /types/{type}")
    title: str = Field("", max_length=200)
    profile: str = Field("", description="launcher profile; empty for the default")
    after: dict[str, str] = Field({}, description="inputs that another job is still to make")


class NewRole(Taken):
    """A role in a project."""

    role: Literal["viewer", "editor", "owner"]


class Page(Taken):
    """A part of a list, newest first."""

    limit: int = Field(100, ge=1, le=1000)
    before: int | None = Field(None, description="entries before this id")


def me(call: Call) -> dict[str, Any]:
    """Who asks."""
    with call.store.database.reading() as session:
        user = rows.user(session, call.visitor.user_id)
        groups = [group.name for group in people.groups(session, user_id=user.id)]
    names = ("id", "name", "full_name", "is_admin")
    return {**{name: getattr(user, name) for name in names}, "groups": groups}


def projects(call: Call) -> list[dict[str, Any]]:
    """The projects that the user sees."""
    found = call.store.projects(call.query.text)
    return [
        {
            **project_row(one.project, one.jobs, one.at_work),
            "best_resolution_A": one.best_resolution_A,
        }
        for one in found
    ]


def create_project(call: Call) -> dict[str, Any]:
    """Make a project."""
    folder = Path(call.body.folder) if call.body.folder is not None else None
    if folder is not None and not folder.is_absolute():
        raise InputError(f"the folder of a project is absolute, not '{folder}'")
    return project_row(call.store.create_project(call.body.name, folder))


def project(call: Call) -> dict[str, Any]:
    """One project, with the user's role in it."""
    found, role = call.store.project(call.number("project_id"))
    return {**project_row(found), "notes": found.notes, "role": str(role)}


def project_jobs(call: Call) -> list[dict[str, Any]]:
    """The jobs of a project, newest first."""
    found, _ = call.store.project(call.number("project_id"))
    with call.store.database.reading() as session:
        if call.query.job:
            return [job_row(jobs.find(session, found.id, call.query.job), found)]
        lines = overview.job_list(
            session,
            found.id,
            user_id=call.visitor.user_id,
            wanted=call.query.wanted,
            before_number=call.query.before,
            limit=call.query.limit,
        )
    return [job_row(one.job, one.project, one.progress) for one in lines]


def submit(call: Call) -> dict[str, Any]:
    """Put a job into the queue."""
    body, project_id = call.body, call.number("project_id")
    found, _ = call.store.project(project_id)
    if body.type not in call.store.job_types:
        raise InputError(f"'{body.type}' is not a type of job: {', '.join(call.store.job_types)}")
    if "output" in body.values:
        raise InputError("the output of a job is its folder and is not given")
    call.store.check_editor(project_id)
    with call.store.database.reading() as session:
        folder, user_id = Path(found.folder), call.visitor.user_id
        reach.check_values(session, call.store.settings, body.values, folder, user_id)
    check_files(body.values, folder)
    job = call.store.submit(
        project_id, body.type, body.values, title=body.title, after=body.after, profile=body.profile
    )
    return job_row(job, found)


def members(call: Call) -> list[dict[str, Any]]:
    """Who has a role in a project."""
    found = sharing.show(call.store, call.number("project_id"))
    listed = [
        {"name": user.name, "full_name": user.full_name, "role": str(role)}
        for user, role in found.members
    ]
    if found.group is not None:
        listed.append({"group": found.group.name, "role": str(found.group_role)})
    return listed


def set_member(call: Call) -> list[dict[str, Any]]:
    """Give somebody a role in a project."""
    role = Role(call.body.role)
    sharing.set_role(call.store, call.number("project_id"), call.place["name"], role)
    return members(call)


def remove_member(call: Call) -> list[dict[str, Any]]:
    """Take somebody out of a project."""
    sharing.set_role(call.store, call.number("project_id"), call.place["name"], None)
    return members(call)


def activity(call: Call) -> list[dict[str, Any]]:
    """What has happened in a project."""
    found = sharing.activity(
        call.store, call.number("project_id"), before_id=call.query.before, limit=call.query.limit
    )
    names = ("id", "time", "who", "action", "subject")
    return [{name: getattr(one, name) for name in names} for one in found]


ENDPOINTS = (
    Endpoint("GET", "/me", "Who the token belongs to", me),
    Endpoint("GET", "/projects", "The projects that you see", projects, query=Find),
    Endpoint("POST", "/projects", "Make a project", create_project, body=NewProject, status=201),
    Endpoint("GET", "/projects/{project_id}", "One project, with your role", project),
    Endpoint(
        "GET",
        "/projects/{project_id}/jobs",
        "Its jobs, newest first",
        project_jobs,
        query=ListProjectJobs,
    ),
    Endpoint(
        "POST", "/projects/{project_id}/jobs", "Submit a job", submit, body=NewJob, status=201
    ),
    Endpoint("GET", "/projects/{project_id}/members", "Who may do what", members),
    Endpoint(
        "PUT", "/projects/{project_id}/members/{name}", "Give a role", set_member, body=NewRole
    ),
    Endpoint("DELETE", "/projects/{project_id}/members/{name}", "Take somebody out", remove_member),
    Endpoint("GET", "/projects/{project_id}/activity", "Who did what", activity, query=Page),
)
