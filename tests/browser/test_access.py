"""Accessibility: axe-core over the pages in both themes, the keyboard, narrow windows, and what figures offer."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.conftest import Run, Served, ready
from tests.browser.test_lab import person, sign_in
from tests.webapp.accounts.lab import Lab, fill, serving
from webapp.cli import JOBS

pytestmark = pytest.mark.browser

AXE = Path(__file__).parent / "vendor" / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
GRAVE = ("serious", "critical")
PLAIN = ["/", "/projects", "/queue", "/help", "/job?id=9999", "/account", "/admin", "/api-guide"]


def violations(page: Page, *only: str) -> list[str]:
    """What axe-core finds on a page that is serious: the rule, and the first places."""
    if not page.evaluate("Boolean(window.axe)"):
        page.evaluate(AXE.read_text())
    asked: dict[str, Any] = {"resultTypes": ["violations"], "runOnly": list(only) or RULES}
    found = page.evaluate("(options) => axe.run(document, options)", asked)["violations"]
    return [
        f"{one['id']}: {node['html'][:160]} {node['any'][0]['message'][:120] if node['any'] else ''}"
        for one in found
        if one["impact"] in GRAVE
        for node in one["nodes"][:4]
    ]


def check(page: Page) -> None:
    """Nothing serious in either theme, and no page that is wider than its window."""
    found = violations(page)
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    found += [f"dark {one}" for one in violations(page, "color-contrast")]
    page.evaluate("document.documentElement.dataset.theme = 'light'")
    assert not found, f"{page.url}\n" + "\n".join(found)


NAMED = """() => [...Bokeh.index.query((one) => one.shadow_el)].every((one) =>
    [...one.shadow_el.querySelectorAll('link[rel=stylesheet]')].every((link) => link.sheet))
  && [...Bokeh.index.query((one) => /Slider$|Tabs$/.test(one.model.type) && one.shadow_el)].every((one) =>
  /Tabs$/.test(one.model.type) ? one.child_views.every((child, n) => child.el.inert === (n !== one.model.active))
      && one.shadow_el.querySelectorAll('.bk-header .bk-tab:not([role])').length === 0
      && one.shadow_el.querySelector(`.bk-header .bk-tab:nth-child(${one.model.active + 1})`)?.tabIndex !== -1
    : one.shadow_el.querySelectorAll('.noUi-handle:not([aria-label])').length === 0)"""


def still(page: Page) -> None:
    """Wait until the page stands and nothing moves on it."""
    ready(page)
    page.wait_for_function("Bokeh.documents.every(d => d.is_idle)")
    page.wait_for_function(NAMED)


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


OFFERS = """async () => {
  const found = []
  for (const view of halfmapFigures.views()) {
    const figure = view.model
    if (!view.el.offsetWidth || !figure.visible) continue
    const svg = await (await halfmapFigures.picture(figure, 'svg')).text()
    found.push({
      name: figure.name, label: view.el.getAttribute('aria-label'), role: view.el.getAttribute('role'),
      button: Boolean(view.shadow_el.querySelector('button.halfmap-offers[aria-label]')),
      png: (await halfmapFigures.picture(figure, 'png')).size, svg: svg.includes('<svg') ? svg.length : 0,
      csv: (await halfmapFigures.csv(figure).text()).length, tables: halfmapFigures.tables(figure).length,
      holds: figure.renderers.some((one) => one.data_source && one.data_source.get_length() > 0),
    })
  }
  return found
}"""


def check_figures(page: Page) -> int:
    """Every figure that is drawn has a name, and its values and pictures to be had; how many there are."""
    page.wait_for_function(
        "halfmapFigures.views().every(v => v.shadow_el.querySelector('.halfmap-offers'))"
    )
    found = page.evaluate(OFFERS)
    for one in found:
        assert one["name"] and one["role"] == "figure" and one["label"] and one["button"], one
        assert one["png"] > 500 and one["svg"] > 500, one
        assert not one["holds"] or (one["tables"] and one["csv"] > 2), one
    return len(found)


def look_at_tabs(page: Page) -> int:
    """Go through the tabs of a page, and count the figures seen on them."""
    figures = 0
    tabs = page.locator(".bk-header .bk-tab")
    for n in range(tabs.count()):
        tabs.nth(n).click()
        still(page)
        check(page)
        figures += check_figures(page)
    return figures


def test_every_tab_of_a_refinement(page: Page, run: Run) -> None:
    page.goto(run.address)
    still(page)
    assert look_at_tabs(page) >= 15


@pytest.mark.parametrize(
    ("kind", "figures"),
    [
        ("postprocess", 3),
        ("mask", 1),
        ("local_resolution", 1),
        ("directional_fsc", 2),
        ("select", 0),
    ],
)
def test_every_tab_of_a_job(page: Page, results: Any, kind: str, figures: int) -> None:
    page.goto(results.job(kind).address)
    still(page)
    assert look_at_tabs(page) >= figures


def test_a_project_and_a_comparison(page: Page, run: Run, served: Served) -> None:
    page.goto(f"{served.base}/projects?q={run.project}")
    page.get_by_role("link", name=run.project, exact=True).click()
    still(page)
    look_at_tabs(page)
    project = page.url.partition("id=")[2].partition("&")[0]
    job = run.address.partition("id=")[2].partition("&")[0]
    page.goto(f"{served.base}/compare?project={project}&jobs={job}")
    still(page)
    check(page)
    check_figures(page)


WIDE = """(width) => {
  if (document.documentElement.scrollWidth <= width) return []
  const found = []
  const walk = (root) => { for (const one of root.querySelectorAll('*')) {
    const box = one.getBoundingClientRect()
    if (one.closest('.table-scroll')) continue
    if (box.right > width + 1) found.push(`${one.tagName}.${one.className} ${Math.round(box.right)}`)
    if (one.shadowRoot && !/auto|scroll|hidden/.test(getComputedStyle(one).overflowX)) walk(one.shadowRoot)
  } }
  walk(document)
  return found.length ? found.slice(0, 12) : [`the page is ${document.documentElement.scrollWidth} wide`]
}"""


@pytest.mark.parametrize("width", [400, 1024])
def test_no_page_is_wider_than_its_window(page: Page, served: Served, run: Run, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    for address in ("/", "/projects", "/queue", "/help", "/new?type=refine", run.address):
        page.goto(address if "://" in address else served.base + address)
        still(page)
        wide = page.evaluate(WIDE, width)
        assert not wide, (address, wide)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    made = fill(tmp_path_factory.mktemp("access"))
    with serving(made, "--address", "0.0.0.0"):
        yield made
    made.database.close()


def test_the_pages_of_accounts(chromium: Browser, lab: Lab) -> None:
    """And no wild text of the lab's titles, notes and file names runs or becomes an element."""
    with person(chromium, lab) as context:
        page = context.new_page()
        spoken: list[str] = []
        page.on("dialog", lambda dialog: (spoken.append(dialog.message), dialog.dismiss()))
        page.goto(lab.base + "/login")
        check(page)
        sign_in(page, "chief")
        ready(page)
        for address in ("/account", "/admin"):
            page.goto(lab.base + address)
            check(page)
        for address in (f"/project?id={lab.project}", f"/job?id={lab.job}", "/", "/projects"):
            page.goto(lab.base + address)
            still(page)
            tabs = page.locator(".bk-header .bk-tab")
            for n in range(tabs.count()):
                tabs.nth(n).click()
                still(page)
                assert page.locator("img[src=x], img[onerror]").count() == 0
        assert spoken == []
