"""`halfmap stop`, `continue`, `clone`, `rename`, `delete`, `purge` and `clean`: what is done with a job that exists."""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy.orm import Session

from compute.files.errors import InputError
from compute.params.option import JobParams
from db.models.jobs import Job
from db.repository import bin, jobs
from db.words import Role
from webapp import actions, cleaning, purging
from webapp.access import Access, opened
from webapp.commands.output import guarded, parser, show_json, shown
from webapp.commands.rows import job_row
from webapp.job_types import model_of
from webapp.options import parse

Act = Callable[[Session, Access, Job, argparse.Namespace], Job]


def main_stop(words: Sequence[str]) -> int:
    """The exit status of `halfmap stop JOB`."""
    made = _parser("stop", "Stop a job after its iteration, or at once.")
    made.add_argument("--now", action="store_true", help="do not wait for the end of the iteration")

    def act(session: Session, access: Access, job: Job, asked: argparse.Namespace) -> Job:
        return actions.stop(session, job.id, who=access.user_id, at_once=asked.now)

    return _run("stop", made, words, act)


def main_continue(words: Sequence[str]) -> int:
    """The exit status of `halfmap continue JOB`; options given anew count."""
    made = _parser("continue", "Let an ended job go on; further options are given anew.")
    made.add_argument("--after", type=int, help="the iteration to go on from; the last without it")

    def act(session: Session, access: Access, job: Job, asked: argparse.Namespace) -> Job:
        return actions.continue_job(
            session,
            access.settings,
            job.id,
            who=access.user_id,
            after_iteration=asked.after,
            changes=changed(model_of(job.type), asked.rest),
        )

    return _run("continue", made, words, act, takes_options=True)


def main_clone(words: Sequence[str]) -> int:
    """The exit status of `halfmap clone JOB`."""
    made = _parser("clone", "Ask for the same again in a new job; further options are given anew.")
    made.add_argument("--draft", action="store_true", help="do not let it wait for its turn yet")

    def act(session: Session, access: Access, job: Job, asked: argparse.Namespace) -> Job:
        return actions.clone(
            session,
            job.id,
            who=access.user_id,
            settings=access.settings,
            changes=changed(model_of(job.type), asked.rest),
            is_submitted=not asked.draft,
            unix_user=access.unix_user,
        )

    return _run("clone", made, words, act, takes_options=True)


def main_rename(words: Sequence[str]) -> int:
    """The exit status of `halfmap rename JOB TITLE`."""
    made = _parser("rename", "Give a job another title.")
    made.add_argument("title", help="the new one; empty for the name of its type")

    def act(session: Session, access: Access, job: Job, asked: argparse.Namespace) -> Job:
        return jobs.rename(session, job.id, asked.title, who=access.user_id)

    return _run("rename", made, words, act)


def main_delete(words: Sequence[str]) -> int:
    """The exit status of `halfmap delete JOB`."""
    made = _parser("delete", "Put a job into the bin, and its folder into the project's Trash.")
    made.add_argument("--with-descendants", action="store_true", help="and all that follow from it")
    made.add_argument("--restore", action="store_true", help="take it out again")

    def act(session: Session, access: Access, job: Job, asked: argparse.Namespace) -> Job:
        if asked.restore:
            return actions.restore(session, job.id, who=access.user_id)
        wide = asked.with_descendants
        actions.delete(session, [job.id], who=access.user_id, with_descendants=wide)
        return job

    return _run("delete", made, words, act)


def main_clean(words: Sequence[str]) -> int:
    """The exit status of `halfmap clean JOB`: a preview, unless it is confirmed."""
    made = _parser("clean", "Show which files of intermediate iterations could go, or remove them.")
    made.add_argument("--yes", action="store_true", help="remove them")
    made.add_argument(
        "--keep", type=int, nargs="*", default=[], help="iterations that stay as well"
    )
    asked = made.parse_args(list(words))

    def act() -> int:
        with opened() as access, access.database.writing() as session:
            job, _ = access.job(session, asked.job, asked.project, Role.EDITOR)
            keep = tuple(asked.keep)
            if asked.yes:
                found = cleaning.clean(session, job.id, who=access.user_id, keep=keep)
            else:
                found = cleaning.leftovers_of(session, job.id, keep)
        _show_leftovers(found, asked)
        return 0

    return guarded("clean", act)


def _show_leftovers(found: cleaning.Leftovers, asked: argparse.Namespace) -> None:
    if asked.json:
        paths = [str(path) for path in found.paths]
        row = {"removed": asked.yes, "bytes": found.size_bytes, "paths": paths}
        show_json({**row, "kept": found.kept_iteration})
        return
    for path in found.paths:
        print(path)
    verb = "were removed" if asked.yes else "could go (--yes removes them)"
    kept = "" if found.kept_iteration is None else f"; iteration {found.kept_iteration} stays"
    print(f"{len(found.paths)} files, {found.size_bytes / 1e6:.1f} MB, {verb}{kept}.")


def main_purge(words: Sequence[str]) -> int:
    """The exit status of `halfmap purge JOB` or `halfmap purge --all`: a preview, unless it is confirmed."""
    text = "Show what jobs of the bin have left in the project's Trash, or remove them for good."
    made = parser("purge", text, "halfmap purge 19 --yes")
    made.add_argument("job", nargs="*", help="19, job019, Refine3D/job019 or an alias")
    made.add_argument("--project", default="", help="its name, number or folder")
    made.add_argument("--all", action="store_true", help="every job of the project's bin")
    made.add_argument("--yes", action="store_true", help="remove them")
    made.add_argument("--force", action="store_true", help="even if other jobs read their files")
    asked = made.parse_args(list(words))
    if bool(asked.job) == asked.all:
        made.error("name jobs, or say --all")

    def act() -> int:
        with opened() as access, access.database.writing() as session:
            project = access.project(session, asked.project, Role.OWNER)
            if asked.all:
                chosen = list(bin.content(session, project.id))
            else:
                chosen = [jobs.find(session, project.id, one, in_bin=True) for one in asked.job]
            ids = [job.id for job in chosen]
            if asked.yes:
                forced = asked.force
                found = purging.purge(session, ids, who=access.user_id, is_forced=forced)
            else:
                found = purging.remains(session, ids)
        _show_remains(found, asked)
        return 0

    return guarded("purge", act)


def _show_remains(found: Sequence[purging.Remains], asked: argparse.Namespace) -> None:
    if asked.json:
        show_json({"removed": asked.yes, "jobs": [asdict(one) for one in found]})
        return
    for one in found:
        why = f"; {one.refusal}" if one.refusal and not asked.yes else ""
        print(f"{one.name}: {one.files} files, {one.size_bytes / 1e6:.1f} MB in {one.folder}{why}")
    verb = "were removed for good" if asked.yes else "can go for good (--yes removes them)"
    print(f"{len(found)} jobs, {sum(one.size_bytes for one in found) / 1e6:.1f} MB, {verb}.")


def changed(model: type[JobParams], words: Sequence[str]) -> dict[str, Any]:
    """The options that are given anew, by the names of the parameters."""
    if not words:
        return {}
    values = parse(model, words).values
    if "output" in values:
        raise InputError("the output of a job is its folder and cannot be given anew")
    return values


def _parser(name: str, text: str) -> argparse.ArgumentParser:
    made = parser(name, text, f"halfmap {name} 19")
    made.add_argument("job", help="19, job019, Refine3D/job019, an alias, or PROJECT:19")
    made.add_argument("--project", default="", help="its name, number or folder")
    return made


def _run(
    name: str,
    made: argparse.ArgumentParser,
    words: Sequence[str],
    act: Act,
    takes_options: bool = False,
) -> int:
    """Do something with a job that is named in the words, and say how it is now."""
    asked, rest = made.parse_known_args(list(words))
    if rest and not takes_options:
        made.error(f"unknown: {' '.join(rest)}")
    asked.rest = rest

    def whole() -> int:
        with opened() as access, access.database.writing() as session:
            wants_bin = getattr(asked, "restore", False)
            job, project = access.job(
                session, asked.job, asked.project, Role.EDITOR, in_bin=wants_bin
            )
            after = act(session, access, job, asked)
        if asked.json:
            show_json(job_row(after, project))
        else:
            reason = f": {after.reason}" if after.reason else ""
            where = "in the bin" if after.deleted_at else shown(str(after.state))
            print(f"Job {after.number} of '{project.name}' is {where}{reason}")
        return 0

    return guarded(name, whole)
