"""The database of an installation as one Unix user sees it: for the command line and for notebooks."""

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.orm import Session

from compute.files.errors import InputError
from db import migrate
from db.errors import NotAllowed, NotFound
from db.models.jobs import Job
from db.models.projects import Project
from db.repository import jobs, members, overview, people, projects, rows
from db.session import Database, open_database
from db.words import Role
from webapp.settings import Settings, read_settings


@dataclass(frozen=True, slots=True)
class Access:
    """An open database with the user who works with it."""

    settings: Settings
    database: Database
    user_id: int
    unix_user: str

    def project(self, session: Session, words: str = "", role: Role = Role.VIEWER) -> Project:
        """The project that is named, else that of the present folder, else the only one there is.

        Raises InputError where none is meant, and Refused where the user lacks the role in it.
        """
        if words:
            found = projects.find(session, words, user_id=self.user_id)
        else:
            found = self._project_here(session)
        members.check_role(session, found.id, self.user_id, role)
        return found

    def job(
        self,
        session: Session,
        words: str,
        project: str = "",
        role: Role = Role.VIEWER,
        *,
        in_bin: bool = False,
    ) -> tuple[Job, Project]:
        """The job that is named as `19`, `job019`, `Refine3D/job019` or `beta:19`, with its project."""
        before, colon, name = words.rpartition(":")
        found = self.project(session, before if colon else project, role)
        return jobs.find(session, found.id, name, in_bin=in_bin), found

    def check_admin(self, session: Session) -> None:
        """Raise NotAllowed where the user is no admin."""
        if not rows.user(session, self.user_id).is_admin:
            raise NotAllowed(f"this takes an admin, and '{self.unix_user}' is none")

    def _project_here(self, session: Session) -> Project:
        here = Path.cwd()
        lines = overview.projects(session, self.user_id)
        inside = [one.project for one in lines if here.is_relative_to(one.project.folder)]
        if inside:
            return max(inside, key=lambda one: len(one.folder))
        if len(lines) == 1:
            return lines[0].project
        names = ", ".join(f"'{one.project.name}'" for one in lines[:5])
        known = f" There are {names}." if names else " Make one with 'halfmap project create'."
        raise NotFound(f"name the project with --project, or work in its folder.{known}")


def prepared_database(settings: Settings) -> Database:
    """The database of the settings, open. A SQLite file that does not exist yet is made; others must be up to date.

    Raises InputError with the way out.
    """
    folder = settings.database_folder
    if folder is not None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"the folder {folder} of the database cannot be made: {error.strerror}"
            ) from None
    database = open_database(settings.database)
    if database.is_sqlite and migrate.revision(database) is None:
        migrate.upgrade(settings.database)
    migrate.check_current(database)
    return database


@contextmanager
def opened(settings: Settings | None = None) -> Iterator[Access]:
    """Access for the Unix user of this process, who gets a user of the database at the first time."""
    settings = settings or read_settings()
    database = prepared_database(settings)
    try:
        name = getpass.getuser()
        with database.reading() as session:
            found = people.user_of_unix(session, name)
        if found is None:
            with database.writing() as session:
                found = people.ensure_unix_user(session, name)
        yield Access(settings, database, found.id, name)
    finally:
        database.close()
