"""Jobs at work, what is remembered of them from look to look, and what is recorded of them."""

import contextlib
import logging
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from compute.files.errors import InputError
from compute.files.relion import ABORT_REQUEST
from db.models.jobs import Attempt, Job
from db.models.projects import Project
from db.repository import attempts, jobs, nodes, progress, rows, states
from db.words import StopRequest
from webapp import watcher
from webapp.launch.starting import LAUNCH_ID, checksums
from webapp.office import Office
from webapp.watcher import Verdict

LOG = logging.getLogger("halfmap.supervisor")


@dataclass(slots=True)
class Care:
    """What is remembered of an attempt from look to look. All of it may be lost."""

    news_s: float
    since: str
    child: subprocess.Popen[bytes] | None = None
    stop_s: float | None = None
    over_s: float | None = None


@dataclass(frozen=True, slots=True)
class AtWork:
    """A job that may have processes, its newest attempt, and where it is."""

    job: Job
    attempt: Attempt
    project: Project

    @property
    def folder(self) -> Path:
        """The job's folder."""
        return Path(self.project.folder) / self.job.folder

    @property
    def root(self) -> str:
        """The first part of the names of the job's files."""
        return Path(str(self.job.parameters["output"])).name

    @property
    def launch_id(self) -> str:
        """What its processes carry."""
        return str(self.attempt.environment.get(LAUNCH_ID, ""))


@dataclass(slots=True)
class Desk:
    """What the holder of the office records of jobs at work; `on_end` is told of every job that is over."""

    office: Office
    on_end: Callable[[Job, Project], None]
    clock: Callable[[], float]

    def take_news(self, one: AtWork, care: Care) -> str | None:
        """Take new records into the database; the reason of the attempt's last record, if it has one."""
        with self.office.database.reading() as session:
            start = progress.offset(session, one.job.id)
        try:
            events, end, is_new = watcher.news(one.folder, start)
        except (InputError, OSError) as error:
            self.say(one, f"The records of the job cannot be read: {error}")
            return one.attempt.end_reason
        if not events and not is_new:
            return one.attempt.end_reason
        care.news_s, care.since = self.clock(), time_of_day()
        with self.office.acting() as session:
            if is_new:
                progress.reset(session, one.job.id)
            progress.record(session, one.job.id, events, start=0 if is_new else start, end=end)
            return rows.attempt(session, one.attempt.id).end_reason

    def ask_politely(self, one: AtWork) -> None:
        """Leave the request to stop that a refinement sees at the end of its iteration."""
        if one.job.stop_request == StopRequest.AFTER_ITERATION:
            try:
                (one.folder / ABORT_REQUEST).touch()
            except OSError as error:
                self.say(one, f"The request to stop cannot be left: {error.strerror}")

    def say(self, one: AtWork, sentence: str) -> None:
        """Show a sentence with the job, or none."""
        if one.job.reason != sentence:
            with self.office.acting() as session:
                if rows.job(session, one.job.id, in_bin=True).state == one.job.state:
                    states.set_reason(session, one.job.id, sentence)

    def close(self, one: AtWork, care: Care, verdict: Verdict) -> None:
        """Write the last record that a job could not write itself, and settle it."""
        watcher.close_folder(one.folder, one.root, one.attempt.progress_from, verdict)
        self.take_news(one, care)
        self.settle(one, verdict)

    def settle(self, one: AtWork, verdict: Verdict | None = None) -> None:
        """Store how a job ended, with the size of its folder and the checksums of what it has made."""
        sums = self._output_checksums(one)
        with self.office.acting() as session:
            if verdict is None:
                job = attempts.settle(session, one.attempt.id)
            else:
                job = attempts.settle(
                    session,
                    one.attempt.id,
                    reason=verdict.reason,
                    message=verdict.sentence,
                    exit_status=verdict.status,
                )
            jobs.set_disk_use(session, job.id, watcher.folder_bytes(one.folder))
            nodes.set_output_checksums(session, job.id, sums)
        LOG.info("%s of %s: %s. %s", job.name, one.project.name, job.state, job.reason)
        self.on_end(job, one.project)

    def _output_checksums(self, one: AtWork) -> dict[str, str]:
        """The checksums of the files that a job says it has made; none of what cannot be read."""
        with self.office.database.reading() as session:
            paths = [node.path for node in nodes.outputs(session, one.job.id) if node.made_at]
        found: dict[str, str] = {}
        for path in paths:
            with contextlib.suppress(OSError):
                found |= checksums(Path(one.project.folder), [path])
        return found


def time_of_day() -> str:
    return time.strftime("%H:%M:%S")
