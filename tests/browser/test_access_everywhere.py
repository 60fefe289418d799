"""axe-core over every page, form and tab in both themes, the figures on them, and every page in narrow windows."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.axe import check, check_figures, fit, open_tab, still
from tests.browser.conftest import Run, Served, ready
from tests.browser.test_lab import person, sign_in
from tests.webapp.accounts.lab import Lab, open_lab
from webapp.cli import JOBS

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PLAIN = ["/", "/projects", "/queue", "/help", "/job?id=9999", "/account", "/admin", "/api-guide"]
COMMON = {"Parameters": 0, "Log": 0, "Files": 0, "Comments": 0}
TABS: dict[str, dict[str, int]] = {
    "refine": {
        "Overview": 8,
        "FSC": 3,
        "Orientations": 1,
        "Map": 3,
        "Particles": 4,
        "Post-process": 3,
        "Resources": 3,
        **COMMON,
    },
    "postprocess": {"Result": 2, "Map": 3, "Other settings": 3, **COMMON},
    "mask": {"Mask": 4, **COMMON},
    "local_resolution": {"Local resolution": 4, **COMMON},
    "directional_fsc": {"Directions": 2, **COMMON},
    "select": {"Selection": 0, "Images": 0, **COMMON},
}
"""The tabs of each kind of job, with the least number of figures on them."""


@pytest.mark.parametrize("address", PLAIN)
def test_a_page_has_nothing_serious(page: Page, served: Served, address: str) -> None:
    page.goto(served.base + address)
    if page.locator("script[type='application/json']").count():
        still(page)
    check(page)


@pytest.mark.parametrize("kind", JOBS)
def test_the_form_of_a_job_has_nothing_serious(page: Page, served: Served, kind: str) -> None:
    page.goto(f"{served.base}/new?type={kind}")
    still(page)
    check(page)


@pytest.mark.parametrize("kind", TABS)
def test_every_tab_of_a_job(page: Page, run: Run, results: Any, kind: str) -> None:
    page.goto(run.address if kind == "refine" else results.job(kind).address)
    still(page)
    shown = page.locator(".bk-header .bk-tab").all_inner_texts()
    assert shown == list(TABS[kind])
    for title, figures in TABS[kind].items():
        open_tab(page, title)
        still(page, figures)
        check(page)
        assert check_figures(page) >= figures, title


def test_a_project_and_a_comparison(page: Page, run: Run, served: Served, results: Any) -> None:
    page.goto(f"{served.base}/projects?q={run.project}")
    page.get_by_role("link", name=run.project, exact=True).click()
    still(page)
    for title in page.locator(".bk-header .bk-tab").all_inner_texts():
        open_tab(page, title)
        still(page)
        check(page)
    numbers = [results.job(kind).number for kind in ("postprocess", "local_resolution")]
    page.goto(f"{served.base}/compare?project={results.project.id}&jobs={numbers[0]},{numbers[1]}")
    still(page, figures=2)
    check(page)
    check_figures(page)


@pytest.mark.parametrize("width", [400, 1024])
def test_no_page_is_wider_than_its_window(page: Page, served: Served, run: Run, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    for address in (*PLAIN, *(f"/new?type={kind}" for kind in JOBS), run.address):
        page.goto(address if "://" in address else served.base + address)
        if page.locator("script[type='application/json']").count():
            still(page)
        fit(page, width)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with open_lab(tmp_path_factory.mktemp("access")) as made:
        yield made


def test_the_pages_of_accounts(chromium: Browser, lab: Lab) -> None:
    with person(chromium, lab) as context:
        page = context.new_page()
        page.goto(lab.base + "/login")
        check(page)
        sign_in(page, "chief")
        ready(page)
        for address in ("/account", "/admin", "/search?q=title", "/notices"):
            page.goto(lab.base + address)
            check(page)
        for address in (f"/project?id={lab.project}", f"/job?id={lab.job}"):
            page.goto(lab.base + address)
            still(page)
            for title in page.locator(".bk-header .bk-tab").all_inner_texts():
                open_tab(page, title)
                still(page)
                check(page)
