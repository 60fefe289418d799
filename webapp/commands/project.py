"""`halfmap project`: make, list, show and import projects."""

from collections.abc import Sequence
from pathlib import Path

from compute.files.errors import InputError
from compute.files.project import read_project
from db.models.projects import Project
from db.repository import members, overview, projects
from webapp import actions
from webapp.access import Access, opened
from webapp.commands.output import guarded, parser, show_json, show_rows
from webapp.commands.rows import job_row, project_row

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
    """A RELION project as a project of ours: numbers go on from its own, its files are read where they are."""
    if not folder:
        raise InputError("name the folder of the RELION project")
    place = Path(folder).expanduser().absolute()
    found = read_project(place)
    actions.check_root(access.settings, place)
    with access.database.writing() as session:
        made = projects.create(
            session,
            name or place.name,
            place,
            who=access.user_id,
            next_job_number=found.pipeline.counter,
        )
    said = (
        f"Project {made.id} '{made.name}' in {made.folder}: files of its {len(found.jobs)} RELION jobs can be "
        f"used by their names, new jobs begin with job{made.next_job_number:03d}"
    )
    return _say(made, as_json, said)


def _say(project: Project, as_json: bool, sentence: str) -> int:
    if as_json:
        show_json(project_row(project))
    else:
        print(sentence)
    return 0
