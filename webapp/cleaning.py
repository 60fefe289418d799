"""Room on the disk: which files of intermediate iterations could go, and their removal."""

import re
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.orm import Session

from compute.files.continuation import last_complete
from compute.files.relion import SUPERSEDED, IterationFiles
from db.errors import Refused
from db.models.jobs import Job
from db.repository import audit, jobs, projects
from db.words import ACTIVE, State
from webapp.watcher import folder_bytes

HEAVY = re.compile(r"(class001(_unfil)?\.mrc|checkpoint\.npz|data\.star|angdist\.bild)$")
"""The files of an iteration that take room; models and samplings stay, so that curves can be drawn."""


@dataclass(frozen=True, slots=True)
class Leftovers:
    """Files that could go, their size, and the iteration that stays to go on from."""

    paths: tuple[Path, ...]
    size_bytes: int
    kept_iteration: int | None


def leftovers(root: Path, keep: tuple[int, ...] = ()) -> Leftovers:
    """The heavy files of all iterations but the last complete one and those in `keep`, and of superseded attempts."""
    files = IterationFiles(root)
    last = last_complete(root)
    spared = {last, *keep}
    paths = []
    for path in sorted(files.folder.glob(f"{root.name}_it*")):
        iteration = files.iteration_of(path)
        if iteration is not None and iteration not in spared and HEAVY.search(path.name):
            paths.append(path)
    superseded = files.folder / SUPERSEDED
    paths += [path for path in sorted(superseded.rglob("*")) if path.is_file()]
    return Leftovers(tuple(paths), sum(path.stat().st_size for path in paths), last)


def leftovers_of(session: Session, job_id: int, keep: tuple[int, ...] = ()) -> Leftovers:
    """What could go of a job, for a preview. Raises Refused where its files must stay."""
    job = jobs.get(session, job_id)
    if job.state in (State.WAITING, *ACTIVE):
        raise Refused(f"{job.name} is {job.state}: its files are needed")
    if job.is_protected:
        raise Refused(f"{job.name} is protected: take that mark off first")
    project = projects.get(session, job.project_id)
    return leftovers(Path(project.folder) / str(job.parameters["output"]), keep)


def clean(
    session: Session, job_id: int, *, who: int | None, keep: tuple[int, ...] = ()
) -> Leftovers:
    """Remove what could go of a job; returns what went."""
    found = leftovers_of(session, job_id, keep)
    for path in found.paths:
        path.unlink()
    for folder in sorted({path.parent for path in found.paths}, reverse=True):
        if SUPERSEDED in folder.parts and not any(folder.iterdir()):
            folder.rmdir()
    job: Job = jobs.get(session, job_id)
    project = projects.get(session, job.project_id)
    jobs.set_disk_use(session, job_id, folder_bytes(Path(project.folder) / job.folder))
    size = found.size_bytes
    audit.note(session, who, "cleaned job", job=job, files=len(found.paths), bytes=size)
    return found
