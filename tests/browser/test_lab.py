"""People of a lab in real browsers: signing in, rights, an invitation, and being shut out while a page is open."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from db.repository import people
from tests.browser.conftest import WAIT_MS, Recorder, ready
from tests.services import nginx
from tests.webapp.accounts.lab import PASSWORD, Lab, fill, serving
from webapp.accounts.passwords import SHORTEST

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab's server; in a folder behind nginx with TLS where there is nginx."""
    made = fill(tmp_path_factory.mktemp("browsers"))
    if nginx.missing():
        with serving(made, "--address", "0.0.0.0"):
            yield made
    else:
        backend, tls, plain = nginx.free_ports(3)
        public = f"https://127.0.0.1:{tls}/halfmap"
        settings = f'[server]\npublic_url = "{public}"\nproxies = ["127.0.0.1"]\n'
        with (
            serving(made, port=backend, settings=settings),
            nginx.running_nginx(made.folder, tls, plain, backend),
        ):
            made.base = public
            yield made
    made.database.close()


@contextmanager
def person(chromium: Browser, lab: Lab) -> Iterator[BrowserContext]:
    """A browser of somebody's; nothing in it asks another host or fails in its scripts."""
    recorder = Recorder(lab.base)
    context = chromium.new_context(
        viewport={"width": 1400, "height": 1000}, ignore_https_errors=True
    )
    context.set_default_timeout(WAIT_MS)
    context.route("**/*", recorder.route)
    context.on("weberror", lambda error: recorder.errors.append(str(error.error)))
    context.add_cookies([{"name": "theme", "value": "light", "url": lab.base}])
    yield context
    context.close()
    assert recorder.foreign == []
    assert recorder.errors == []


def sign_in(page: Page, name: str, password: str = PASSWORD) -> None:
    """Fill in the form that is shown."""
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def test_a_deep_link_survives_signing_in_and_roles_show(chromium: Browser, lab: Lab) -> None:
    address = f"{lab.base}/project?id={lab.project}&tab=members"
    with person(chromium, lab) as of_ana, person(chromium, lab) as of_ben:
        ana, ben = of_ana.new_page(), of_ben.new_page()
        ana.goto(address)
        sign_in(ana, "ana", "wrong wrong wrong")
        expect(ana.get_by_role("alert")).to_have_text("The name or the password is wrong.")
        sign_in(ana, "ana")
        ready(ana)
        assert ana.url == address
        expect(ana.get_by_role("cell", name="ben")).to_be_visible()
        expect(ana.get_by_role("button", name="Give this role")).to_be_visible()
        expect(ana.get_by_role("link", name="New refinement").first).to_be_visible()

        ben.goto(address)
        sign_in(ben, "ben")
        ready(ben)
        expect(ben.get_by_role("cell", name="eva")).to_be_visible()
        expect(ben.get_by_role("button", name="Give this role")).not_to_be_visible()
        expect(ben.get_by_role("link", name="New refinement")).to_have_count(0)
        ben.goto(f"{lab.base}/project?id={lab.other_project}")
        ready(ben)
        alert = ben.get_by_role("alert").filter(has_text=f"no project {lab.other_project}")
        expect(alert).to_be_visible()
        ben.goto(f"{lab.base}/projects")
        ready(ben)
        expect(ben.get_by_role("link", name="beta", exact=True)).to_be_visible()
        expect(ben.get_by_text("secret")).to_have_count(0)


def test_sharing_opens_a_project_and_taking_it_away_closes_the_open_page(
    chromium: Browser, lab: Lab
) -> None:
    address = f"{lab.base}/project?id={lab.project}"
    with person(chromium, lab) as of_ana, person(chromium, lab) as of_out:
        ana, out = of_ana.new_page(), of_out.new_page()
        out.goto(address)
        sign_in(out, "out")
        ready(out)
        expect(out.get_by_role("alert").filter(has_text="There is no project")).to_be_visible()
        ana.goto(f"{address}&tab=members")
        sign_in(ana, "ana")
        ready(ana)
        ana.get_by_label("Person").select_option("out")
        ana.get_by_role("button", name="Give this role").click()
        expect(ana.get_by_role("cell", name="out")).to_be_visible()
        out.goto(address)
        ready(out)
        expect(out.get_by_role("heading", level=1, name="beta")).to_be_visible()
        ana.get_by_role("button", name="Take out").click()
        expect(out.get_by_role("alert").filter(has_text="There is no project")).to_be_visible()


def test_an_invited_person_comes_in_and_is_shut_out_while_a_page_is_open(
    chromium: Browser, lab: Lab
) -> None:
    with person(chromium, lab) as of_chief, person(chromium, lab) as of_nia:
        chief, nia = of_chief.new_page(), of_nia.new_page()
        chief.goto(f"{lab.base}/admin")
        sign_in(chief, "chief")
        chief.get_by_label("For", exact=True).fill("Nia")
        chief.get_by_role("button", name="Invite").click()
        nia.goto(chief.locator("#new-link").inner_text())
        nia.get_by_label("Name to sign in with").fill("nia")
        nia.get_by_label("Password").first.fill("x" * (SHORTEST - 1))
        nia.get_by_label("The same again").fill("x" * (SHORTEST - 1))
        nia.get_by_role("button", name="Make the account").click()
        assert "/invitation" in nia.url
        nia.get_by_label("Password").first.fill(PASSWORD)
        nia.get_by_label("The same again").fill(PASSWORD)
        nia.get_by_role("button", name="Make the account").click()
        ready(nia)
        expect(nia.get_by_role("link", name="nia")).to_be_visible()
        nia.goto(f"{lab.base}/help")
        ready(nia)
        with lab.database.writing() as session:
            user = people.find_user(session, "nia")
            assert user is not None
            people.set_active(session, user.id, False, who=None)
        nia.wait_for_url(lambda url: url.endswith("/login?next=/help"))
        expect(nia.get_by_role("heading", name="Sign in")).to_be_visible()
        sign_in(nia, "nia")
        expect(nia.get_by_role("alert")).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_login_page_needs_no_scripts_and_knows_both_themes(
    chromium: Browser, lab: Lab, theme: str
) -> None:
    context = chromium.new_context(java_script_enabled=False, ignore_https_errors=True)
    context.set_default_timeout(WAIT_MS)
    context.add_cookies([{"name": "theme", "value": theme, "url": lab.base}])
    page = context.new_page()
    page.goto(f"{lab.base}/account")
    assert page.locator("html").get_attribute("data-theme") == theme
    sign_in(page, "eva")
    expect(page.get_by_role("heading", level=1)).to_have_text("eva")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    context.close()


def test_people_find_mark_and_speak_and_are_told(chromium: Browser, lab: Lab) -> None:
    with person(chromium, lab) as of_eva, person(chromium, lab) as of_ben:
        eva, ben = of_eva.new_page(), of_ben.new_page()
        eva.goto(f"{lab.base}/help")
        sign_in(eva, "eva")
        ready(eva)
        eva.keyboard.press("Control+k")
        search = eva.get_by_role("combobox", name="Search projects and jobs")
        expect(search).to_be_focused()
        eva.keyboard.type("title")
        option = eva.get_by_role("option").first
        expect(option).to_contain_text("<img src=x onerror=alert(2)>")
        expect(search).to_have_attribute("aria-expanded", "true")
        eva.keyboard.press("Escape")
        expect(option).to_be_hidden()
        eva.keyboard.press("ArrowDown")
        expect(option).to_be_visible()
        eva.keyboard.press("ArrowDown")
        expect(option).to_have_attribute("aria-selected", "true")
        eva.keyboard.press("Enter")
        eva.wait_for_url(f"**/job?id={lab.job}")
        ready(eva)

        eva.get_by_role("button", name="Star job 1").click()
        eva.get_by_label("Add a tag").fill("<b>best</b>".replace("/", "-"))
        eva.get_by_label("Add a tag").press("Enter")
        expect(eva.get_by_role("button", name="Take off the tag <b>best<-b>")).to_be_visible()
        eva.get_by_text("Comments", exact=True).click()
        eva.get_by_label("Comment", exact=True).fill("@ben look <i>here</i>")
        eva.get_by_role("button", name="Comment", exact=True).click()
        said = eva.get_by_role("article")
        expect(said).to_contain_text("@ben look <i>here</i>")

        ben.goto(f"{lab.base}/queue")
        sign_in(ben, "ben")
        ready(ben)
        bell = ben.get_by_role("button", name="Notices, 2 unread")
        bell.click()
        ben.get_by_role("link", name="eva mentions you at job 1").click()
        ben.wait_for_url(f"**/job?id={lab.job}&tab=comments")
        ready(ben)
        expect(ben.get_by_role("article")).to_contain_text("@ben look <i>here</i>")
        expect(ben.get_by_role("button", name="Delete this comment")).to_have_count(0)
        expect(ben.get_by_role("button", name="Notices, 1 unread")).to_be_visible()

        eva.get_by_role("button", name="Delete this comment").click()
        expect(said).to_have_count(0)
        eva.goto(f"{lab.base}/search?q=is:starred+tag:%3Cb%3E")
        expect(eva.get_by_role("link", name="draft")).to_have_count(1)
