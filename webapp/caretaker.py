"""Looks after all jobs at work, wherever they are."""

import logging
import time
from collections.abc import Callable, Mapping

from sqlalchemy.exc import SQLAlchemyError

from db.models.jobs import Job
from db.models.projects import Project
from db.repository import attempts, rows
from webapp.at_work import AtWork, Care, Desk, time_of_day
from webapp.care_here import CareHere
from webapp.care_slurm import CareAtSlurm
from webapp.launch import processes
from webapp.launch.processes import Found
from webapp.launch.slurm import Slurm, SlurmUnavailable
from webapp.launch.slurm_text import SlurmJob
from webapp.office import Office, OfficeLost

LOG = logging.getLogger("halfmap.supervisor")


class Caretaker:
    """Looks after the jobs of a database for the holder of the office.

    `restart` starts an attempt that a supervisor had claimed when it died; `on_end` is told of every job that is over.
    """

    def __init__(
        self,
        office: Office,
        slurm: Slurm,
        restart: Callable[[AtWork], None],
        on_end: Callable[[Job, Project], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.office = office
        self.slurm = slurm
        self.clock = clock
        self.cares: dict[int, Care] = {}
        """By the attempts' ids."""
        self._desk = Desk(office, on_end, clock)
        self._here = CareHere(self._desk, restart)
        self._there = CareAtSlurm(self._desk, slurm, self._here.resume_start)

    def look_at_all(self) -> None:
        """One look at every job at work. Processes are listed first: who is gone then has written all it had to."""
        living = processes.by_launch()
        with self.office.database.reading() as session:
            found = [
                AtWork(job, attempt, rows.project(session, job.project_id, in_bin=True))
                for job, attempt in attempts.at_work(session)
                if attempt is not None
            ]
        queue = self._queue() if any(one.attempt.slurm_id for one in found) else None
        for one in found:
            try:
                self._look(one, queue, living.get(one.launch_id, []))
            except (OfficeLost, SQLAlchemyError):
                raise
            except Exception:  # whatever is wrong with one job, the others are looked after
                LOG.exception("%s of %s cannot be looked after", one.job.name, one.project.name)
        self._forget({one.attempt.id for one in found})

    def _look(self, one: AtWork, queue: Mapping[int, SlurmJob] | None, found: list[Found]) -> None:
        """One look at a job."""
        care = self.care_of(one.attempt.id)
        end_reason = self._desk.take_news(one, care)
        if one.attempt.launcher == "slurm":
            self._there.look(one, care, queue, end_reason)
        else:
            self._here.look(one, care, found, end_reason)

    def care_of(self, attempt_id: int) -> Care:
        """What is remembered of an attempt; at the first look, that there was news just now."""
        return self.cares.setdefault(attempt_id, Care(self.clock(), time_of_day()))

    def _queue(self) -> Mapping[int, SlurmJob] | None:
        """Slurm's queue; None where it does not answer."""
        try:
            return self.slurm.queue()
        except SlurmUnavailable as error:
            LOG.warning("%s", error)
            return None

    def _forget(self, current: set[int]) -> None:
        """Forget attempts that are over and whose keeper has been waited for."""
        for attempt_id in [key for key in self.cares if key not in current]:
            child = self.cares[attempt_id].child
            if child is None or child.poll() is not None:
                del self.cares[attempt_id]
