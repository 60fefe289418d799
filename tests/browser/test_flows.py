"""What people do with refinements through the page: mistakes, stop, continue, clone, and a first visit."""

import contextlib
import json
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, Page, expect

from compute.files.events import End, Iteration, Start
from compute.files.progress import read_progress
from compute.params.refine import RefineParams
from db.repository import people, projects
from db.session import open_database
from tests.browser.conftest import RUN_MS, Served, fill, ready, serving
from tests.data import particle_set
from tests.webapp.pages.mistakes import wrong_values

pytestmark = pytest.mark.browser
MISTAKES = wrong_values(RefineParams)


@pytest.fixture(scope="module")
def project(served: Served, page_of_module: Page) -> int:
    """A project that these tests share."""
    database = open_database(f"sqlite:///{served.folder / 'halfmap.db'}")
    with database.writing() as session:
        user = people.users(session)[0]
        made = projects.create(session, "flows", served.folder / "flows", who=user.id)
        (served.folder / "flows").mkdir()
        number = made.id
    database.close()
    return number


@pytest.fixture(scope="module")
def page_of_module(chromium: Browser, served: Served) -> Iterator[Page]:
    """A signed-in visitor's page."""
    context = chromium.new_context(
        viewport={"width": 1400, "height": 1000}, storage_state=served.state
    )
    page = context.new_page()
    if served.state is None:
        page.goto(served.link)
        served.state = context.storage_state()
    yield page
    context.close()


@pytest.fixture(scope="module")
def many(served: Served) -> Path:
    """A set whose refinement lasts long enough to be stopped twice."""
    folder = served.folder / "many"
    folder.mkdir()
    particle_set(folder, particles=1200, box=40, snr=1.0, micrographs=3)
    return folder


def small_refinement(particles: Path, project: int) -> dict[str, object]:
    """The words of a form's address for a refinement that takes some seconds for each iteration."""
    return {
        "project": project,
        "type": "refine",
        "particles": particles / "set.star",
        "reference": particles / "set_reference.mrc",
        "initial_lowpass_A": 25,
        "particle_diameter_A": 100,
        "healpix_order": 2,
        "offset_step_px": 1,
        "mpi": 3,
        "threads": 1,
        "random_seed": 1,
        "maximum_iterations": 60,
    }


def jobs_of(served: Served, project: int) -> list[dict[str, object]]:
    """The parameters of a project's jobs, in their order."""
    with sqlite3.connect(served.folder / "halfmap.db") as database:
        rows = database.execute(
            "SELECT parameters FROM jobs WHERE project_id = ? ORDER BY number", (project,)
        ).fetchall()
    database.close()
    return [json.loads(row[0]) for row in rows]


FOCUS = """() => {
  let one = document.activeElement
  while (one && one.shadowRoot && one.shadowRoot.activeElement) one = one.shadowRoot.activeElement
  const label = one && one.getRootNode().querySelector('label')
  return one && one.tagName === 'INPUT' && label && label.textContent.replace(/ \\(.*\\)$/, '').trim()
}"""
"""The name of the field that is typed into, without its unit."""


def test_wrong_input_in_every_field_is_told_under_it_and_nothing_runs(
    page: Page, served: Served, project: int, many: Path
) -> None:
    page.goto(f"{served.base}/new?{urlencode(small_refinement(many, project))}")
    ready(page)
    expect(page.get_by_text("Ready to run.")).to_be_visible()
    page.get_by_label("Advanced fields").check()
    for name, value in MISTAKES.items():
        box = page.locator(f".field-{name} input")
        box.fill(value)
        box.press("Tab")
    for name in MISTAKES:
        expect(page.locator(f".field-{name} [role=alert]")).to_have_count(1)
    expect(page.get_by_text(f"{len(MISTAKES)} to mend")).to_be_visible()
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_text(f"{len(MISTAKES)} to mend")).to_be_visible()
    links = page.locator(".mending button")
    expect(links).to_have_count(len(MISTAKES))
    wrong = [page.locator(f".field-{name} input") for name in MISTAKES]
    page.wait_for_function(FOCUS)
    assert page.evaluate(FOCUS) == links.first.inner_text().partition(":")[0]
    links.last.click()
    page.wait_for_function(
        f"(said) => ({FOCUS})() === said", arg=links.last.inner_text().partition(":")[0]
    )
    assert (
        sum(one.evaluate("(box) => box.getRootNode().activeElement === box") for one in wrong) == 1
    )
    assert jobs_of(served, project) == []
    assert "/new" in page.url


def test_stop_continue_stop_at_once_and_clone(
    page: Page, served: Served, project: int, many: Path
) -> None:
    page.goto(f"{served.base}/new?{urlencode(small_refinement(many, project))}")
    ready(page)
    expect(page.get_by_text("Ready to run.")).to_be_visible()
    page.get_by_role("button", name="Run", exact=True).click()
    page.wait_for_url(re.compile("/job"))
    ready(page)
    chip, rows = page.locator(".hero .chip"), page.get_by_role("table", name="iterations")
    expect(rows.locator("tbody tr").first).to_be_visible(timeout=RUN_MS)
    page.get_by_role("button", name="Stop …").click()
    page.get_by_role("button", name="Stop after this iteration (keeps everything)").click()
    expect(chip).to_have_text(re.compile("stopped"), timeout=RUN_MS)
    folder = served.folder / "flows" / "Refine3D" / "job001"
    done = [one for one in read_progress(folder / "progress.jsonl") if isinstance(one, Iteration)]
    last = done[-1].iteration
    kept = {path.name: path.stat().st_mtime_ns for path in folder.glob("run_it*")}
    assert f"run_it{last:03d}_optimiser.star" in kept

    page.get_by_role("button", name=f"Continue after iteration {last}").click()
    expect(chip).to_have_text("running", timeout=RUN_MS)
    expect(rows.locator("tbody tr").nth(last)).to_be_visible(timeout=RUN_MS)
    page.get_by_role("button", name="Stop …").click()
    page.get_by_role("button", name="Stop now").click()
    expect(chip).to_have_text(re.compile("stopped"), timeout=RUN_MS)
    events = read_progress(folder / "progress.jsonl")
    starts = [one for one in events if isinstance(one, Start)]
    assert [one.continued_after_iteration for one in starts] == [None, last]
    assert {name: (folder / name).stat().st_mtime_ns for name in kept} == kept

    page.get_by_role("link", name="Clone").click()
    ready(page)
    expect(page.get_by_text("changed", exact=True)).to_have_count(0)
    fill(page, "Particle diameter (Å)", "102")
    expect(page.get_by_text("changed", exact=True)).to_have_count(1)
    expect(page.locator(".field-particle_diameter_A .chip")).to_have_text("changed")
    page.get_by_role("button", name="Run", exact=True).click()
    page.wait_for_url(re.compile("/job"))
    ready(page)
    page.get_by_role("button", name="Stop …").click()
    page.get_by_role("button", name="Stop now").click()
    expect(chip).to_have_text(re.compile("stopped"), timeout=RUN_MS)
    first, second = jobs_of(served, project)
    differing = {name for name in first if first[name] != second.get(name)}
    assert differing == {"particle_diameter_A", "output"}
    assert set(first) == set(second) and second["particle_diameter_A"] == 102.0


@contextlib.contextmanager
def first_visit(chromium: Browser, folder: Path) -> Iterator[Page]:
    """The cockpit of the demo's refinement, to which a first visit to a new dashboard leads, with its first words."""
    with serving(folder) as fresh:
        context = chromium.new_context()
        context.set_default_timeout(RUN_MS)
        page = context.new_page()
        page.goto(fresh.link)
        ready(page)
        expect(page.get_by_role("heading", name="Begin here")).to_be_visible()
        page.get_by_role("button", name="Try the demo").click()
        page.wait_for_url(re.compile("/job"))
        ready(page)
        expect(page.get_by_role("heading", level=1)).to_contain_text("Demo refinement")
        page.get_by_text("Log", exact=True).click()
        expect(page.get_by_text("1000 particles").first).to_be_visible(timeout=RUN_MS)
        yield page
        context.close()


def test_a_first_visit_leads_to_the_demo_and_its_cockpit(chromium: Browser, tmp_path: Path) -> None:
    with first_visit(chromium, tmp_path) as page:
        page.get_by_role("tab", name="Overview").click()
        rows = page.get_by_role("table", name="iterations").locator("tbody tr")
        expect(rows.first).to_be_visible(timeout=RUN_MS)
        page.get_by_role("button", name="Stop …").click()
        page.get_by_role("button", name="Stop now").click()
        expect(page.locator(".hero .chip")).to_have_text(re.compile("stopped"), timeout=RUN_MS)


@pytest.mark.slow
def test_the_demo_of_a_first_visit_converges(chromium: Browser, tmp_path: Path) -> None:
    with first_visit(chromium, tmp_path) as page:
        expect(page.locator(".hero .chip")).to_have_text("finished", timeout=RUN_MS)
        folder = tmp_path / "halfmap" / "demo" / "Refine3D" / "job002"
        end = read_progress(folder / "progress.jsonl")[-1]
        assert isinstance(end, End) and end.reason == "converged" and end.resolution_A
        expect(page.locator(".hero .number")).to_contain_text(f"{end.resolution_A:.2f}")
