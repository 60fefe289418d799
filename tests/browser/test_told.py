"""What people are told outside of the page, and what is new to them since they were there."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from playwright.sync_api import Browser, Page, expect

from db.repository import members, talk
from db.session import utc_now
from tests.browser.conftest import ready
from tests.browser.test_lab import person, sign_in
from tests.webapp.accounts.lab import Lab, open_lab

pytestmark = pytest.mark.browser

LISTENS = """
window.told = []
const Real = window.Notification
window.Notification = class extends Real {
  constructor(title, options) { super(title, options); window.told.push([title, options.body, this]) }
}
"""
"""Browsers keep what they show outside of a page to themselves: it is noted as it is asked for."""
HIDES = """(isHidden) => {
  Object.defineProperty(document, 'hidden', { get: () => isHidden, configurable: true })
  document.dispatchEvent(new Event('visibilitychange', { bubbles: true }))
}"""
TOLD = "window.told.map(([title, body]) => [title, body])"
LOOK_MS = 21_000
"""A little more than the time between two looks of a page for notices."""


@pytest.fixture
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with open_lab(tmp_path_factory.mktemp("told")) as made:
        yield made


def say(lab: Lab, text: str) -> None:
    """Eva says something about the job."""
    with lab.database.writing() as session:
        talk.add_comment(session, lab.job, text, who=lab.users["eva"])


def look_again(page: Page) -> None:
    """Let a page's time go on to its next look for notices, and wait until that is over."""
    with page.expect_response("**/api/v1/notices?*"):
        page.clock.fast_forward(LOOK_MS)


def test_a_notice_is_shown_outside_of_the_page_once_and_leads_to_its_job(
    desktop_chromium: Browser, lab: Lab
) -> None:
    with person(desktop_chromium, lab) as context:
        context.grant_permissions(["notifications"], origin=lab.base)
        context.add_init_script(LISTENS)
        page = context.new_page()
        page.clock.install()
        page.goto(f"{lab.base}/account")
        with page.expect_navigation():
            sign_in(page, "ben")
        page.get_by_role("button", name="Notices").click()
        page.get_by_role("button", name="Notify me in this browser").click()
        chosen = page.get_by_role("button", name="Notifies in this browser")
        expect(chosen).to_have_attribute("aria-pressed", "true")

        say(lab, "@ben while you look")
        look_again(page)
        expect(page.get_by_role("button", name="Notices, 2 unread")).to_be_visible()
        assert page.evaluate(TOLD) == []

        page.evaluate(HIDES, True)
        say(lab, "@ben <b>see</b> this")
        look_again(page)
        page.wait_for_function("window.told.length === 1")
        ((title, body),) = page.evaluate(TOLD)
        assert title.startswith("eva mentions you at job 1")
        assert body == "beta\n@ben <b>see</b> this"
        look_again(page)
        assert len(page.evaluate(TOLD)) == 1
        page.evaluate("window.told[0][2].onclick()")
        page.wait_for_url(f"**/job?id={lab.job}**")


def test_what_is_new_since_the_last_visit_is_told(chromium: Browser, lab: Lab) -> None:
    ben = lab.users["ben"]
    with person(chromium, lab) as context:
        page = context.new_page()
        page.goto(f"{lab.base}/project?id={lab.project}")
        sign_in(page, "ben")
        ready(page)
        expect(page.get_by_role("heading", level=1, name="beta")).to_be_visible()
        expect(page.locator(".since")).to_have_count(0)
        page.goto(f"{lab.base}/help")
        with lab.database.writing() as session:
            view = members.view_of(session, lab.project, ben)
            view.opened_at, view.last_visit_at = utc_now() - timedelta(hours=3), None
        say(lab, "a <i>finer</i> mask")
        page.goto(f"{lab.base}/")
        ready(page)
        expect(page.get_by_role("heading", name="New since you were there")).to_be_visible()
        page.goto(f"{lab.base}/project?id={lab.project}")
        ready(page)
        since = page.locator(".since")
        expect(since).to_contain_text("1 comment")
        if since.get_attribute("open") is None:
            since.locator("summary").click()
        expect(since.get_by_text("a <i>finer</i> mask")).to_be_visible()
        since.get_by_role("link", name="job 1").click()
        page.wait_for_url(f"**/job?id={lab.job}&tab=comments")
        ready(page)
        expect(page.get_by_role("article")).to_contain_text("a <i>finer</i> mask")
        with lab.database.writing() as session:
            view = members.view_of(session, lab.project, ben)
            view.opened_at = view.last_visit_at = utc_now()
        page.goto(f"{lab.base}/project?id={lab.project}")
        ready(page)
        expect(page.get_by_role("heading", level=1, name="beta")).to_be_visible()
        expect(page.locator(".since")).to_have_count(0)
