"""What a job has made is to be seen on its page and reached from the project's; one that made nothing says so."""

import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import mrcfile
import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Served, drawn_volume, ready
from tests.browser.results import SECONDS, Result, Results
from tests.browser.test_postprocess import greys_of
from webapp.components.slices import grey_scale, greys

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def rescaled(results: Results) -> Result:
    return results.job("rescale")


@pytest.fixture(scope="module")
def failed(results: Results) -> int:
    """A mask whose threshold no density reaches."""
    job = results.project.submit("mask", map=results.half, threshold=1e6)
    job.wait(SECONDS)
    assert job.state == "failed"
    return job.id


def test_a_rescaled_map_is_shown(page: Page, rescaled: Result) -> None:
    page.goto(rescaled.address)
    ready(page)
    volume = mrcfile.read(rescaled.folder / "rescaled.mrc")
    middle = len(volume) // 2
    assert np.array_equal(greys_of(page), greys(volume[middle], grey_scale(volume)))
    drawn_volume(page)


def test_files_and_happenings_of_a_project_lead_to_their_jobs(
    page: Page, served: Served, results: Results, rescaled: Result
) -> None:
    address = f"{served.base}/project?id={results.project.id}"
    page.goto(f"{address}&tab=files")
    ready(page)
    name = f"{rescaled.folder.parent.name}/{rescaled.folder.name}/rescaled.mrc"
    with page.expect_download() as loading:
        page.get_by_role("link", name=name).click()
    written = (rescaled.folder / "rescaled.mrc").read_bytes()
    assert Path(loading.value.path()).read_bytes() == written
    page.goto(f"{address}&tab=activity")
    ready(page)
    page.get_by_role("link", name=f"job {rescaled.number}", exact=True).first.click()
    page.wait_for_url(re.compile("/job"))
    asked, wanted = (parse_qs(urlsplit(one).query) for one in (page.url, rescaled.address))
    assert asked["id"] == wanted["id"]


def test_a_job_that_made_nothing_says_so(page: Page, served: Served, failed: int) -> None:
    page.goto(f"{served.base}/job?id={failed}")
    ready(page)
    expect(page.get_by_text("The job ended without a result.")).to_be_visible()
    page.get_by_text("Log", exact=True).click()
    error = page.locator(".line-error").first
    expect(error).to_contain_text("no voxel reaches the threshold")
    expect(error).to_have_css("border-top-width", "0px")


def test_pages_are_one_column_in_a_narrow_window(
    page: Page, served: Served, results: Results, rescaled: Result, failed: int
) -> None:
    """Nothing leads out of the window to the right, neither long words nor parts that stood side by side."""
    page.set_viewport_size({"width": 480, "height": 900})
    addresses = [results.job("postprocess").address, results.job("local_resolution").address]
    project = f"project={results.project.id}"
    others = ["", f"project?id={results.project.id}", "queue", f"new?{project}&type=extract"]
    addresses += [f"{served.base}/{one}" for one in (f"job?id={failed}", *others)]
    for address in [rescaled.address, *addresses]:
        page.goto(address)
        ready(page)
        expect(page.locator(".reading")).to_have_count(0)
        # One pixel more is how the browser rounds widths; a slow one lays parts out after they are there.
        page.wait_for_function("document.documentElement.scrollWidth <= 481")
