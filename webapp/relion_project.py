"""`halfmap relion PROJECT`: the jobs of a RELION project of any version, read without touching it."""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from compute.files.errors import InputError
from compute.files.pipeline_lock import remove_lock
from compute.files.project import Project, ProjectJob, read_project
from compute.files.relion_forms import command_words
from compute.params.option import JobParams
from webapp.options import OptionError, build, parse, spellings

USAGE_ERROR = 2


@dataclass(frozen=True, slots=True)
class Translated:
    """What RELION's form of a job means for our job of the kind, or why it means nothing."""

    params: JobParams | None
    notes: tuple[str, ...] = ()
    problem: str = ""


def translated(job: ProjectJob, model: type[JobParams], output: str = "") -> Translated:
    """The parameters of our job that a RELION job's form asks for.

    output: folder and first part of the names of the new job; that of the RELION job where it is empty.
    """
    if job.form is None:
        return Translated(None, problem="; ".join(job.problems) or "the job has no form")
    try:
        words = command_words(job.form)
        if "mpi" not in model.model_fields:
            words = words[
                1 + next(n for n, word in enumerate(words) if word.startswith("relion_")) :
            ]
        if "j" not in spellings(model) and "--j" in words:
            place = words.index("--j")
            words = [*words[:place], *words[place + 2 :]]
        parsed = parse(model, [*words, "--o", output or f"{job.name}/run"])
        return Translated(build(model, parsed), tuple(parsed.notes))
    except (InputError, OptionError) as error:
        return Translated(None, problem=" ".join(str(error).splitlines()))


def main(words: Sequence[str]) -> int:
    """The exit status of `halfmap relion`."""
    parser = argparse.ArgumentParser(
        prog="halfmap relion",
        description="List the jobs of a RELION project (3.0 to 5) with their files. Nothing is changed.",
    )
    parser.add_argument("project", help="the project folder, with default_pipeline.star")
    parser.add_argument("--job", help="tell all of one job: Refine3D/job019, job019 or an alias")
    parser.add_argument("--json", action="store_true", help="print what programs can read")
    parser.add_argument(
        "--remove-lock", action="store_true", help="remove the lock that a dead program has left"
    )
    try:
        asked = parser.parse_args(words)
    except SystemExit as end:
        return USAGE_ERROR if end.code else 0
    try:
        if asked.remove_lock:
            owner = remove_lock(asked.project)
            print(f"The lock of {owner} is removed." if owner else "The project is not locked.")
            return 0
        project = read_project(asked.project)
        jobs = [project.job(asked.job)] if asked.job else list(project.jobs)
    except InputError as error:
        print(f"halfmap relion: {error}", file=sys.stderr)
        return USAGE_ERROR
    except KeyError:
        print(f"halfmap relion: the project has no job {asked.job}", file=sys.stderr)
        return USAGE_ERROR
    if asked.json:
        print(json.dumps(as_json(project, jobs), indent=1))
    else:
        print("\n".join(_details(jobs[0]) if asked.job else tree(project)))
    return 0


def tree(project: Project) -> Iterator[str]:
    """The project as lines: each job under the first job whose files it reads."""
    count = len(project.jobs)
    yield f"{project.path}: {count} jobs, the next one is job{project.pipeline.counter:03d}"
    if project.lock is not None:
        yield f"locked by {project.lock}"
    yield from (f"note: {remark}" for remark in project.remarks)
    children: dict[str, list[ProjectJob]] = {}
    names = {job.process.name for job in project.jobs}
    for job in project.jobs:
        above = [one for one in job.parents if one in names]
        children.setdefault(above[0] if above else "", []).append(job)
    shown: set[str] = set()
    yield from _branch("", children, "", shown)
    for job in project.jobs:  # jobs that read each other's files in a circle hang under none
        if job.process.name not in shown:
            shown.add(job.process.name)
            yield _line(job)


def _branch(
    parent: str, children: dict[str, list[ProjectJob]], indent: str, shown: set[str]
) -> Iterator[str]:
    for job in children.get(parent, []):
        shown.add(job.process.name)
        yield indent + _line(job)
        yield from _branch(job.process.name, children, indent + "  ", shown)


def _line(job: ProjectJob) -> str:
    alias = f" ({job.alias})" if job.alias else ""
    others = [one.rstrip("/") for one in job.parents[1:]]
    also = f", also of {', '.join(others)}" if others else ""
    return f"{job.name}{alias}: {job.state}{also}"


def _details(job: ProjectJob) -> Iterator[str]:
    yield _line(job)
    yield f"type: {job.process.label}" + (f", here: halfmap {job.ours}" if job.ours else "")
    for title, nodes in (("reads", job.inputs), ("made", job.outputs)):
        yield from (f"{title} {node.name} ({node.content})" for node in nodes)
    yield from (f"{name} = {value}" for name, value in sorted(job.options.items()))
    yield from (f"problem: {text}" for text in job.problems)


def as_json(project: Project, jobs: Sequence[ProjectJob]) -> dict[str, Any]:
    """The project as plain values."""
    return {
        "path": str(project.path),
        "next_job": project.pipeline.counter,
        "locked_by": str(project.lock) if project.lock else None,
        "remarks": list(project.remarks),
        "jobs": [
            {
                "name": job.name,
                "alias": job.alias,
                "type": job.process.label,
                "ours": job.ours,
                "state": job.state,
                "parents": [one.rstrip("/") for one in job.parents],
                "inputs": [{"path": node.name, "content": node.content} for node in job.inputs],
                "outputs": [{"path": node.name, "content": node.content} for node in job.outputs],
                "options": dict(job.options),
                "started": job.started.isoformat() if job.started else None,
                "ended": job.ended.isoformat() if job.ended else None,
                "problems": list(job.problems),
            }
            for job in jobs
        ],
    }
