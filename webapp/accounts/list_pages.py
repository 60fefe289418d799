"""The plain pages of what a search finds and of what somebody is told."""

from dataclasses import replace

from webapp import finding
from webapp.accounts.account_page import MemberPage
from webapp.accounts.plain_page import Doors, as_sentence
from webapp.api.lab import LONGEST, job_found, project_found
from webapp.api.notices import notice_row
from webapp.store import Store

PROJECTS = 50
JOBS = 50
NOTICES = 50


class ListPage(MemberPage):
    """A page that reads in the name of whoever is signed in."""

    def initialize(self, doors: Doors, store: Store) -> None:  # type: ignore[override]
        """What the page works with."""
        super().initialize(doors)
        self.base = store

    @property
    def store(self) -> Store:
        """The reading and asking of the visitor."""
        return replace(self.base, user_id=self.user_id)

    @property
    def before(self) -> int:
        """From where on a list is wanted; 0 for anything that is no number."""
        text = self.get_query_argument("before", "")
        return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


class SearchPage(ListPage):
    """Everything that a search finds."""

    async def get(self) -> None:
        """Show it."""
        text, before, store = (
            self.get_query_argument("q", "")[:LONGEST],
            self.before,
            self.store,
        )
        found = await self.in_thread(
            lambda: finding.find(store, text, projects=PROJECTS, jobs=JOBS, before=before)
        )
        self.show(
            "search",
            q=text,
            wrong=as_sentence(found.problem) if found.problem else "",
            projects=[project_found(one) for one in found.projects],
            jobs=[job_found(one) for one in found.jobs],
            before=before,
            more=before + JOBS if found.has_more else 0,
        )


class NoticePage(ListPage):
    """What somebody is told, the newest first."""

    async def get(self) -> None:
        """Show it."""
        before, store = self.before or None, self.store
        unread, lines = await self.in_thread(
            lambda: finding.notice_list(store, before_id=before, limit=NOTICES)
        )
        self.show(
            "notices",
            unread=unread,
            notices=[notice_row(one) for one in lines],
            newest=lines[0].notice.id if lines else 0,
            older=lines[-1].notice.id if len(lines) == NOTICES else 0,
        )

    async def post(self) -> None:
        """Mark what was shown as read."""
        store, up_to = self.store, self.number("up_to")
        await self.in_thread(lambda: finding.mark_read(store, up_to=up_to))
        self.go("/notices")
