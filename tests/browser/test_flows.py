"""Wrong input in every field of the form of a refinement: told under the field, and nothing runs."""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, Page, expect

from compute.params.refine import RefineParams
from db.repository import people, projects
from db.session import open_database
from tests.browser.conftest import Served, ready
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
    assert jobs_of(served, project) == []
    assert "/new" in page.url
