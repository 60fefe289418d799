"""A real Chromium on a real `halfmap serve`, with everything that asks another host refused.

Where there is one without windows (`chromium-headless-shell`), it is taken: the same pages in three quarters of the
time. What it lacks is a desktop to show notices on.
"""

import contextlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Locator,
    Page,
    Playwright,
    Route,
    expect,
    sync_playwright,
)

from compute.files.events import Iteration
from compute.files.progress import read_progress
from tests.data import particle_set

WEBGL = ("--no-sandbox", "--enable-unsafe-swiftshader", "--use-gl=angle", "--use-angle=swiftshader")
PLAIN = "--disable-gpu-compositing"
"""Pages are put together without the emulated GPU, which would take ten times as long; WebGL still has it."""

WAIT_MS = 150_000
POLLING_MS = 100
"""Else pages that load are asked with every frame, which costs more than what is waited for."""

RUN_MS = 600_000
"""On two cores that the browser needs as well."""


@dataclass(slots=True)
class Served:
    """A running dashboard: its address, the link that is still good, and where its files are."""

    base: str
    link: str
    folder: Path
    state: Any = None

    @property
    def projects(self) -> Path:
        """Where projects get their folders."""
        return self.folder / "halfmap"


@dataclass
class Recorder:
    """What pages asked of other hosts, and what they complained of."""

    base: str
    foreign: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def route(self, route: Route) -> None:
        """Let through what is ours, refuse and remember the rest."""
        url = route.request.url
        if urlsplit(url).netloc == urlsplit(self.base).netloc:
            route.continue_()
        else:
            self.foreign.append(url)
            route.abort()


@contextlib.contextmanager
def serving(folder: Path, *more: str) -> Iterator[Served]:
    """`halfmap serve` on a free port, its database and projects in a folder."""
    variables = {
        **os.environ,
        "HOME": str(folder),
        "HALFMAP_DATABASE": str(folder / "halfmap.db"),
        "HALFMAP_DATA_ROOTS": str(folder),
    }
    words = [sys.executable, "-m", "webapp.cli", "serve", "--port", "0", "--no-browser", *more]
    errors = (folder / "serve.err").open("ab")
    process = subprocess.Popen(
        words, env=variables, stdout=subprocess.PIPE, stderr=errors, text=True
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("Open http"), (folder / "serve.err").read_text()
        link = line.split()[1]
        yield Served(link.partition("/login")[0], link, folder)
    finally:
        process.terminate()
        process.wait(timeout=120)
        if process.stdout is not None:
            process.stdout.close()
        errors.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    """Of a test that failed, tell what its page showed and what the dashboard complained of."""
    report = yield
    if report.when == "call" and report.failed:
        page, served = (item.funcargs.get(name) for name in ("page", "served"))  # type: ignore[attr-defined]
        if isinstance(page, Page) and not page.is_closed():
            report.sections.append((f"the page {page.url}", page.locator("body").aria_snapshot()))
        if isinstance(served, Served):
            complaints = (served.folder / "serve.err").read_text()
            report.sections.append(("the dashboard's complaints", complaints[-4000:]))
    return report


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    """What drives the browsers, for the whole test run."""
    expect.set_options(timeout=WAIT_MS)
    with sync_playwright() as found:
        yield found


def launched(playwright: Playwright, *names: str) -> Browser:
    """The first of some browsers that is installed."""
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        pytest.skip("chromium is not installed")
    return playwright.chromium.launch(executable_path=path, args=[*WEBGL, PLAIN])


@pytest.fixture(scope="session")
def chromium(playwright: Playwright) -> Iterator[Browser]:
    """Debian's Chromium, for the whole test run."""
    browser = launched(playwright, "chromium-headless-shell", "chromium")
    yield browser
    browser.close()


@pytest.fixture
def desktop_chromium(playwright: Playwright) -> Iterator[Browser]:
    """One that can show notices outside of its pages."""
    browser = launched(playwright, "chromium")
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A dashboard with a supervisor, for the whole test run."""
    with serving(tmp_path_factory.mktemp("served")) as found:
        yield found


@pytest.fixture(scope="session")
def results(served: Served) -> Iterator[Any]:
    """Finished jobs of one process, `Results` of `tests.browser.results`."""
    from tests.browser.results import Results

    found = Results(served)
    yield found
    found.close()


@pytest.fixture
def visit(chromium: Browser, served: Served) -> Iterator[BrowserContext]:
    """A signed-in visitor; no page may ask another host for anything or fail in its scripts."""
    recorder = Recorder(served.base)
    context = chromium.new_context(
        viewport={"width": 1400, "height": 1000}, storage_state=served.state
    )
    context.set_default_timeout(WAIT_MS)
    context.route("**/*", recorder.route)
    context.on("weberror", lambda error: recorder.errors.append(str(error.error)))
    context.add_cookies([{"name": "theme", "value": "light", "url": served.base}])
    if served.state is None:
        page = context.new_page()
        page.goto(served.link)
        served.state = context.storage_state()
        page.close()
    yield context
    context.close()
    assert recorder.foreign == []
    assert recorder.errors == []


@pytest.fixture
def page(visit: BrowserContext) -> Page:
    """A page of the visitor's."""
    return visit.new_page()


def ready(page: Page) -> None:
    """Wait until a page is drawn and its connection stands."""
    page.wait_for_function(
        "window.Bokeh && Bokeh.documents.some(d => d.roots().length > 0)", polling=POLLING_MS
    )
    page.locator(".dot").wait_for(state="attached")


def drawn_volume(page: Page) -> Locator:
    """The box of the 3D view, once its surface is drawn."""
    box = page.locator(".volume-box")
    box.scroll_into_view_if_needed()
    page.wait_for_function(
        """() => {
          const look = (root) => root.querySelector('.volume-box')
            || Array.from(root.querySelectorAll('*')).map(e => e.shadowRoot && look(e.shadowRoot)).find(Boolean)
          const box = look(document)
          return box && box.stage && box.stage.compList.length && !box.querySelector('.volume-note').textContent
        }""",
        polling=POLLING_MS,
    )
    return box


def holds(page: Page, name: str, column: str) -> list[Any]:
    """A column of a plot's source, once that has values."""
    page.wait_for_function(
        """(name) => Bokeh.documents.some(d => Array.from(d._all_models.values()).some(m =>
             m.type === 'ColumnDataSource' && m.name === name && m.get_length() > 0))""",
        arg=name,
        polling=POLLING_MS,
    )
    return source(page, name)[column]


def source(page: Page, name: str) -> dict[str, list[Any]]:
    """The columns of a plot's source as the browser holds them."""
    return page.evaluate(
        """(name) => {
          for (const document_ of Bokeh.documents) {
            for (const model of document_._all_models.values()) {
              if (model.type === 'ColumnDataSource' && model.name === name) {
                const plain = {}
                for (const [key, values] of Object.entries(Object.fromEntries(
                    model.data instanceof Map ? model.data : Object.entries(model.data)))) {
                  plain[key] = Array.from(values, (v) => Number.isNaN(v) ? null
                    : ArrayBuffer.isView(v) ? Array.from(v) : v)
                }
                return plain
              }
            }
          }
          return null
        }""",
        name,
    )


@dataclass(frozen=True, slots=True)
class Run:
    """A finished refinement: its page's address and its folder."""

    address: str
    folder: Path
    project: str

    @property
    def iterations(self) -> list[Iteration]:
        """What it has reported."""
        events = read_progress(self.folder / "progress.jsonl")
        return [event for event in events if isinstance(event, Iteration)]


def fill(page: Page, label: str, value: str) -> None:
    """Type into a field and leave it."""
    box = page.get_by_label(label, exact=True)
    box.fill(value)
    box.press("Tab")


def open_form(page: Page, served: Served, name: str) -> None:
    """The form of a refinement in a new project."""
    page.goto(served.base + "/projects")
    ready(page)
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Create or open").click()
    page.get_by_role("link", name=f"Open {name}").click()
    ready(page)
    page.get_by_role("link", name="New refinement").click()
    page.wait_for_url(re.compile("/new"))
    page.goto(f"{page.url}&maximum_iterations=6")
    ready(page)


def start_refinement(
    page: Page,
    particles: Path,
    said: str,
    gpu: str = "CPU only",
    order: int = 1,
    local_order: int = 2,
) -> None:
    """Fill the open form for a set of particles, of which the form says something, and start three processes."""
    fill(page, "Particles", str(particles / "set.star"))
    expect(page.get_by_text(said)).to_be_visible()
    fill(page, "Reference", str(particles / "set_reference.mrc"))
    expect(page.get_by_text("the same as the particles")).to_be_visible()
    page.get_by_label("Preset").select_option("tutorial: D2, faster")
    expect(page.get_by_label("Symmetry", exact=True)).to_have_value("D2")
    fill(page, "Initial lowpass (Å)", "25")
    fill(page, "Particle diameter (Å)", "70")
    fill(page, "HEALPix order", str(order))
    fill(page, "Local search order", str(local_order))
    fill(page, "Processes", "3")
    fill(page, "Threads", "1")
    page.get_by_label("GPUs", exact=True).select_option(gpu)
    expect(page.get_by_text("Ready to run.")).to_be_visible()
    page.get_by_role("button", name="Run", exact=True).click()
    page.wait_for_url(re.compile("/job"))
    ready(page)


@pytest.fixture(scope="session")
def particles(served: Served) -> Path:
    """A small simulated set inside the data folder."""
    folder = served.folder / "data"
    folder.mkdir()
    particle_set(folder, particles=80, symmetry="D2", snr=2.0, micrographs=3)
    return folder


@pytest.fixture(scope="session")
def run(chromium, served: Served, particles: Path) -> Iterator[Run]:  # type: ignore[no-untyped-def]
    """One refinement, started through the form by a visitor and watched until it has converged."""
    context = chromium.new_context(viewport={"width": 1400, "height": 1000})
    context.set_default_timeout(WAIT_MS)
    if served.state is None:
        first = context.new_page()
        first.goto(served.link)
        served.state = context.storage_state()
    else:
        context.add_cookies(served.state["cookies"])
    page = context.new_page()
    open_form(page, served, "small")
    start_refinement(page, particles, "80 particles, 1 optics group; 32 px of 4 Å")
    expect(page.locator(".hero .chip")).to_have_text("finished", timeout=RUN_MS)
    folder = served.projects / "small" / "Refine3D" / "job001"
    yield Run(page.url, folder, "small")
    context.close()
