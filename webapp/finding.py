"""The search, and what is new to somebody: asked for in the name of one user, who is told of nothing hidden."""

from collections.abc import Sequence
from dataclasses import dataclass

from db.repository import members, notices, search, visits
from db.repository.overview import JobLine
from db.repository.search import Found
from db.repository.search_words import Wanted, understood
from db.words import Role
from webapp.store import Store

FEW_PROJECTS = 4
FEW_JOBS = 8
"""As many as fit under the search box."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What a search has found; `problem` is a sentence where a filter cannot be fulfilled."""

    wanted: Wanted
    projects: Sequence[Found]
    jobs: Sequence[Found]
    has_more: bool

    @property
    def problem(self) -> str:
        """What is wrong with the words, if anything."""
        return self.wanted.problem


def find(
    store: Store, text: str, *, projects: int = FEW_PROJECTS, jobs: int = FEW_JOBS, before: int = 0
) -> Findings:
    """The projects and jobs that a text means; nothing for an empty one. `before` jobs are skipped."""
    wanted = understood(text)
    if wanted.is_empty or wanted.problem:
        return Findings(wanted, (), (), False)
    with store.database.reading() as session:
        some = (
            () if before else search.find_projects(session, store.user_id, wanted, limit=projects)
        )
        found = search.find_jobs(session, store.user_id, wanted, limit=jobs + 1, before=before)
    return Findings(wanted, some, found[:jobs], len(found) > jobs)


def jobs_of_project(store: Store, project_id: int, text: str, *, starred: bool) -> list[JobLine]:
    """The jobs of a project that a text means. Raises Closed."""
    wanted = understood(text)
    wanted.is_starred = wanted.is_starred or starred
    with store.database.reading() as session:
        members.check_role(session, project_id, store.user_id, Role.VIEWER)
        return search.jobs_of_project(session, store.user_id, project_id, wanted)


def notice_list(
    store: Store, *, before_id: int | None = None, limit: int = 50
) -> tuple[int, list[notices.NoticeLine]]:
    """How many notices the user has not read, and the newest."""
    with store.database.reading() as session:
        lines = notices.newest(session, store.user_id, before_id=before_id, limit=limit)
        return notices.unread(session, store.user_id), lines


def mark_read(
    store: Store,
    *,
    ids: Sequence[int] | None = None,
    job_id: int | None = None,
    up_to: int | None = None,
) -> int:
    """Note that the user has read some notices; how many are left unread."""
    with store.database.writing() as session:
        notices.mark_read(session, store.user_id, ids=ids, job_id=job_id, up_to=up_to)
        return notices.unread(session, store.user_id)


def note_visit(store: Store, project_id: int) -> None:
    """Remember that the user is at a project now. Raises Closed."""
    with store.database.reading() as session:
        members.check_role(session, project_id, store.user_id, Role.VIEWER)
        is_noted = visits.is_noted(session, project_id, store.user_id)
    if not is_noted:
        with store.database.writing() as session:
            visits.note(session, project_id, store.user_id)


def since_last_visit(store: Store, project_id: int) -> visits.Since | None:
    """What happened in a project since the user's last visit. Raises Closed."""
    with store.database.reading() as session:
        members.check_role(session, project_id, store.user_id, Role.VIEWER)
        return visits.since_last_visit(session, project_id, store.user_id)


def news_everywhere(store: Store) -> list[visits.Since]:
    """What happened in the user's projects since the user was there."""
    with store.database.reading() as session:
        return visits.everywhere(session, store.user_id)
