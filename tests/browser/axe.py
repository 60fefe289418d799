"""What axe-core finds on a page, in both themes; and when a page stands, with all its figures."""

from pathlib import Path

from playwright.sync_api import Page, TimeoutError

from tests.browser.conftest import ready

SOURCE = Path(__file__).parent / "vendor" / "axe-core" / "axe.min.js"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

RUN = """async ([tags, only]) => {
  // The rule about turned screens reads every style sheet again, and takes four times as long as all others together.
  const isWanted = (rule) => ['serious', 'critical'].includes(rule.impact) && rule.id !== 'css-orientation-lock'
    && !rule.tags.includes('experimental') && rule.tags.some((tag) => tags.includes(tag))
  const rules = only.length ? only : axe._audit.rules.filter(isWanted).map((rule) => rule.id)
  const asked = { resultTypes: ['violations'], runOnly: { type: 'rule', values: rules }, preload: false }
  const why = (node) => (node.any[0] || node.all[0] || node.none[0])?.message ?? ''
  const found = await axe.run(document, asked)
  return found.violations.flatMap((one) => one.nodes.slice(0, 4).map((node) =>
    `${one.id}: ${node.html.slice(0, 160)} ${why(node).slice(0, 160)}`))
}"""
"""Only what axe-core calls serious or critical, target sizes of 24 pixels among it; the rule, and its first places."""

STANDS = """() => {
  const isMade = (child) => child && !/Spacer$/.test(child.model.type) && child.model.children?.length !== 0
  return Bokeh.documents.every((one) => one.is_idle)
  && [...Bokeh.index.query((one) => one.child_models)].every((one) =>
    one.child_models.length === one.child_views.length)
  && [...Bokeh.index.query((one) => /ReactiveESM$/.test(one.model.type))].every((one) => one.has_finished())
  && [...Bokeh.index.query((one) => one.shadow_el)].every((one) =>
    [...one.shadow_el.querySelectorAll('link[rel=stylesheet]')].every((link) => link.sheet)
    && [...one.shadow_el.querySelectorAll('.bk-clearfix')].every((text) => text.style.visibility !== 'hidden'))
  && [...Bokeh.index.query((one) => /Spinner$/.test(one.model.type) && one.shadow_el)].every((one) =>
    one.shadow_el.querySelectorAll('.bk-spin-btn:not([aria-label])').length === 0)
  && [...Bokeh.index.query((one) => /Slider$|Tabs$/.test(one.model.type) && one.shadow_el)].every((one) =>
    /Tabs$/.test(one.model.type) ? isMade(one.child_views[one.model.active])
        && one.child_views.every((child, n) => child.el.inert === (n !== one.model.active))
        && one.shadow_el.querySelectorAll('.bk-header .bk-tab:not([role])').length === 0
        && one.shadow_el.querySelector(`.bk-header .bk-tab:nth-child(${one.model.active + 1})`)?.tabIndex !== -1
      : one.shadow_el.querySelectorAll('.noUi-handle:not([aria-label])').length === 0)
}"""
"""Everything on the page is drawn and named; the tab that is open has been made, which comes after it was opened."""

FIGURES = """(count) => {
  const seen = halfmapFigures.views().filter((one) => one.el.offsetWidth && one.model.visible)
  return seen.length >= count && seen.every((one) => one.shadow_el.querySelector('.halfmap-offers'))
}"""


def violations(page: Page, *only: str) -> list[str]:
    """What axe-core finds on a page that is serious."""
    if not page.evaluate("Boolean(window.axe)"):
        page.evaluate(SOURCE.read_text())
    found: list[str] = page.evaluate(RUN, [TAGS, list(only)])
    return found


def check(page: Page) -> None:
    """Nothing serious in either theme: the dark one differs by its colours alone."""
    found = violations(page)
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    found += [f"dark {one}" for one in violations(page, "color-contrast")]
    page.evaluate("document.documentElement.dataset.theme = 'light'")
    assert not found, f"{page.url}\n" + "\n".join(found)


def still(page: Page, figures: int = 0) -> None:
    """Wait until a page stands with so many figures, and everything on it has its name."""
    ready(page)
    page.wait_for_function(STANDS)
    if figures:
        page.wait_for_function(FIGURES, arg=figures)


def open_tab(page: Page, title: str) -> None:
    """Open a tab of a page; nothing else of its name is meant."""
    tab = page.get_by_role("tab", name=title, exact=True)
    tab.click()
    page.locator(f".bk-tab[aria-selected=true]:text-is('{title}')").wait_for()


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
    found = page.evaluate(OFFERS)
    for one in found:
        assert one["name"] and one["role"] == "figure" and one["label"] and one["button"], one
        assert one["png"] > 500 and one["svg"] > 500, one
        assert not one["holds"] or (one["tables"] and one["csv"] > 2), one
    return len(found)


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


def fit(page: Page, width: int) -> None:
    """Wait until a page is no wider than its window; else say what makes it so."""
    try:
        page.wait_for_function(f"!({WIDE})({width}).length")
    except TimeoutError:
        raise AssertionError(f"{page.url} at {width}: {page.evaluate(WIDE, width)}") from None
