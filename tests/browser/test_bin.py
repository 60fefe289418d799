"""A job is renamed, put into the bin, taken out and removed for good; open pages of others follow."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from db.repository import jobs
from tests.browser.axe import check, fit, open_tab, still
from tests.browser.conftest import ready
from tests.browser.test_lab import person, sign_in
from tests.webapp.accounts.lab import Lab, open_lab

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with open_lab(tmp_path_factory.mktemp("bin")) as made:
        yield made


def mask(lab: Lab) -> tuple[int, Path]:
    """A job with a file of 1500 bytes: its id and folder."""
    with lab.database.writing() as session:
        job = jobs.create(session, lab.project, "mask", {}, who=lab.users["ana"], title="tight")
    folder = lab.folder / "beta" / job.folder
    folder.mkdir(parents=True)
    (folder / "mask.mrc").write_bytes(bytes(1500))
    return job.id, folder


def press(page: Page, name: str) -> None:
    """Press a button by the keyboard."""
    button = page.get_by_role("button", name=name, exact=True)
    button.focus()
    button.press("Enter")


def heading(page: Page, title: str) -> None:
    """Wait for the page of a job by its title."""
    expect(page.get_by_role("heading", level=1)).to_have_text(title)


def test_a_job_is_renamed_binned_taken_out_and_removed_for_good(
    chromium: Browser, lab: Lab
) -> None:
    job, folder = mask(lab)
    trash = lab.folder / "beta" / "Trash" / folder.relative_to(lab.folder / "beta")
    with person(chromium, lab) as of_ana:
        page = of_ana.new_page()
        page.goto(f"{lab.base}/job?id={job}")
        sign_in(page, "ana")
        still(page)
        heading(page, "Job 2 · tight")
        press(page, "Rename …")
        title = page.get_by_label("Title", exact=True)
        expect(title).to_have_value("tight")
        check(page)
        title.fill("loose")
        title.press("Enter")
        heading(page, "Job 2 · loose")
        expect(title).to_be_hidden()

        press(page, "Put into the bin …")
        expect(page.get_by_text("Job 2 · loose goes into the bin. Nothing is lost")).to_be_visible()
        check(page)
        press(page, "Put into the bin")
        expect(page.get_by_text("put there by ana.")).to_be_visible()
        still(page)
        check(page)
        assert trash.is_dir() and not folder.exists()

        page.get_by_role("link", name="Open the bin").click()
        page.wait_for_url(re.compile("tab=bin"))
        still(page)
        page.get_by_role("link", name="loose", exact=True).click()
        page.wait_for_url(re.compile("/job"))
        ready(page)
        press(page, "Take it out")
        expect(page.get_by_role("button", name="Rename …")).to_be_visible()
        assert (folder / "mask.mrc").is_file() and not trash.exists()

        press(page, "Put into the bin …")
        press(page, "Put into the bin")
        expect(page.get_by_text("put there by ana.")).to_be_visible()
        page.goto(f"{lab.base}/project?id={lab.project}")
        still(page)
        open_tab(page, "Bin")
        press(page, "Remove job 2 for good …")
        expect(page.get_by_text("1 job, 1 file, 1.5 kB, will be removed for good.")).to_be_visible()
        check(page)
        for width in (1024, 400):
            page.set_viewport_size({"width": width, "height": 900})
            fit(page, width)
        assert trash.is_dir(), "to ask is not to remove"
        press(page, "Remove for good")
        expect(page.get_by_text("1 job, 1.5 kB, gone for good.")).to_be_visible()
        expect(page.get_by_text("The bin is empty.")).to_be_visible()
        assert not trash.exists() and not folder.exists()


def test_open_pages_of_others_follow_and_offer_what_a_role_allows(
    chromium: Browser, lab: Lab
) -> None:
    address, in_bin = f"{lab.base}/job?id={lab.job}", "put there by eva."
    with person(chromium, lab) as of_eva, person(chromium, lab) as of_ben:
        eva, ben = of_eva.new_page(), of_ben.new_page()
        for page, name in ((ben, "ben"), (eva, "eva")):
            page.goto(address)
            sign_in(page, name)
            still(page)
        expect(ben.get_by_role("button", name="Put into the bin …")).to_have_count(0)
        expect(ben.get_by_role("button", name="Rename …")).to_have_count(0)
        press(eva, "Put into the bin …")
        press(eva, "Put into the bin")
        expect(ben.get_by_text(in_bin)).to_be_visible()
        expect(ben.get_by_role("button", name="Take it out")).to_be_hidden()

        eva.goto(f"{lab.base}/project?id={lab.project}&tab=bin")
        still(eva)
        out = eva.get_by_role("button", name="Take job 1 out")
        expect(out).to_be_visible()
        expect(eva.get_by_role("button", name="Empty the bin …")).to_be_hidden()
        press(eva, "Take job 1 out")
        expect(eva.get_by_text("job 1 is out of the bin.")).to_be_visible()
        expect(ben.get_by_text("This job has not been started.")).to_be_visible()
