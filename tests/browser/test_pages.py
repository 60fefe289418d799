"""Every page opens, in both themes, with its landmarks; what is not there is said; failures have an id."""

import contextlib
import re
import sqlite3
import urllib.error
import urllib.request

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import Served, ready

pytestmark = pytest.mark.browser

PAGES = {
    "/": "Home",
    "/projects": "Projects",
    "/new?type=refine": "New job: Refinement",
    "/queue": "Queue",
    "/help": "Help",
}


@pytest.mark.parametrize("address", PAGES)
def test_a_page_opens_with_its_landmarks(page: Page, served: Served, address: str) -> None:
    page.goto(served.base + address)
    ready(page)
    expect(page).to_have_title(f"{PAGES[address]} · Halfmap")
    expect(page.get_by_role("banner")).to_be_visible()
    expect(page.get_by_role("main")).to_be_visible()
    assert page.get_by_role("navigation", name="Main").get_by_role("link").count() == 4
    expect(page.get_by_role("heading", level=2).first).to_be_visible()
    assert page.locator("html").get_attribute("lang") == "en"


def test_the_theme_is_switched_and_kept(page: Page, served: Served) -> None:
    page.goto(served.base + "/help")
    ready(page)
    before = page.evaluate("getComputedStyle(document.body).backgroundColor")
    with page.expect_navigation():
        page.get_by_role("button", name="Switch between light and dark").click()
    ready(page)
    assert page.locator("html").get_attribute("data-theme") == "dark"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != before
    page.goto(served.base + "/queue")
    assert page.locator("html").get_attribute("data-theme") == "dark"


def test_a_first_visit_follows_the_system(visit: BrowserContext, served: Served) -> None:
    visit.clear_cookies(name="theme")
    page = visit.new_page()
    page.emulate_media(color_scheme="dark")
    page.goto(served.base + "/help")
    page.wait_for_function("document.documentElement.dataset.theme === 'dark'")


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("/job?id=9999", "There is no such job"),
        ("/project?id=9999", "There is no project 9999"),
        ("/job", "The address needs a number for 'id'"),
        ("/new?type=nonsense", "There is no type of job 'nonsense'"),
    ],
)
def test_what_is_not_there_is_said(page: Page, served: Served, address: str, words: str) -> None:
    page.goto(served.base + address)
    ready(page)
    expect(page.get_by_role("alert").filter(has_text=words)).to_be_visible()
    expect(page.get_by_role("link", name="projects", exact=True)).to_be_visible()


def test_keys_lead_around_but_not_while_typing(page: Page, served: Served) -> None:
    page.goto(served.base + "/")
    ready(page)
    page.keyboard.press("Control+k")
    expect(page.get_by_role("combobox", name="Search projects and jobs")).to_be_focused()
    page.keyboard.type("n?")
    assert page.url == served.base + "/"
    page.keyboard.press("Tab")
    page.locator("main").click(position={"x": 2, "y": 2})
    page.keyboard.press("g")
    with page.expect_navigation():
        page.keyboard.press("q")
    assert page.url == served.base + "/queue"


def test_the_link_is_good_once_and_nothing_is_open_without_it(served: Served, page: Page) -> None:
    page.goto(served.base + "/")
    for path in ("/api/map?job=1&file=x.mrc", "/api/file?job=1&file=run.out"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(served.base + path)
        assert refused.value.code == 401
        refused.value.close()
    with pytest.raises(urllib.error.HTTPError) as used:
        urllib.request.urlopen(served.link)
    assert used.value.code == 403
    assert "used up" in used.value.read().decode()
    used.value.close()
    with urllib.request.urlopen(served.base + "/projects") as sent_away:
        assert sent_away.url.endswith("/login?next=/projects")
        assert "prints, once" in sent_away.read().decode()


def test_a_project_is_made_and_a_folder_outside_is_refused(page: Page, served: Served) -> None:
    page.goto(served.base + "/projects")
    ready(page)
    page.get_by_label("Name").fill("first")
    page.get_by_label(re.compile("^Folder")).fill("/somewhere/else")
    page.get_by_role("button", name="Create or open").click()
    expect(page.get_by_role("alert").filter(has_text="outside the data folders")).to_be_visible()
    page.get_by_label(re.compile("^Folder")).fill(str(served.folder / "first"))
    page.get_by_role("button", name="Create or open").click()
    page.get_by_role("link", name="Open first").click()
    ready(page)
    expect(page.get_by_role("heading", level=1, name="first")).to_be_visible()
    expect(page.get_by_text("No jobs yet.")).to_be_visible()
    assert (served.folder / "first").is_dir()


def test_notes_are_kept(page: Page, served: Served) -> None:
    page.goto(served.base + "/projects?q=first")
    page.get_by_role("link", name="first", exact=True).click()
    ready(page)
    page.get_by_text("Notes", exact=True).click()
    box = page.get_by_role("textbox").last
    box.fill("the grid of Tuesday")
    box.blur()
    page.get_by_role("button", name="Save notes").click()
    expect(page.get_by_text("saved")).to_be_visible()
    page.reload()
    ready(page)
    expect(page.get_by_role("textbox").last).to_have_value("the grid of Tuesday")


def test_a_page_that_fails_shows_a_card_with_an_id(page: Page, served: Served) -> None:
    with contextlib.closing(sqlite3.connect(served.folder / "halfmap.db")) as database:
        before = database.execute("SELECT created_at FROM projects").fetchone()[0]
        database.execute("UPDATE projects SET created_at = 'no date'")
        database.commit()
        try:
            page.goto(served.base + "/projects")
            ready(page)
            card = page.get_by_role("alert").filter(has_text="This page could not be made")
            expect(card).to_be_visible()
            number = card.locator("code").inner_text()
        finally:
            database.execute("UPDATE projects SET created_at = ?", (before,))
            database.commit()
    assert re.fullmatch(r"[0-9a-f]{8}", number)
    assert number in (served.folder / "serve.err").read_text()


def test_an_action_that_fails_is_told_once_by_its_id(page: Page, served: Served) -> None:
    """The page asks for its jobs every two seconds, which fails too: each place is told once, by its own id."""
    page.goto(served.base + "/projects?q=first")
    page.get_by_role("link", name="first", exact=True).click()
    ready(page)
    page.get_by_text("Notes", exact=True).click()
    save = page.get_by_role("button", name="Save notes")
    expect(save).to_be_visible()
    log = served.folder / "serve.err"
    with contextlib.closing(sqlite3.connect(served.folder / "halfmap.db")) as database:
        before = database.execute("SELECT created_at FROM projects").fetchone()[0]
        database.execute("UPDATE projects SET created_at = 'no date'")
        database.commit()
        try:
            said = len(log.read_text())
            save.click()
            told = page.locator(".notyf__message")
            expect(told.first).to_contain_text("That did not work.")
            while log.read_text()[said:].count("an action failed") < 4:
                page.wait_for_timeout(500)
            numbers = [re.findall(r"under ([0-9a-f]{8})\.", one) for one in told.all_inner_texts()]
        finally:
            database.execute("UPDATE projects SET created_at = ?", (before,))
            database.commit()
    shown = [number for found in numbers for number in found]
    assert len(shown) == len(set(shown)) == len(numbers)
    assert set(shown) <= set(re.findall(r"id ([0-9a-f]{8})", log.read_text()[said:]))


def test_the_visitor_of_a_link_is_known_to_the_interface(page: Page, served: Served) -> None:
    """Pages ask now and then whether their visitor may still be here, and open the login page if not."""
    assert page.request.get(served.base + "/api/v1/me").status == 200
