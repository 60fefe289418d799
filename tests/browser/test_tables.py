"""Tables in the browser: what is focused and scrolled to stays while rows come, and their text can be taken away."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from db.repository import jobs, people, projects
from db.session import open_database
from tests.browser.conftest import Served, ready

pytestmark = pytest.mark.browser
JOBS = 30
SCROLLED_PX = 90
FOCUSED = "table => table.getRootNode().activeElement.textContent"
SCROLLED = "table => [table.closest('.table-scroll').scrollLeft, window.scrollY]"
SCROLL = "(table, to) => { table.closest('.table-scroll').scrollLeft = to }"
IS_WIDE = """([table, by]) => {
  const place = table.closest('.table-scroll')
  return place.scrollWidth >= place.clientWidth + by
}"""


def add_jobs(served: Served, project: int, titles: list[str]) -> None:
    """Add jobs that nobody has asked to run."""
    database = open_database(f"sqlite:///{served.folder / 'halfmap.db'}")
    with database.writing() as session:
        user = people.users(session)[0]
        for title in titles:
            jobs.create(session, project, "mask", {}, who=user.id, title=title)
    database.close()


@pytest.fixture(scope="module")
def project(served: Served) -> int:
    """A project with many jobs."""
    folder = served.folder / "tables"
    folder.mkdir()
    database = open_database(f"sqlite:///{served.folder / 'halfmap.db'}")
    with database.writing() as session:
        user = people.users(session)[0]
        made = projects.create(session, "tables", folder, who=user.id).id
    database.close()
    add_jobs(served, made, [f"mask {n:02d}" for n in range(JOBS)])
    return made


def test_focus_and_scroll_position_outlive_new_rows(
    page: Page, served: Served, project: int
) -> None:
    page.set_viewport_size({"width": 640, "height": 500})
    page.goto(f"{served.base}/project?id={project}")
    ready(page)
    table = page.get_by_role("table", name="jobs")
    rows = table.locator("tbody tr")
    expect(rows).to_have_count(JOBS)
    link = rows.filter(has_text="mask 17").get_by_role("link", name="mask 17")
    link.focus()
    page.wait_for_function(IS_WIDE, arg=[table.element_handle(), SCROLLED_PX])
    table.evaluate(SCROLL, SCROLLED_PX)
    link.evaluate("link => { link.isTheSame = true }")
    left, top = table.evaluate(SCROLLED)
    assert left == SCROLLED_PX and top > 0
    add_jobs(served, project, ["one more"])
    expect(rows).to_have_count(JOBS + 1)
    assert table.evaluate(FOCUSED) == "mask 17"
    assert link.evaluate("link => link.isTheSame === true"), "it must not be made anew"
    assert table.evaluate(SCROLLED)[0] == SCROLLED_PX
    head = table.get_by_role("button", name="Title")
    head.focus()
    head.press("Enter")
    expect(rows.first).to_contain_text("mask 00")
    assert table.evaluate(FOCUSED).startswith("Title")
    link.focus()
    head.evaluate("head => head.click()")
    expect(rows.first).to_contain_text("one more")
    assert table.evaluate(FOCUSED) == "mask 17", "where a row goes, its focus goes"


def test_a_table_is_saved_as_text(page: Page, served: Served, project: int) -> None:
    page.goto(f"{served.base}/project?id={project}")
    ready(page)
    table = page.get_by_role("table", name="jobs")
    table.get_by_role("button", name="Title").click()
    expect(table.locator("tbody tr").first).to_contain_text("mask 00")
    with page.expect_download() as saving:
        page.get_by_role("button", name="Save", exact=True).first.click()
    assert saving.value.suggested_filename == "tables_jobs.tsv"
    lines = [line.split("\t") for line in Path(saving.value.path()).read_text().splitlines()]
    place = lines[0].index("Title")
    titles = [line[place] for line in lines[1:]]
    assert titles[:JOBS] == [f"mask {n:02d}" for n in range(JOBS)]
    assert {len(line) for line in lines} == {len(lines[0])}
