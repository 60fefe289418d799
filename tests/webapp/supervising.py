"""A database with a project, its supervisor in this process, and what tests want to know of jobs."""

import contextlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from db import migrate
from db.models.jobs import Attempt, Job
from db.repository import attempts, iterations, jobs
from db.session import Database, open_database
from tests.services.slurm import wait_until
from tests.webapp.conftest import SmallSet
from webapp import actions
from webapp.settings import Settings
from webapp.supervisor import Supervisor

STEADY = {"healpix_order": 3, "local_search_order": 4, "offset_step_px": 1.0}
"""Options with which the five iterations of the small set last seconds, long enough to be interrupted."""
LONG = {**STEADY, "maximum_iterations": 30}
"""Options of a refinement of the small set that lasts until it is stopped; without them it is over within a second."""


@dataclass(slots=True)
class Lab:
    """A project in a database of its own, and the supervisor that looks after it."""

    database: Database
    settings: Settings
    project_id: int
    folder: Path
    supervisor: Supervisor
    small: SmallSet

    def submit(self, **options: Any) -> int:
        """A small refinement that waits for its turn; its id."""
        title, profile = options.pop("title", ""), options.pop("profile", "")
        values = {**self.small.params, **options}
        with self.database.writing() as session:
            job = actions.submit(
                session,
                self.settings,
                self.project_id,
                "refine",
                values,
                who=None,
                title=title,
                profile=profile,
            )
            return job.id

    def job(self, job_id: int) -> Job:
        with self.database.reading() as session:
            return jobs.get(session, job_id)

    def attempts(self, job_id: int) -> list[Attempt]:
        with self.database.reading() as session:
            return list(attempts.of_job(session, job_id))

    def iterations(self, job_id: int) -> list[int]:
        with self.database.reading() as session:
            return [row.iteration for row in iterations.table(session, job_id)]

    def job_folder(self, job_id: int) -> Path:
        return self.folder / self.job(job_id).folder

    def until(self, is_so: Callable[[], bool], what: str, limit_s: float = 500) -> None:
        """Rounds of the supervisor until something is so."""

        def looked() -> bool:
            self.supervisor.cycle()
            return is_so()

        wait_until(looked, what, limit_s)

    def until_ended(self, *job_ids: int, limit_s: float = 240) -> None:
        self.until(
            lambda: all(self.job(one).state in ("finished", "failed") for one in job_ids),
            "the jobs have ended",
            limit_s,
        )

    def until_iterated(self, job_id: int, count: int = 1) -> None:
        self.until(lambda: len(self.iterations(job_id)) >= count, f"{count} iterations")

    def new_supervisor(self, **options: Any) -> Supervisor:
        """Another supervisor of the same database, as after a restart."""
        return Supervisor(self.database, self.settings, **options)


@contextlib.contextmanager
def laboratory(small: SmallSet, folder: Path, url: str = "", **settings: Any) -> Iterator[Lab]:
    """A lab in a folder; its supervisor leaves in the end, and what still runs is killed."""
    folder.mkdir(parents=True, exist_ok=True)
    url = url or str(folder / "halfmap.db")
    migrate.upgrade(url)
    database = open_database(url, busy_s=settings.pop("busy_s", 30.0))
    options = settings.pop("options", {})
    told = Settings(
        **{
            "database": url,
            "projects": folder / "projects",
            "profiles": {},
            **settings,
        }
    )
    with database.writing() as session:
        project = actions.create_project(session, told, "beta", None, who=None)
    place = Path(project.folder)
    for path in small.folder.iterdir():
        if path.is_file():
            shutil.copy2(path, place / path.name)
    lab = Lab(database, told, project.id, place, Supervisor(database, told, **options), small)
    try:
        yield lab
    finally:
        _end_all(lab)
        lab.supervisor.leave()
        database.close()


def _end_all(lab: Lab) -> None:
    """Kill the processes of the lab's jobs, and wait for those that are our children."""
    from webapp.launch import processes
    from webapp.launch.starting import LAUNCH_ID

    with lab.database.reading() as session:
        found = [one for _, one in attempts.at_work(session) if one is not None]
    for attempt in found:
        processes.end(str(attempt.environment[LAUNCH_ID]), 9)
        processes.wait_gone(str(attempt.environment[LAUNCH_ID]), 20)
    for care in lab.supervisor.caretaker.cares.values():
        if care.child is not None:
            care.child.wait(timeout=200)
