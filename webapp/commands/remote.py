"""The commands that look at jobs and ask for them, for a server on another machine.

With `--server`, HALFMAP_SERVER or `[remote]` in the settings they speak to `/api/v1` there, and print what they print
here. Paths are those of the server.
"""

import argparse
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from compute.files.errors import InputError
from compute.params.option import JobParams
from db.words import ENDED, State
from webapp.api.remote import RemoteHalfmap, RemoteJob, RemoteProject
from webapp.commands.acts import changed
from webapp.commands.jobs import COLUMNS, show_status
from webapp.commands.output import guarded, parser, show_json, show_rows
from webapp.commands.submit import OUTPUT
from webapp.job_types import model_of
from webapp.options import build, parse
from webapp.settings import Settings

POLL_S = 2.0


def main(
    name: str, words: Sequence[str], settings: Settings, models: Mapping[str, type[JobParams]]
) -> int:
    """The exit status of a command at the server that the words or the settings name."""
    made = _parser(name)
    asked, rest = made.parse_known_args(list(words))
    if rest and name not in ("submit", "continue"):
        made.error(f"unknown: {' '.join(rest)}")
    acts = {
        "jobs": _jobs,
        "status": _status,
        "log": _log,
        "stop": _stop,
        "rename": _rename,
        "delete": _delete,
        "download": _download,
        "project": _project,
    }

    def act() -> int:
        server, token = settings.remote.chosen(asked.server, asked.token)
        with RemoteHalfmap(server, token) as there:
            if name == "submit":
                return _submit(there, asked, rest, models)
            if name == "continue":
                return _continue(there, asked, rest)
            return acts[name](there, asked)

    return guarded(name, act)


def _parser(name: str) -> argparse.ArgumentParser:
    made = parser(name, f"halfmap {name} on another machine.", f"halfmap {name} --server URL …")
    made.add_argument("--server", default="", help="the address of the dashboard there")
    made.add_argument("--token", default="", help="made on its account page")
    made.add_argument("--project", default="", help="its name, number or folder there")
    if name in ("status", "log", "stop", "continue", "rename", "delete", "download"):
        made.add_argument("job", help="19, job019, an alias, or PROJECT:19")
    if name == "jobs":
        made.add_argument("--state", choices=[str(one) for one in State])
        made.add_argument("--limit", type=int, default=50, help="how many at most")
    elif name == "log":
        made.add_argument("-f", "--follow", action="store_true", help="until the job has ended")
        made.add_argument("--errors", action="store_true", help="its warnings and errors instead")
        made.add_argument("-n", "--lines", type=int, help="only the last N lines")
    elif name == "stop":
        made.add_argument("--now", action="store_true", help="not only after the iteration")
    elif name == "rename":
        made.add_argument("title", help="the new one; empty for the name of its type")
    elif name == "delete":
        made.add_argument("--with-descendants", action="store_true", help="and what follows of it")
        made.add_argument("--restore", action="store_true", help="take it out again")
    elif name == "continue":
        made.add_argument("--after", type=int, help="the iteration to go on from")
    elif name == "download":
        made.add_argument("file", nargs="?", default="", help="a file of the job; none lists them")
        made.add_argument("--to", type=Path, default=Path(), help="a folder or a file here")
    elif name == "submit":
        made.add_argument("type", help="refine, mask, postprocess …")
        made.add_argument("--title", default="", help="what the job is called in lists")
        made.add_argument("--profile", default="", help="the launcher profile there")
    elif name == "project":
        made.add_argument("action", choices=["list", "show", "create"])
        made.add_argument("name", nargs="?", default="", help="its name, number or folder")
        made.add_argument("--folder", help="the folder of a new project there")
    return made


def _jobs(there: RemoteHalfmap, asked: argparse.Namespace) -> int:
    path = f"/projects/{there.found(asked.project)['id']}/jobs" if asked.project else "/jobs"
    found = there.transport.get(path, state=asked.state, limit=asked.limit)
    show_rows(found, COLUMNS, asked.json, "There are no jobs.")
    return 0


def _status(there: RemoteHalfmap, asked: argparse.Namespace) -> int:
    job = _job(there, asked)
    row = {**job.row(), "iterations": there.transport.get(f"/jobs/{job.id}/iterations")}
    if asked.json:
        show_json(row)
    else:
        show_status(row)
    return 0


def _log(there: RemoteHalfmap, asked: argparse.Namespace) -> int:
    job = _job(there, asked)
    text = job.log(asked.errors, asked.lines)
    if asked.json:
        show_json({"job": job.row()["job"], "lines": text.splitlines()})
        return 0
    print(text, end="", flush=True)
    while asked.follow:
        is_over = job.state in ENDED
        whole = job.log(asked.errors)
        place = whole.rfind(text[-1000:]) + len(text[-1000:]) if text else 0
        print(whole[place:], end="", flush=True)
        text = whole or text
        if is_over:
            break
        time.sleep(POLL_S)
    return 0


def _stop(there: RemoteHalfmap, asked: argparse.Namespace) -> int:
    return _say(_job(there, asked).stop(at_once=asked.now), asked)


def _rename(there: RemoteHalfmap, asked: argparse.Namespace) -> int:
    return _say(_job(there, asked).rename(asked.title), asked)


def _delete(there: RemoteHalfmap, asked: argparse.Namespace) -> int:
    if asked.restore:
        project, name = _place(there, asked)
        return _say(project.job_in_bin(name).restore(), asked)
    gone = _job(there, asked).delete(asked.with_descendants)
    if asked.json:
        show_json(gone)
    else:
        for row in gone:
            print(f"Job {row['job']} of '{row['project']}' is in the bin")
    return 0


def _continue(there: RemoteHalfmap, asked: argparse.Namespace, rest: list[str]) -> int:
    job = _job(there, asked)
    changes = changed(model_of(str(job.row()["type"])), rest) if rest else {}
    return _say(job.go_on(asked.after, **changes), asked)


def _submit(
    there: RemoteHalfmap,
    asked: argparse.Namespace,
    words: list[str],
    models: Mapping[str, type[JobParams]],
) -> int:
    if asked.type not in models:
        raise InputError(f"name a type of job: {', '.join(models)}")
    parsed = parse(models[asked.type], words)
    parsed.values["output"] = OUTPUT
    values = build(models[asked.type], parsed).model_dump(mode="json", exclude_unset=True)
    del values["output"]
    project = RemoteProject(there.transport, there.found(asked.project))
    made = project.submit(asked.type, title=asked.title, profile=asked.profile, **values)
    return _say(made.row(), asked)


def _download(there: RemoteHalfmap, asked: argparse.Namespace) -> int:
    job = _job(there, asked)
    if not asked.file:
        found = there.transport.get(f"/jobs/{job.id}/files")
        show_rows(found, ("path", "bytes"), asked.json, "The job has no files yet.")
        return 0
    place = job.download(asked.file, asked.to)
    if asked.json:
        show_json({"file": str(place), "bytes": place.stat().st_size})
    else:
        print(place)
    return 0


def _project(there: RemoteHalfmap, asked: argparse.Namespace) -> int:
    if asked.action == "list":
        columns = ("id", "name", "jobs", "at_work", "folder")
        found = there.transport.get("/projects")
        show_rows(found, columns, asked.json, "You see no projects there.")
        return 0
    if asked.action == "create":
        given = {"name": asked.name, "folder": asked.folder}
        row = there.transport.post("/projects", given)
    else:
        row = there.found(asked.name or asked.project)
        row |= {"members": there.transport.get(f"/projects/{row['id']}/members")}
        row |= {"jobs": there.transport.get(f"/projects/{row['id']}/jobs")}
    if asked.json:
        show_json(row)
        return 0
    print(f"Project {row['id']} '{row['name']}' in {row['folder']}")
    if asked.action == "show":
        show_rows(row["jobs"], COLUMNS[1:], False, "It has no jobs yet.")
    return 0


def _job(there: RemoteHalfmap, asked: argparse.Namespace) -> RemoteJob:
    """The job that is named as on the server itself."""
    project, name = _place(there, asked)
    return project.job(name)


def _place(there: RemoteHalfmap, asked: argparse.Namespace) -> tuple[RemoteProject, str]:
    """The project of a job that is named, and its name there."""
    before, colon, name = asked.job.rpartition(":")
    found = there.found(before if colon else asked.project)
    return RemoteProject(there.transport, found), name


def _say(row: dict[str, Any], asked: argparse.Namespace) -> int:
    if asked.json:
        show_json(row)
    else:
        reason = f": {row['reason']}" if row["reason"] else ""
        print(f"Job {row['job']} of '{row['project']}' is {row['state']}{reason}")
    return 0
