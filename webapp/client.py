"""Halfmap for notebooks and scripts.

    from webapp.client import connect
    job = connect().project("beta").refine(particles="particles.star", reference="map.mrc", symmetry="D2")
    job.fsc()

Names of parameters are those of `halfmap TYPE --help` in full (`particle_diameter_A`, `initial_lowpass_A` …). The
jobs run under the supervisor that looks after the database.
"""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compute.files.errors import InputError
from compute.files.relion import JobFolder
from db.models.jobs import Job
from db.repository import iterations, jobs, overview, projects
from db.words import ENDED, Role, State
from webapp import actions
from webapp.access import Access, opened
from webapp.commands.rows import ITERATION, iteration_row, job_row, project_row
from webapp.commands.submit import check_files, in_project
from webapp.settings import Settings, read_settings

if TYPE_CHECKING:
    import pandas as pd

    from webapp.api.remote import RemoteHalfmap

POLL_S = 2.0


class Halfmap:
    """The projects of an installation, as the Unix user of this process sees them."""

    def __init__(self, settings: Settings | None = None) -> None:
        self._opened = opened(settings)
        self._access: Access = self._opened.__enter__()

    def close(self) -> None:
        """Close the database."""
        self._opened.__exit__(None, None, None)

    def __enter__(self) -> "Halfmap":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def projects(self) -> "pd.DataFrame":
        """All projects, one row each."""
        with self._access.database.reading() as session:
            lines = overview.projects(session, self._access.user_id)
        return _frame([project_row(one.project, one.jobs, one.at_work) for one in lines])

    def project(self, words: str) -> "ProjectHandle":
        """The project of a name, number or folder. Raises InputError."""
        with self._access.database.reading() as session:
            found = self._access.project(session, words)
        return ProjectHandle(self._access, found.id)

    def create_project(self, name: str, folder: Path | str | None = None) -> "ProjectHandle":
        """A new project."""
        access, place = self._access, None if folder is None else Path(folder)
        with access.database.writing() as session:
            made = actions.create_project(session, access.settings, name, place, who=access.user_id)
        return ProjectHandle(access, made.id)


def connect(settings: Settings | None = None) -> Halfmap:
    """The installation that this machine's settings describe."""
    return Halfmap(settings)


def connect_to(server: str = "", token: str = "") -> "RemoteHalfmap":
    """A server on another machine, the one of the settings ([remote]) without an address; the words are the same.

    What is read there comes back as it does here; paths are those of the server, and `download` fetches files.
    """
    from webapp.api.remote import RemoteHalfmap

    return RemoteHalfmap(*read_settings().remote.chosen(server, token))


class ProjectHandle:
    """One project."""

    def __init__(self, access: Access, project_id: int) -> None:
        self._access = access
        self.id = project_id

    @property
    def folder(self) -> Path:
        """The project's folder."""
        with self._access.database.reading() as session:
            return Path(projects.get(session, self.id).folder)

    def jobs(self) -> "pd.DataFrame":
        """The jobs of the project, newest first."""
        with self._access.database.reading() as session:
            lines = overview.job_list(session, self.id)
        return _frame([job_row(one.job, one.project, one.progress) for one in lines])

    def job(self, words: str | int) -> "JobHandle":
        """The job of a number or alias. Raises InputError."""
        with self._access.database.reading() as session:
            job = jobs.find(session, self.id, str(words))
        return JobHandle(self._access, job.id)

    def submit(
        self,
        job_type: str,
        *,
        title: str = "",
        profile: str = "",
        after: Mapping[str, str] | None = None,
        **values: Any,
    ) -> "JobHandle":
        """A new job that waits for its turn. Raises InputError for what is not possible.

        `after` are inputs, by parameter, that another job is still to make.
        """
        access, folder = self._access, self.folder
        texts = {name: str(one) if isinstance(one, Path) else one for name, one in values.items()}
        placed = in_project(texts, folder, Path.cwd())
        check_files(placed, folder)
        with access.database.writing() as session:
            access.project(session, str(self.id), Role.EDITOR)
            job = actions.submit(
                session,
                access.settings,
                self.id,
                job_type,
                placed,
                who=access.user_id,
                title=title,
                profile=profile,
                after=after,
                unix_user=access.unix_user,
            )
        return JobHandle(access, job.id)

    def refine(self, **values: Any) -> "JobHandle":
        """A new refinement that waits for its turn."""
        return self.submit("refine", **values)


class JobHandle:
    """One job; every look at it reads the database."""

    def __init__(self, access: Access, job_id: int) -> None:
        self._access = access
        self.id = job_id

    def __repr__(self) -> str:
        job = self._job()
        reason = f": {job.reason}" if job.reason else ""
        return f"<job {job.number} ({job.type}) is {job.state}{reason}>"

    @property
    def state(self) -> str:
        """waiting, starting, running, stopping, finished or failed (or draft)."""
        return str(self._job().state)

    @property
    def reason(self) -> str:
        """Why the job waits, stopped or failed, in a sentence."""
        return self._job().reason

    @property
    def folder(self) -> Path:
        """The job's folder."""
        with self._access.database.reading() as session:
            job = jobs.get(session, self.id)
            return Path(projects.get(session, job.project_id).folder) / job.folder

    def iterations(self) -> "pd.DataFrame":
        """The figures of all iterations, with the iteration as index."""
        with self._access.database.reading() as session:
            rows = [iteration_row(one) for one in iterations.table(session, self.id)]
        return _frame(rows, ITERATION).set_index("iteration")

    def fsc(self, iteration: int | None = None) -> "pd.DataFrame":
        """The FSC of the half-maps after an iteration, or the last one, by frequency in 1/Å.

        Columns: `resolution_A` and `fsc`. Empty while no iteration has ended.
        """
        with self._access.database.reading() as session:
            row = iterations.last(session, self.id)
            if iteration is not None:
                row = iterations.one(session, self.id, iteration)
            curve = iterations.curves(session, self.id, row.iteration).fsc if row else []
            extent = row.extent_A if row and row.extent_A else None
        if extent is None:
            curve = []
        length_A = extent or 1.0
        rows = [
            {"frequency": shell / length_A, "resolution_A": length_A / shell, "fsc": value}
            for shell, value in enumerate(curve)
            if shell
        ]
        return _frame(rows, ("frequency", "resolution_A", "fsc")).set_index("frequency")

    def log(self) -> str:
        """What the job has said so far."""
        path = JobFolder(self.folder).run_out
        return path.read_text(errors="replace") if path.exists() else ""

    def wait(
        self, limit_s: float | None = None, sleep: Callable[[float], None] = time.sleep
    ) -> str:
        """Wait until the job has ended; its state. Raises InputError where it takes longer."""
        end_s = None if limit_s is None else time.monotonic() + limit_s
        while (job := self._job()).state not in ENDED:
            if end_s is not None and time.monotonic() > end_s:
                raise InputError(f"{job.name} has not ended after {limit_s:g} s: it is {job.state}")
            sleep(POLL_S)
        return str(job.state)

    def stop(self, at_once: bool = False) -> None:
        """Stop the job after its iteration, or at once."""
        with self._access.database.writing() as session:
            self._check_editor(session)
            actions.stop(session, self.id, who=self._access.user_id, at_once=at_once)

    def go_on(self, after_iteration: int | None = None, **changes: Any) -> None:
        """Let the ended job go on after an iteration, or its last; `changes` are parameters given anew."""
        access = self._access
        with access.database.writing() as session:
            self._check_editor(session)
            actions.continue_job(
                session,
                access.settings,
                self.id,
                who=access.user_id,
                after_iteration=after_iteration,
                changes=changes,
            )

    def rename(self, title: str) -> None:
        """Give the job another title."""
        with self._access.database.writing() as session:
            self._check_editor(session)
            jobs.rename(session, self.id, title, who=self._access.user_id)

    def delete(self, with_descendants: bool = False) -> None:
        """Put the job into the bin, and all that follow from it if that is wanted. Raises Refused."""
        with self._access.database.writing() as session:
            self._check_editor(session)
            wide = with_descendants
            actions.delete(session, [self.id], who=self._access.user_id, with_descendants=wide)

    def restore(self) -> None:
        """Take the job out of the bin."""
        with self._access.database.writing() as session:
            self._check_editor(session, in_bin=True)
            actions.restore(session, self.id, who=self._access.user_id)

    @property
    def is_finished(self) -> bool:
        """Whether the job has ended well or was stopped by a user."""
        return self._job().state == State.FINISHED

    def _job(self) -> Job:
        with self._access.database.reading() as session:
            return jobs.get(session, self.id, in_bin=True)

    def _check_editor(self, session: Any, in_bin: bool = False) -> None:
        job = jobs.get(session, self.id, in_bin=in_bin)
        self._access.project(session, str(job.project_id), Role.EDITOR)


def _frame(rows: list[dict[str, Any]], columns: tuple[str, ...] = ()) -> "pd.DataFrame":
    """Rows as a DataFrame."""
    import pandas as pd

    return pd.DataFrame(rows, columns=list(columns) or None)
