"""The page of a running job: it shows what happens, and stays where its reader looks."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.bench.load import RunningJob, running_job, sentence
from tests.browser.conftest import ready
from tests.browser.test_lab import person, sign_in
from tests.webapp.accounts.lab import Lab, open_lab

pytestmark = pytest.mark.browser

CURVES = """([name, count]) => Bokeh.documents.some(one => Array.from(one._all_models.values()).some(model => {
  if (model.name !== name) return false
  const data = model.data instanceof Map ? Object.fromEntries(model.data) : model.data
  return (data.ys || data.fsc0143).length === count
}))"""
"""Whether a source on the page has so many curves or points."""


@pytest.fixture
def job(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lab, RunningJob]]:
    with (
        open_lab(tmp_path_factory.mktemp("live")) as lab,
        running_job(lab) as made,
    ):
        yield lab, made


def shows(page: Page, iteration: int, newest: int) -> None:
    """Expect that a page shows an iteration in all its parts, and tells what the newest one has said."""
    expect(page.locator(".hero .sentence")).to_have_text(sentence(newest))
    expect(page.locator(".headline .meaning")).to_contain_text(f"iteration {iteration}")
    lines = page.get_by_role("table", name="iterations").locator("tbody tr")
    expect(lines).to_have_count(newest)
    expect(lines.nth(iteration - 1)).to_have_class(re.compile("chosen"))
    expect(page.locator(".bk-slider-title")).to_have_text(f"Iteration: {iteration}")
    page.wait_for_function(CURVES, arg=["ghosts", iteration - 1])
    page.wait_for_function(CURVES, arg=["normal", newest])
    newer = page.get_by_text(re.compile("newer data"))
    if iteration == newest:
        expect(newer).to_have_count(0)
    else:
        expect(newer).to_have_text(f"newer data: it {newest}")


def test_a_page_follows_its_job_and_stays_where_its_reader_looks(
    chromium: Browser, job: tuple[Lab, RunningJob]
) -> None:
    lab, made = job
    address = f"{lab.base}/job?id={lab.job}"
    with person(chromium, lab) as context:
        page = context.new_page()
        page.goto(address)
        sign_in(page, "ana")
        expect(page.get_by_text(sentence(1))).to_be_visible()
        made.write(2)
        shows(page, 2, newest=2)
        expect(page).to_have_url(re.compile(r"\?id=\d+(&tab=overview)?$"))
        page.reload()
        ready(page)
        made.write(3)
        shows(page, 3, newest=3)
        page.get_by_role("button", name="‹").click()
        shows(page, 2, newest=3)
        made.write(4)
        shows(page, 2, newest=4)
        expect(page).to_have_url(re.compile("it=2"))
        page.get_by_label("follow newest").check()
        shows(page, 4, newest=4)
        made.write(5)
        shows(page, 5, newest=5)
        page.get_by_role("table", name="iterations").locator("tbody tr").first.click()
        shows(page, 1, newest=5)
