"""What people do with jobs from web, command line and notebooks: submit, stop, continue, clone, delete.

Everything is a request in the database; the supervisor acts on it.
"""

import contextlib
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from compute.files.continuation import last_complete
from compute.files.relion import JobFolder
from db import relion_export
from db.errors import Refused
from db.folders import make_shared
from db.models.jobs import Attempt, Job
from db.models.projects import Project
from db.repository import attempts, bin, jobs, projects, queue, rows, states
from db.repository.nodes import Input
from db.words import StopRequest
from webapp import reach
from webapp.job_types import REFINE, checked, inputs_of, needs_of
from webapp.launch import processes
from webapp.launch.local import LaunchError
from webapp.launch.slurm import Slurm
from webapp.launch.starting import LAUNCH_ID
from webapp.settings import Settings

TRASH = "Trash"
WRITES_S = 60.0
"""A job that has written so lately may still have processes."""


def create_project(
    session: Session, settings: Settings, name: str, folder: Path | None, *, who: int | None
) -> Project:
    """A new project, with its folder: in the place for projects, unless one is named."""
    projects.check_name(name)
    place = folder or settings.projects / name.strip().replace(" ", "_")
    with contextlib.suppress(RuntimeError):  # there is no such user
        place = place.expanduser()
    place = place.absolute()
    real = reach.check(session, settings, place, who)
    place = real if ".." in place.parts else place
    reach.check_free(session, place)
    project = projects.create(session, name, place, who=who)
    try:
        make_shared(place)
    except OSError as error:
        raise Refused(f"the folder {place} cannot be made: {error.strerror}") from None
    return project


def check_root(settings: Settings, path: Path) -> None:
    """Raise Refused where a path lies outside the data folders of the settings, links followed."""
    reach.allowed(path, settings.data_roots)


def submit(
    session: Session,
    settings: Settings,
    project_id: int,
    job_type: str,
    values: Mapping[str, Any],
    *,
    who: int | None,
    title: str = "",
    profile: str = "",
    after: Mapping[str, str] | None = None,
    unix_user: str | None = None,
) -> Job:
    """A new job that waits for its turn. Paths in `values` are absolute, or relative to the project.

    `after` are inputs by parameter that another job is still to make. Raises InputError for values that are not
    possible and for an unknown profile.
    """
    chosen = settings.profile(profile)
    project = projects.get(session, project_id)
    asked = checked(job_type, {**values, **(after or {})}, chosen)
    reach.check_values(session, settings, asked, Path(project.folder), who)
    inputs = inputs_of(asked, Path(project.folder))
    inputs += [Input(name, path) for name, path in (after or {}).items()]
    job = relion_export.create_job(
        session,
        project_id,
        job_type,
        asked,
        who=who,
        title=title,
        inputs=list({(one.parameter, one.path): one for one in inputs}.values()),
        needs=needs_of(job_type, asked, chosen),
        unix_user=unix_user,
    )
    return queue.submit(session, job.id, who=who)


def continue_job(
    session: Session,
    settings: Settings,
    job_id: int,
    *,
    who: int | None,
    after_iteration: int | None = None,
    changes: Mapping[str, Any] | None = None,
    slurm: Slurm | None = None,
) -> Job:
    """Let an ended job go on after an iteration, or after its last complete one; `changes` are options given anew.

    Raises Refused while a process of it may still be alive: two would write to one folder.
    """
    job = jobs.get(session, job_id)
    project = projects.get(session, job.project_id)
    attempt = attempts.latest(session, job_id)
    if attempt is not None:
        check_gone(job, attempt, Path(project.folder), slurm)
    if after_iteration is not None and job.type != REFINE:
        raise Refused(f"{job.name} has no iterations: it starts from its beginning")
    if changes:
        profile = settings.profile(job.profile)
        asked = checked(job.type, {**job.parameters, **changes}, profile)
        reach.check_values(session, settings, asked, Path(project.folder), who)
        needs = needs_of(job.type, asked, profile)
        jobs.change(
            session,
            job_id,
            asked,
            who=who,
            inputs=inputs_of(asked, Path(project.folder)),
            needs=needs,
        )
    if after_iteration is None and job.type == REFINE:
        after_iteration = last_complete(Path(project.folder) / str(job.parameters["output"]))
        return _continued(session, job_id, who, after_iteration)
    return queue.continue_job(session, job_id, who=who, after_iteration=after_iteration)


def _continued(session: Session, job_id: int, who: int | None, after: int | None) -> Job:
    """A job that goes on after the last iteration that its folder holds, known to the database or not."""
    job = queue.continue_job(session, job_id, who=who)
    job.continue_after_iteration = after
    return job


def check_gone(job: Job, attempt: Attempt, project: Path, slurm: Slurm | None = None) -> None:
    """Raise Refused where a process of an ended job may still be alive."""
    launch_id = str(attempt.environment.get(LAUNCH_ID, ""))
    if launch_id and processes.of(launch_id):
        raise Refused(f"{job.name} still has processes on this machine: wait until they have ended")
    if attempt.slurm_id is None or attempt.exit_status == 0:
        return
    try:
        known = (slurm or Slurm()).job(int(attempt.slurm_id))
        lost = (slurm or Slurm()).lost_nodes(known.nodes) if known else []
    except LaunchError as error:
        raise Refused(
            f"whether {job.name} still runs cannot be known, Slurm does not answer: {error}"
        ) from None
    records = JobFolder(project / job.folder).progress
    if lost:
        raise Refused(
            f"the node {', '.join(lost)} of {job.name} does not answer, and processes may still run there: "
            "go on when it is back or has been restarted"
        )
    age_s = datetime.now(UTC).timestamp() - records.stat().st_mtime if records.exists() else None
    if known is not None and known.state == "NODE_FAIL" and age_s is not None:
        if 0 <= age_s < WRITES_S:
            raise Refused(f"{job.name} has written {age_s:.0f} s ago: wait until it is silent")


def stop(session: Session, job_id: int, *, who: int | None, at_once: bool = False) -> Job:
    """Ask a job to stop, after its iteration or at once. One without iterations stops at once."""
    job = jobs.get(session, job_id)
    is_polite = not at_once and job.type == REFINE
    request = StopRequest.AFTER_ITERATION if is_polite else StopRequest.NOW
    return states.request_stop(session, job_id, request, who=who)


def clone(
    session: Session,
    job_id: int,
    *,
    who: int | None,
    settings: Settings,
    changes: Mapping[str, Any] | None = None,
    is_submitted: bool = False,
    unix_user: str | None = None,
) -> Job:
    """A new job that asks for the same, with `changes`; a draft unless it is submitted at once."""
    job = relion_export.clone_job(session, job_id, who=who, unix_user=unix_user)
    if changes:
        profile = settings.profile(job.profile)
        project = projects.get(session, job.project_id)
        asked = checked(job.type, {**job.parameters, **changes}, profile)
        reach.check_values(session, settings, asked, Path(project.folder), who)
        inputs = inputs_of(asked, Path(project.folder))
        needs = needs_of(job.type, asked, profile)
        jobs.change(session, job.id, asked, who=who, inputs=inputs, needs=needs)
    return queue.submit(session, job.id, who=who) if is_submitted else job


def delete(
    session: Session, job_ids: list[int], *, who: int | None, with_descendants: bool = False
) -> list[Job]:
    """Put jobs into the bin, and their folders into the project's Trash; nothing is lost until it is purged.

    Where one folder cannot be moved all stay, and so do the jobs.
    """
    gone = bin.move_to_bin(session, job_ids, who=who, with_descendants=with_descendants)
    with contextlib.ExitStack() as undo:
        for job in gone:
            project = Path(rows.project(session, job.project_id).folder)
            place, trash = project / job.folder, project / TRASH / job.folder
            _move(place, trash)
            undo.callback(_move, trash, place)
        undo.pop_all()
    return list(gone)


def restore(session: Session, job_id: int, *, who: int | None) -> Job:
    """Take a job and its folder out of the bin."""
    job = bin.restore(session, job_id, who=who)
    project = Path(rows.project(session, job.project_id).folder)
    _move(project / TRASH / job.folder, project / job.folder)
    return job


def _move(source: Path, target: Path) -> None:
    """Move a folder; one that is not there has nothing to move. Raises Refused where the target is taken."""
    if not source.exists():
        return
    if target.exists():
        raise Refused(f"{target} exists already: move it away first")
    make_shared(target.parent)
    shutil.move(source, target)
