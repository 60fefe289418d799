"""The served application: pages by address, map and file answers beside them, all of it behind the gate."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import bokeh.settings
import panel as pn
from bokeh.server.server import Server
from panel.io.server import get_server
from tornado.web import RequestHandler

from compute.files.errors import InputError
from compute.files.given_text import is_number
from webapp.accounts.account_page import AccountPage
from webapp.accounts.admin_page import AdminPage
from webapp.accounts.entrance import HealthPage, InvitationPage, LoginPage
from webapp.accounts.gate import Gate
from webapp.accounts.hosts import known_hosts
from webapp.accounts.list_pages import NoticePage, SearchPage
from webapp.accounts.oidc import OidcBack, OidcStart
from webapp.accounts.plain_page import Doors
from webapp.accounts.visitors import Doorkeeper
from webapp.api.guide import GuidePage
from webapp.api.handler import ApiHandler
from webapp.binning import job_in_bin
from webapp.packed import Shelf, packed_rules
from webapp.pages import forms, help_page, home, queue_page
from webapp.pages.background import Background
from webapp.pages.binned_job import BinnedJobPage
from webapp.pages.compare import ComparePage, numbers_in
from webapp.pages.following import Following
from webapp.pages.frame import callback_failed, framed, guarded, look_of_visitor, use_sheet
from webapp.pages.job import JobPage
from webapp.pages.project import ProjectPage
from webapp.pages.projects import ProjectsPage
from webapp.pages.visitor import visit_of_page
from webapp.serving import (
    FileHandler,
    GateProvider,
    MapHandler,
    ReportHandler,
    Watch,
    put_behind,
)
from webapp.store import Store

SESSION_LIFE_MS = 60_000
"""How long a page without a connection is kept: one that is still being loaded, over a slow line. A page that has lost
its connection is opened anew by its address, and one that was left is forgotten by `Watch` at the next sweep."""
SWEEP_MS = 2000
LARGEST_MESSAGE = 20 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class App:
    """What the pages work with; `base` becomes the store of each page's visitor."""

    base: Store
    threads: ThreadPoolExecutor
    following: Following
    shelf: Shelf = field(default_factory=Shelf)

    @property
    def store(self) -> Store:
        """The reading and asking of the visitor whose page is being made."""
        return replace(self.base, user_id=visit_of_page().visitor.user_id)

    def pages(self) -> Mapping[str, Callable[[], pn.Template]]:
        """Every address with the function that makes its page."""
        made = {
            "/": self._home,
            "/projects": self._projects,
            "/project": self._project,
            "/job": self._job,
            "/new": self._new,
            "/compare": self._compare,
            "/queue": self._queue,
            "/help": self._help,
        }
        return {address: guarded(page) for address, page in made.items()}

    def _background(self) -> Background:
        return Background(self.threads)

    def _home(self) -> pn.Template:
        page = home.HomePage(self.store, self._background())
        return framed(page, "Home", "/")

    def _projects(self) -> pn.Template:
        page = ProjectsPage(self.store, _word("q"))
        return framed(page, "Projects", "/projects", [("Projects", "")])

    def _project(self) -> pn.Template:
        page = ProjectPage(
            self.store, self._background(), look_of_visitor(), _number("id"), tab=_word("tab")
        )
        return framed(
            page,
            page.project.name,
            "/projects",
            [("Projects", "/projects"), (page.project.name, "")],
            place=f"project {page.project.id}",
            kept={"tab": "tab"},
        )

    def _job(self) -> pn.Template:
        store, job_id = self.store, _number("id")
        if (found := job_in_bin(store, job_id)) is not None:
            return self._job_in_bin(BinnedJobPage(store, self._background(), found))
        page = JobPage(
            store,
            self._background(),
            self.following,
            look_of_visitor(),
            job_id,
            iteration=_number("it", 0),
            tab=_word("tab"),
        )
        view = page.view
        crumbs = [
            ("Projects", "/projects"),
            (view.project.name, f"/project?id={view.project.id}"),
            (f"Job {view.job.number}", ""),
        ]
        place = f"project {view.project.id} job {view.job.id}"
        kept = {"iteration": "it", "tab": "tab"}
        return framed(page, view.title, "/projects", crumbs, place, kept)

    def _job_in_bin(self, page: BinnedJobPage) -> pn.Template:
        project = page.project
        crumbs = [("Projects", "/projects"), (project.name, f"/project?id={project.id}")]
        crumbs.append((f"Job {page.job.number}", ""))
        return framed(page, page.title, "/projects", crumbs, f"project {project.id}")

    def _new(self) -> pn.Template:
        page = forms.FormPage(self.store, self._background(), look_of_visitor(), _query())
        return framed(page, page.title, "", [("Projects", "/projects"), (page.title, "")])

    def _compare(self) -> pn.Template:
        page = ComparePage(
            self.store,
            self._background(),
            look_of_visitor(),
            _number("project"),
            numbers_in(_word("jobs")),
        )
        project = (page.project.name, f"/project?id={page.project.id}")
        crumbs = [("Projects", "/projects"), project, ("Compare", "")]
        title, place = f"Compare jobs of {page.project.name}", f"project {page.project.id}"
        return framed(page, title, "/projects", crumbs, place, {"jobs": "jobs"})

    def _queue(self) -> pn.Template:
        return framed(
            queue_page.QueuePage(self.store, self._background()), "Queue", "/queue", [("Queue", "")]
        )

    def _help(self) -> pn.Template:
        return framed(help_page.help_page(), "Help", "/help", [("Help", "")])


def make_server(app: App, doors: Doors, address: str, port: int, secret: str) -> Server:
    """The server, not yet started; strangers reach the pages on which one signs in and nothing else."""
    pn.extension(notifications=True, exception_handler=callback_failed)
    bokeh.settings.settings.perform_document_validation = False
    bokeh.settings.settings.simple_ids = (
        True  # its default, for which it else asks the environment at every number
    )
    use_sheet()
    settings = doors.settings
    hosts = known_hosts(settings, address, port)
    server = get_server(
        dict(app.pages()),
        port=port,
        address=address,
        show=False,
        start=False,
        extra_patterns=_patterns(app, doors),
        prefix=settings.server.prefix,
        auth_provider=GateProvider(),
        cookie_secret=secret,
        xsrf_cookies=True,
        xsrf_cookie_kwargs={
            "httponly": True,
            "samesite": "Lax",
            "secure": settings.server.is_https,
        },
        secret_key=secret.encode(),
        sign_sessions=True,
        include_cookies=["theme"],
        exclude_headers=["Cookie", "Authorization"],
        unused_session_lifetime_milliseconds=SESSION_LIFE_MS,
        check_unused_sessions_milliseconds=SWEEP_MS,
        websocket_max_message_size=LARGEST_MESSAGE,
        websocket_origin=sorted(host for host in hosts if not host.startswith("[")),
    )
    keeper = Doorkeeper(app.base.database, app.threads, doors.desk.session_lasts)
    packed = packed_rules(settings.server.prefix, app.shelf)
    put_behind(server, Gate(keeper, settings, secret, hosts), packed)
    Watch(server, keeper, app.threads).start()
    app.following.start()
    return server


def _patterns(app: App, doors: Doors) -> list[tuple[str, type[RequestHandler], dict[str, object]]]:
    """The addresses that are no pages of Panel."""
    handed: dict[str, object] = {"store": app.base, "threads": app.threads}
    plain: dict[str, object] = {"doors": doors}
    return [
        ("/api/map", MapHandler, handed),
        ("/api/file", FileHandler, handed),
        ("/api/report", ReportHandler, handed),
        ("/api/v1(/.*)", ApiHandler, {**handed, "prefix": doors.settings.server.prefix}),
        ("/api-guide", GuidePage, plain),
        ("/login", LoginPage, plain),
        ("/invitation", InvitationPage, plain),
        ("/oidc", OidcStart, plain),
        ("/oidc-back", OidcBack, plain),
        ("/account", AccountPage, plain),
        ("/admin", AdminPage, plain),
        ("/search", SearchPage, {**plain, "store": app.base}),
        ("/notices", NoticePage, {**plain, "store": app.base}),
        ("/healthz", HealthPage, {}),
    ]


def _query() -> dict[str, str]:
    """The words of the page's address, by name."""
    return {
        name: values[-1].decode(errors="replace").replace("\0", "")
        for name, values in pn.state.session_args.items()
        if values
    }


def _word(name: str) -> str:
    return _query().get(name, "")


def _number(name: str, default: int | None = None) -> int:
    """A number from the page's address. Raises InputError for anything else."""
    text = _word(name)
    if not text and default is not None:
        return default
    if not is_number(text):
        raise InputError(f"the address needs a number for '{name}', not '{text[:40]}'")
    return int(text)
