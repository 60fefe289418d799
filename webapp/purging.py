"""Jobs of the bin removed for good, with their files in the project's Trash."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.orm import Session

from db.errors import Refused
from db.models.jobs import Job
from db.repository import bin, rows
from webapp.actions import TRASH


@dataclass(frozen=True, slots=True)
class Remains:
    """What a job of the bin has left: its folder in the Trash, files in it, and jobs that read what it made.

    `refusal` says why it cannot go, or only if that is forced; empty where nothing speaks against it.
    """

    number: int
    name: str
    folder: Path
    files: int
    size_bytes: int
    readers: tuple[str, ...]
    refusal: str


def remains(session: Session, job_ids: Sequence[int]) -> list[Remains]:
    """What would go for good if these jobs of the bin were purged together."""
    return [_remains(session, rows.job(session, one, in_bin=True), job_ids) for one in job_ids]


def purge(
    session: Session, job_ids: Sequence[int], *, who: int | None, is_forced: bool = False
) -> list[Remains]:
    """Remove jobs of the bin with their rows and files; returns what went.

    Raises Refused, before anything goes, for a job that is not in the bin or is at work, and unless `is_forced` for
    one whose files other jobs have read. The rows go only if the files could be removed.
    """
    found = remains(session, job_ids)
    for job_id, one in zip(job_ids, found, strict=True):
        if one.refusal and not (is_forced and one.readers and not _blocked(session, job_id)):
            raise Refused(one.refusal)
    newest_first = sorted(zip(found, job_ids, strict=True), key=lambda pair: -pair[0].number)
    for one, job_id in newest_first:  # a reader before what it read
        details = {"files": one.files, "bytes": one.size_bytes, "forced": is_forced}
        bin.purge(session, job_id, who=who, **details)
    for one in found:
        _remove(one.folder)
    return found


def _remains(session: Session, job: Job, together: Sequence[int]) -> Remains:
    project = Path(rows.project(session, job.project_id, in_bin=True).folder)
    folder = project / TRASH / job.folder
    files = [path for path in folder.rglob("*") if path.is_file() or path.is_symlink()]
    readers = tuple(one.name for one in bin.readers(session, job.id) if one.id not in set(together))
    refusal = bin.purge_refusal(job)
    if not refusal and readers:
        refusal = f"{', '.join(readers)} read files of {job.name}: they could not be repeated"
    size = sum(path.lstat().st_size for path in files)
    return Remains(job.number, job.name, folder, len(files), size, readers, refusal)


def _blocked(session: Session, job_id: int) -> bool:
    return bool(bin.purge_refusal(rows.job(session, job_id, in_bin=True)))


def _remove(folder: Path) -> None:
    """Remove a folder of the Trash; a link is removed itself, not what it points to."""
    if folder.is_symlink():
        folder.unlink()
    elif folder.exists():
        shutil.rmtree(folder)
