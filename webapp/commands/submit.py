"""`halfmap submit JOBTYPE …`: a job for the queue, with the same options as the command that runs it at once."""

import argparse
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from compute.files.errors import InputError
from compute.files.given_text import is_there
from compute.params.option import JobParams
from db.models.jobs import Job
from db.models.projects import Project
from db.words import Role
from webapp import actions
from webapp.access import Access, opened
from webapp.commands.output import USAGE_ERROR, guarded, show_json
from webapp.commands.rows import job_row
from webapp.job_types import IN_A_JOB
from webapp.office import running_supervisor
from webapp.options import build, help_text, parse

OUTPUT = "submitted/run"
FILE = re.compile(r".+\.(star|mrcs?|map|tiff?|eer|pdb|cif|ent)(\.gz)?$", re.IGNORECASE)


def main(words: Sequence[str], models: Mapping[str, type[JobParams]]) -> int:
    """The exit status of `halfmap submit …`; `models` are the types of jobs by name."""
    made = _parser(models)
    asked, rest = made.parse_known_args(list(words))
    if asked.wants_help and not asked.type:
        made.print_help()
        return 0
    if asked.type not in models:
        made.error(f"name a type of job: {', '.join(models)}")
    model = models[asked.type]
    if asked.wants_help or not rest:
        made.print_help()
        print(f"\n{help_text(model)}")
        return 0 if asked.wants_help else USAGE_ERROR

    def act() -> int:
        with opened() as access:
            return _submit(access, asked, model, rest)

    return guarded("submit", act)


def _parser(models: Mapping[str, type[JobParams]]) -> argparse.ArgumentParser:
    example = "halfmap submit refine --project beta --i particles.star --ref map.mrc --faster"
    made = argparse.ArgumentParser(
        prog="halfmap submit",
        description="Let a job wait for its turn; its options are those of 'halfmap TYPE'.",
        epilog=f"Example: {example}",
        add_help=False,
        allow_abbrev=False,
        parents=[_json()],
    )
    made.add_argument("type", nargs="?", default="", help=f"{', '.join(models)}")
    made.add_argument("--project", default="", help="its name, number or folder")
    made.add_argument("--title", default="", help="what the job is called in lists")
    made.add_argument("--profile", default="", help="the launcher profile")
    made.add_argument("--help", "-h", dest="wants_help", action="store_true")
    return made


def _json() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(add_help=False)
    made.add_argument("--json", action="store_true", help="print JSON")
    return made


def _submit(
    access: Access, asked: argparse.Namespace, model: type[JobParams], words: list[str]
) -> int:
    """Check everything, then store the job and say its number."""
    parsed = parse(model, words)
    notes = list(parsed.notes)
    if parsed.values.get("output"):
        notes.append("the output is not needed: the job gets a folder with its number.")
    parsed.values["output"] = OUTPUT
    values = build(model, parsed).model_dump(mode="json", exclude_unset=True)
    with access.database.writing() as session:
        project = access.project(session, asked.project, Role.EDITOR)
        del values["output"]
        placed = in_project(values, Path(project.folder), Path.cwd())
        check_files(placed, Path(project.folder))
        job = actions.submit(
            session,
            access.settings,
            project.id,
            asked.type,
            placed,
            who=access.user_id,
            title=asked.title,
            profile=asked.profile,
            unix_user=access.unix_user,
        )
    if asked.json:
        show_json(job_row(job, project))
        return 0
    for note in notes:
        print(f"halfmap submit: {note}")
    print(said_of(job, project))
    if not running_supervisor(access.database):
        print("No supervisor runs: start 'halfmap serve' or 'halfmap supervisor'.")
    return 0


def said_of(job: Job, project: Project) -> str:
    """One line on a job that waits."""
    return (
        f"Job {job.number} of '{project.name}' waits for its turn ({project.folder}/{job.folder})"
    )


def in_project(values: Mapping[str, Any], project: Path, here: Path) -> dict[str, Any]:
    """The values with paths as the job sees them: a file of the present folder by its place in the project."""
    placed = dict(values)
    for name, value in values.items():
        if not isinstance(value, str) or not value:
            continue
        path = here / value
        if (
            is_there(path)
            and (path.is_file() or path.is_dir())
            and ("/" in value or FILE.match(value))
        ):
            full = path.absolute()
            inside = full.is_relative_to(project)
            placed[name] = str(full.relative_to(project)) if inside else str(full)
    return placed


def check_files(values: Mapping[str, Any], project: Path) -> None:
    """Raise InputError for the first file that neither exists nor can come from a job of the project."""
    for name, value in values.items():
        if not isinstance(value, str) or not FILE.match(value) or "*" in value:
            continue
        stack = value.partition("@")[2] or value
        if not is_there(project / stack) and not IN_A_JOB.fullmatch(stack):
            raise InputError(f"{name.replace('_', ' ')}: {stack} does not exist")


def submitter(
    models: Callable[[], Mapping[str, type[JobParams]]],
) -> Callable[[Sequence[str]], int]:
    """The command, given the types of jobs."""
    return lambda words: main(words, models())
