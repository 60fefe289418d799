"""`halfmap report` and `halfmap again`: a job as a document, and a document as a job."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from compute.files.atomic import write_whole
from compute.files.errors import InputError
from db.words import Role
from webapp import actions
from webapp.access import opened
from webapp.commands.output import guarded, parser, show_json
from webapp.commands.rows import job_row
from webapp.commands.submit import check_files, said_of
from webapp.launch.starting import checksums
from webapp.report.facts import gather
from webapp.report.page import report_html
from webapp.report.provenance import changed_inputs, provenance, read_provenance


def main_report(words: Sequence[str]) -> int:
    """The exit status of `halfmap report JOB`."""
    made = parser(
        "report",
        "Write a job as one HTML file, or its provenance as JSON.",
        "halfmap report 19 --o 19.html",
    )
    made.add_argument("job", help="19, job019, Refine3D/job019, an alias, or PROJECT:19")
    made.add_argument("--project", default="", help="its name, number or folder")
    made.add_argument("--o", "--output", dest="output", default="", help="an .html or .json file")
    asked = made.parse_args(list(words))

    def act() -> int:
        with opened() as access, access.database.reading() as session:
            job, project = access.job(session, asked.job, asked.project)
            facts = gather(session, job, project)
        path = Path(asked.output or f"job{job.number:03d}_report.html")
        texts = {".html": lambda: report_html(facts), ".json": lambda: _json(provenance(facts))}
        if path.suffix not in texts:
            raise InputError(f"{path} must end in .html (the report) or .json (its provenance)")
        write_whole(path, texts[path.suffix]().encode())
        if asked.json:
            show_json({"job": job.number, "file": str(path)})
        else:
            print(f"Written: {path}")
        return 0

    return guarded("report", act)


def main_again(words: Sequence[str]) -> int:
    """The exit status of `halfmap again PROVENANCE`."""
    made = parser(
        "again",
        "Ask for the same job again, from a provenance file.",
        "halfmap again provenance.json",
    )
    made.add_argument("provenance", type=Path, help="what 'halfmap report JOB --o FILE.json' wrote")
    made.add_argument(
        "--project", default="", help="where the new job goes: a name, number or folder"
    )
    made.add_argument(
        "--changed", action="store_true", help="even if inputs have changed since then"
    )
    asked = made.parse_args(list(words))

    def act() -> int:
        said = read_provenance(asked.provenance)
        with opened() as access, access.database.writing() as session:
            project = access.project(session, asked.project, Role.EDITOR)
            folder = Path(project.folder)
            _check_inputs(said, folder, asked.changed)
            check_files(said["parameters"], folder)
            job = actions.submit(
                session,
                access.settings,
                project.id,
                said["type"],
                said["parameters"],
                who=access.user_id,
                title=str(said.get("title") or f"again: {said['type']} of job {said.get('job')}"),
                unix_user=access.unix_user,
            )
        if asked.json:
            show_json(job_row(job, project))
        else:
            print(said_of(job, project))
        return 0

    return guarded("again", act)


def _check_inputs(said: Mapping[str, Any], folder: Path, may_differ: bool) -> None:
    """Raise InputError for inputs that are missing or, unless allowed, no longer what they were."""
    paths = [str(one.get("path", "")) for one in said.get("inputs", [])]
    wrong = changed_inputs(said, folder, checksums(folder, paths))
    if wrong and not may_differ:
        raise InputError("\n".join(wrong) + "\n--changed runs it with the inputs as they are now")


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
