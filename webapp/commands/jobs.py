"""`halfmap jobs`, `status` and `log`: what there is, how far it is, and what it says."""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from compute.files.relion import JobFolder
from db.repository import attempts, iterations, jobs, overview, progress
from db.repository.overview import JobFilter
from db.words import ENDED, State
from webapp.access import Access, opened
from webapp.commands.output import guarded, parser, show_json, show_rows, shown
from webapp.commands.rows import ITERATION, attempt_row, iteration_row, job_row

POLL_S = 1.0
COLUMNS = ("project", "job", "type", "title", "state", "iteration", "resolution_A", "reason")


def main_jobs(words: Sequence[str]) -> int:
    """The exit status of `halfmap jobs`."""
    made = parser("jobs", "List jobs, newest first.", "halfmap jobs --state running")
    made.add_argument("--project", default="", help="only those of a project")
    made.add_argument("--state", choices=[str(one) for one in State], action="append", default=[])
    made.add_argument("--limit", type=int, default=50, help="how many at most")
    asked = made.parse_args(list(words))

    def act() -> int:
        with opened() as access, access.database.reading() as session:
            wanted = JobFilter(states=[State(one) for one in asked.state])
            if asked.project:
                project = access.project(session, asked.project)
                lines = overview.job_list(session, project.id, wanted=wanted, limit=asked.limit)
            else:
                lines = overview.jobs(session, access.user_id, wanted=wanted, limit=asked.limit)
        rows = [job_row(one.job, one.project, one.progress) for one in lines]
        show_rows(rows, COLUMNS, asked.json, "There are no jobs.")
        return 0

    return guarded("jobs", act)


def main_status(words: Sequence[str]) -> int:
    """The exit status of `halfmap status JOB`."""
    made = _job_parser("status", "Show a job, its iterations and how far it is.")
    asked = made.parse_args(list(words))

    def act() -> int:
        with opened() as access:
            row = _status(access, asked.job, asked.project)
        if asked.json:
            show_json(row)
        else:
            show_status(row)
        return 0

    return guarded("status", act)


def main_log(words: Sequence[str]) -> int:
    """The exit status of `halfmap log JOB`."""
    made = _job_parser("log", "Show what a job has said.", "halfmap log -f 19")
    made.add_argument("-f", "--follow", action="store_true", help="go on until the job has ended")
    made.add_argument("--errors", action="store_true", help="its warnings and errors instead")
    made.add_argument("-n", "--lines", type=int, default=0, help="only the last N lines")
    asked = made.parse_args(list(words))

    def act() -> int:
        with opened() as access:
            with access.database.reading() as session:
                job, project = access.job(session, asked.job, asked.project)
            folder = JobFolder(Path(project.folder) / job.folder)
            path = folder.run_err if asked.errors else folder.run_out
            lines, offset = _read(path, 0)
            first = lines[-asked.lines :] if asked.lines else lines
            if asked.json:
                show_json({"job": job.number, "file": str(path), "lines": first})
                return 0
            _print(first)
            while asked.follow:
                with access.database.reading() as session:
                    is_over = jobs.get(session, job.id, in_bin=True).state in ENDED
                lines, offset = _read(path, offset)
                _print(lines)
                if is_over:
                    break
                time.sleep(POLL_S)
        return 0

    return guarded("log", act)


def _job_parser(name: str, text: str, example: str = "") -> argparse.ArgumentParser:
    made = parser(name, text, example)
    made.add_argument("job", help="19, job019, Refine3D/job019, an alias, or PROJECT:19")
    made.add_argument("--project", default="", help="its name, number or folder")
    return made


def _status(access: Access, words: str, project_words: str) -> dict[str, Any]:
    """Everything about a job, as plain values."""
    with access.database.reading() as session:
        job, project = access.job(session, words, project_words)
        row = job_row(job, project, progress.latest(session, job.id))
        row["parameters"] = job.parameters
        row["attempts"] = [attempt_row(one) for one in attempts.of_job(session, job.id)]
        row["iterations"] = [iteration_row(one) for one in iterations.table(session, job.id)]
        warnings = progress.event_list(session, job.id, kinds=["warning"], limit=20)
        row["warnings"] = [one.message for one in warnings]
    return row


def show_status(row: dict[str, Any]) -> None:
    """Print everything about a job."""
    title = f" '{row['title']}'" if row["title"] else ""
    print(f"Job {row['job']}{title} ({row['type']}) of {row['project']}: {row['state']}")
    if row["reason"]:
        print(row["reason"])
    print(f"Folder: {row['folder']}")
    if row["resolution_A"]:
        print(f"Resolution: {row['resolution_A']:.2f} Å ({row['resolution_criterion']})")
    for sentence in row["warnings"]:
        print(f"Warning: {sentence}")
    now = row.get("progress")
    if now and row["state"] in {"running", "stopping"}:
        _show_progress(now)
    show_rows(row["iterations"], ITERATION, False, "No iteration has ended yet.")


def _show_progress(now: dict[str, Any]) -> None:
    """How far the present phase is: a bar in a terminal, words in a pipe."""
    where = f"iteration {now['iteration']}, {now['phase']}" if now["iteration"] else now["phase"]
    left = "" if now["seconds_left"] is None else f", about {now['seconds_left']:.0f} s left"
    if sys.stdout.isatty() and now["total"]:
        from rich.console import Console
        from rich.progress_bar import ProgressBar

        console = Console()
        console.print(f"{where}{left}", highlight=False)
        console.print(ProgressBar(total=now["total"], completed=now["done"], width=60))
        console.print()
    else:
        done = f": {shown(now['done'])} of {now['total']}" if now["total"] else ""
        print(f"Now: {where}{done}{left}")


def _read(path: Path, offset: int) -> tuple[list[str], int]:
    """The whole lines of a growing file behind a byte, and the byte to go on from."""
    try:
        with path.open("rb") as file:
            file.seek(offset)
            data = file.read()
    except FileNotFoundError:
        return [], offset
    whole = data[: data.rfind(b"\n") + 1]
    return whole.decode("utf-8", "replace").splitlines(), offset + len(whole)


def _print(lines: Sequence[str]) -> None:
    for line in lines:
        print(line)
    sys.stdout.flush()
