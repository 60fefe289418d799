"""What pages read and what they ask for: the database, the records of jobs and the files in their folders.

Everything is asked for in the name of one user, whose role in the project is checked each time.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from compute.files.events import Output
from compute.files.mrc import MapFile, read_map
from compute.params.option import JobParams
from db.errors import Closed, NotFound
from db.models.jobs import Job, Node
from db.models.projects import Project
from db.repository import (
    jobs,
    machines,
    members,
    nodes,
    overview,
    presets,
    projects,
    queue,
    sight,
)
from db.session import Database
from db.words import ENDED, Role
from webapp import actions, reach
from webapp.maps import MapCache
from webapp.preview import PreviewClient
from webapp.records import JobRecords, RecordReader
from webapp.settings import Settings
from webapp.views import JobView, QueueView, job_view


@dataclass(slots=True)
class Store:
    """The reading and asking of one user."""

    database: Database
    settings: Settings
    records: RecordReader
    maps: MapCache
    user_id: int
    job_types: Mapping[str, tuple[type[JobParams], str]]
    previews: PreviewClient = field(default_factory=PreviewClient)

    @property
    def roots(self) -> tuple[Path, ...]:
        """The folders below which projects and inputs may lie."""
        return tuple(self.settings.data_roots)

    def closed_folders(self) -> list[Path]:
        """The folders of projects that the user does not see: nothing in them is shown or read."""
        with self.database.reading() as session:
            return reach.closed_folders(session, self.user_id)

    def file(self, view: JobView, name: str) -> Path:
        """The real path of a file of a job. Raises NotFound, or Refused where links lead out of reach."""
        path = check_inside(view.folder, name)
        roots = [*self.settings.data_roots, Path(view.project.folder)]
        return reach.allowed(path, roots, self.closed_folders())

    def model(self, job_type: str) -> type[JobParams] | None:
        """The parameters of a job type; None for one that this program does not know."""
        found = self.job_types.get(job_type)
        return found[0] if found is not None else None

    def home(self) -> overview.Home:
        """What runs, waits, failed, and the projects to go on with."""
        with self.database.reading() as session:
            return overview.home(session, self.user_id)

    def projects(self, text: str = "") -> list[overview.ProjectLine]:
        """The projects that the user sees."""
        with self.database.reading() as session:
            return overview.projects(session, self.user_id, text=text)

    def found_jobs(self, text: str) -> list[overview.JobLine]:
        """The jobs of all projects that a search finds."""
        with self.database.reading() as session:
            return overview.jobs(session, self.user_id, wanted=overview.JobFilter(text=text))

    def project(self, project_id: int) -> tuple[Project, Role]:
        """A project and the user's role in it. Raises NotFound where the user may not see it."""
        with self.database.reading() as session:
            return projects.get(session, project_id), self._role(session, project_id)

    def project_jobs(self, project_id: int) -> list[overview.JobLine]:
        """The jobs of a project, newest first."""
        with self.database.reading() as session:
            self._role(session, project_id)
            return overview.job_list(session, project_id, user_id=self.user_id)

    def is_promised(self, project_id: int, path: str) -> bool:
        """Whether a file of a project is still to be made, by a job that has not ended."""
        folder = "/".join(Path(path).parts[:2])
        lines = self.project_jobs(project_id)
        return any(one.job.folder == folder and one.job.state not in ENDED for one in lines)

    def project_tree(self, project_id: int) -> nodes.Tree:
        """Which jobs of a project read what others made."""
        with self.database.reading() as session:
            self._role(session, project_id)
            return nodes.tree(session, project_id)

    def job(self, job_id: int) -> JobView:
        """A job with its attempts and files. Raises NotFound where the user may not see it."""
        with self.database.reading() as session:
            role = self._role(session, jobs.get(session, job_id, in_bin=True).project_id)
            return job_view(session, job_id, role)

    def job_records(self, view: JobView) -> JobRecords:
        """What a job has reported so far, straight from its folder."""
        return self.records.read(view.folder)

    def map(self, path: Path) -> MapFile:
        """A density map; one that was read lately is not read again. Raises InputError."""
        return self.maps.get(path, read_map)

    def queue(self) -> QueueView:
        """The machines with what runs on them, and the jobs that wait."""
        with self.database.reading() as session:
            home = overview.home(session, self.user_id)
            held = [(one, machines.held(session, one.name)) for one in machines.machines(session)]
            return QueueView(home.running, home.waiting, held, queue.pause_sentence(session))

    def project_files(self, project_id: int) -> list[tuple[Node, Job]]:
        """The files that jobs of a project have made for others, newest first."""
        with self.database.reading() as session:
            self._role(session, project_id)
            return nodes.choices(
                session, project_id, get_args(Output.model_fields["content"].annotation)
            )

    def start_demo(self, simulate: Mapping[str, Any], refine: Mapping[str, Any]) -> Job:
        """The refinement of a new demo project, in the queue behind the job that makes its particles."""
        place = self.settings.projects
        number = next(n for n in range(1, 10_000) if not (place / _demo_folder(n)).exists())
        name = "Demo" if number == 1 else f"Demo {number}"
        project = self.create_project(name, place / _demo_folder(number))
        made = self.submit(project.id, "simulate", simulate, title="Simulated particles")
        root = str(made.parameters["output"])
        files = {"particles": f"{root}.star", "reference": f"{root}_reference.mrc"}
        return self.submit(project.id, "refine", refine, title="Demo refinement", after=files)

    def create_project(self, name: str, folder: Path | None) -> Project:
        """A new project of the user's, its folder made where it is missing. Raises InputError."""
        with self.database.writing() as session:
            return actions.create_project(session, self.settings, name, folder, who=self.user_id)

    def set_project_notes(self, project_id: int, notes: str, seen: str) -> Project:
        """Replace a project's notes. Raises Conflict where somebody else has changed them meanwhile."""
        with self.database.writing() as session:
            self._check(session, project_id)
            return projects.set_notes(session, project_id, notes, seen=seen, who=self.user_id)

    def submit(
        self,
        project_id: int,
        job_type: str,
        values: Mapping[str, Any],
        *,
        title: str = "",
        after: Mapping[str, str] | None = None,
        profile: str = "",
    ) -> Job:
        """A new job in the queue; `after` are inputs that another job is still to make. Raises InputError."""
        with self.database.writing() as session:
            self._check(session, project_id)
            return actions.submit(
                session,
                self.settings,
                project_id,
                job_type,
                values,
                who=self.user_id,
                title=title,
                after=after,
                profile=profile,
            )

    def stop(self, job_id: int, at_once: bool) -> Job:
        """Ask a job to stop. Raises Refused where there is nothing to stop."""
        with self.database.writing() as session:
            self._check_job(session, job_id)
            return actions.stop(session, job_id, who=self.user_id, at_once=at_once)

    def continue_job(
        self,
        job_id: int,
        after_iteration: int | None,
        changes: Mapping[str, Any] | None = None,
    ) -> Job:
        """Put an ended job into the queue again. Raises Refused where that is not possible."""
        with self.database.writing() as session:
            self._check_job(session, job_id)
            return actions.continue_job(
                session,
                self.settings,
                job_id,
                who=self.user_id,
                after_iteration=after_iteration,
                changes=changes,
            )

    def rename(self, job_id: int, title: str) -> Job:
        """Give a job another title."""
        with self.database.writing() as session:
            self._check_job(session, job_id)
            return jobs.rename(session, job_id, title, who=self.user_id)

    def presets(self, job_type: str) -> Mapping[str, Mapping[str, Any]]:
        """The saved sets of parameters of a job type, by name."""
        with self.database.reading() as session:
            found = presets.presets(session, job_type, self.user_id)
            return {one.name: one.parameters for one in found}

    def save_preset(self, job_type: str, name: str, parameters: Mapping[str, Any]) -> None:
        """Keep a set of parameters under a name, for the user."""
        with self.database.writing() as session:
            presets.save_preset(session, job_type, name, parameters, who=self.user_id)

    def draft(self, project_id: int, job_type: str) -> Mapping[str, Any] | None:
        """What the user has filled in and not yet run."""
        with self.database.reading() as session:
            found = presets.draft(session, self.user_id, project_id, job_type)
            return found.values if found else None

    def forget_draft(self, project_id: int, job_type: str) -> None:
        """Drop a half-filled form, because it was run or given up."""
        with self.database.writing() as session:
            found = presets.draft(session, self.user_id, project_id, job_type)
            if found is not None:
                presets.remove_draft(session, found.id)

    def save_draft(self, project_id: int, job_type: str, parameters: Mapping[str, Any]) -> None:
        """Keep a half-filled form."""
        with self.database.writing() as session:
            self._check(session, project_id)
            presets.save_draft(session, self.user_id, project_id, job_type, dict(parameters))

    def check_editor(self, project_id: int) -> None:
        """Raise NotAllowed where the user may not change a project."""
        with self.database.reading() as session:
            self._check(session, project_id)

    def _role(self, session: Any, project_id: int) -> Role:
        role = sight.role_of(session, project_id, self.user_id)
        if role is None:
            raise Closed(f"there is no project {project_id}")
        return role

    def _check(self, session: Any, project_id: int) -> None:
        members.check_role(session, project_id, self.user_id, Role.EDITOR)

    def _check_job(self, session: Any, job_id: int) -> None:
        """Whoever may not see a job is not told either that it is in the bin."""
        self._check(session, jobs.get(session, job_id, in_bin=True).project_id)


def _demo_folder(number: int) -> str:
    return "demo" if number == 1 else f"demo{number}"


def check_inside(folder: Path, name: str) -> Path:
    """The real path of a file of a folder. Raises NotFound for one that is missing or leads out of it."""
    try:
        base = folder.resolve()
        path = (base / name).resolve()
        if path.is_relative_to(base) and path.is_file():
            return path
    except (OSError, RuntimeError, ValueError):  # too long, links in circles, a NUL
        pass
    raise NotFound(f"there is no file {name[:200]} in this job")
