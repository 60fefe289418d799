"""Projects and jobs as rows of plain values, for tables and JSON."""

from pathlib import Path
from typing import Any

from db.models.jobs import Attempt, Job
from db.models.projects import Project
from db.models.records import IterationRow, Progress

ITERATION = (
    "iteration",
    "resolution_fsc0143_A",
    "resolution_fsc05_A",
    "change_angles_deg",
    "change_offsets_A",
    "accuracy_angles_deg",
    "accuracy_offsets_A",
    "fine_step_deg",
    "is_local_search",
    "mean_pmax",
    "seconds",
)


def project_row(project: Project, jobs: int = 0, at_work: int = 0) -> dict[str, Any]:
    """A project."""
    return {
        "id": project.id,
        "name": project.name,
        "folder": project.folder,
        "jobs": jobs,
        "at_work": at_work,
        "created_at": project.created_at,
        "disk_bytes": project.disk_bytes,
    }


def job_row(job: Job, project: Project, progress: Progress | None = None) -> dict[str, Any]:
    """A job, with how far it is."""
    row: dict[str, Any] = {
        "id": job.id,
        "project": project.name,
        "job": job.number,
        "type": job.type,
        "title": job.title,
        "state": str(job.state),
        "ending": str(job.ending) if job.ending else None,
        "reason": job.reason,
        "iteration": job.last_iteration,
        "resolution_A": job.resolution_A,
        "resolution_criterion": job.resolution_criterion,
        "particles": job.particles,
        "profile": job.profile,
        "unix_user": job.unix_user,
        "folder": str(Path(project.folder) / job.folder),
        "submitted_at": job.submitted_at,
        "started_at": job.started_at,
        "ended_at": job.ended_at,
    }
    if progress is not None:
        row["progress"] = {
            "phase": progress.phase,
            "iteration": progress.iteration,
            "done": progress.done,
            "total": progress.total,
            "seconds_left": progress.seconds_left,
            "memory_GB": progress.memory_GB,
            "heartbeat_at": progress.heartbeat_at,
            "warnings": progress.warnings,
        }
    return row


def attempt_row(attempt: Attempt) -> dict[str, Any]:
    """One attempt of a job."""
    names = ("number", "launcher", "profile", "host", "pid", "slurm_id", "created_at", "started_at")
    ends = ("ended_at", "end_reason", "exit_status", "message", "seconds", "environment")
    return {name: getattr(attempt, name) for name in (*names, *ends)}


def iteration_row(row: IterationRow) -> dict[str, Any]:
    """The figures of one iteration."""
    return {name: getattr(row, name) for name in ITERATION}
