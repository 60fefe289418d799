"""`halfmap project`: make, list, show and import projects."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from compute.files.errors import InputError
from compute.files.project import ProjectJob
from compute.params.named import params_named
from db import relion_import
from db.models.projects import Project
from db.repository import members, overview, projects
from db.words import Role
from webapp import actions
from webapp.access import Access, opened
from webapp.commands.output import guarded, parser, show_json, show_rows
from webapp.commands.rows import job_row, project_row
from webapp.relion_project import translated

EXAMPLE = "halfmap project create 'beta galactosidase' --folder /data/beta"


def main(words: Sequence[str]) -> int:
    """The exit status of `halfmap project …`."""
    made = parser("project", "Make, list, show and import projects.", EXAMPLE)
    made.add_argument("action", choices=["create", "list", "show", "import"])
    made.add_argument("name", nargs="?", default="", help="name, number or folder of the project")
    made.add_argument("--folder", type=Path, help="the folder of a new project")
    made.add_argument("--name", dest="given_name", default="", help="the name of an imported one")
    asked = made.parse_args(list(words))

    def act() -> int:
        with opened() as access:
            if asked.action == "create":
                return _create(access, asked.name, asked.folder, asked.json)
            if asked.action == "list":
                return _list(access, asked.json)
            if asked.action == "show":
                return _show(access, asked.name, asked.json)
            return _import(access, asked.name, asked.given_name, asked.json)

    return guarded("project", act)


def _create(access: Access, name: str, folder: Path | None, as_json: bool) -> int:
    with access.database.writing() as session:
        made = actions.create_project(session, access.settings, name, folder, who=access.user_id)
    return _say(made, as_json, f"Project {made.id} '{made.name}' in {made.folder}")


def _list(access: Access, as_json: bool) -> int:
    with access.database.reading() as session:
        lines = overview.projects(session, access.user_id)
    rows = [project_row(one.project, one.jobs, one.at_work) for one in lines]
    nothing = "There are no projects yet: make one with 'halfmap project create NAME'."
    show_rows(rows, ("id", "name", "jobs", "at_work", "folder"), as_json, nothing)
    return 0


def _show(access: Access, name: str, as_json: bool) -> int:
    with access.database.reading() as session:
        project = access.project(session, name)
        lines = overview.job_list(session, project.id)
        people = [(user.name, str(role)) for user, role in members.members(session, project.id)]
    rows = [job_row(one.job, one.project, one.progress) for one in lines]
    if as_json:
        show_json({**project_row(project, len(rows)), "members": dict(people), "jobs": rows})
        return 0
    print(f"Project {project.id} '{project.name}' in {project.folder}")
    print("Members: " + (", ".join(f"{user} ({role})" for user, role in people) or "none"))
    columns = ("job", "type", "title", "state", "resolution_A", "reason")
    show_rows(rows, columns, False, "It has no jobs yet.")
    return 0


def _import(access: Access, folder: str, name: str, as_json: bool) -> int:
    """A RELION project as a project of ours, where it lies; a second import takes in what RELION has done since."""
    if not folder:
        raise InputError("name the folder of the RELION project")
    place = Path(folder).expanduser().absolute()
    actions.check_root(access.settings, place)
    with access.database.writing() as session:
        known = projects.in_folder(session, place)
        if known is None:
            found = relion_import.import_project(
                session, place, who=access.user_id, name=name, translate=_translated
            )
        else:
            members.check_role(session, known.id, access.user_id, Role.EDITOR)
            found = relion_import.refresh(
                session, known.id, who=access.user_id, translate=_translated
            )
    if as_json:
        lists = {"added": found.added, "changed": found.changed, "problems": found.problems}
        show_json({**project_row(found.project), **{key: list(one) for key, one in lists.items()}})
        return 0
    made = found.project
    print(
        f"Project {made.id} '{made.name}' in {made.folder}: {len(found.added)} jobs of RELION taken in,"
        f" {len(found.changed)} changed; the next one is job{made.next_job_number:03d}"
    )
    for problem in found.problems:
        print(f"note: {problem}")
    return 0


def _translated(job: ProjectJob) -> dict[str, Any] | None:
    """What a RELION job's form asks of our job of the kind; None where it cannot be told."""
    model = params_named(job.ours)
    found = translated(job, model).params if model is not None else None
    return None if found is None else found.model_dump(mode="json", exclude_unset=True)


def _say(project: Project, as_json: bool, sentence: str) -> int:
    if as_json:
        show_json(project_row(project))
    else:
        print(sentence)
    return 0
