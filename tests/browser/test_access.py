"""Accessibility of representative pages: axe-core in both themes, keyboard, focus, motion, narrow windows.

Every other page, tab and form is in `test_access_everywhere`.
"""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.axe import check, check_figures, fit, open_tab, still
from tests.browser.conftest import Run, Served

pytestmark = pytest.mark.browser

SEEN = """() => {
  let one = document.activeElement
  while (one?.shadowRoot?.activeElement) one = one.shadowRoot.activeElement
  if (!one || one === document.body) return null
  const style = getComputedStyle(one), box = one.getBoundingClientRect()
  const ring = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2
    && style.outlineColor !== 'rgba(0, 0, 0, 0)'
  const place = box.width > 0 && box.height > 0 && box.bottom > 0 && box.top < innerHeight && box.right > 0
  return { what: `${one.tagName}.${one.className} ${one.ariaLabel || one.textContent.trim().slice(0, 40)}`,
    role: one.getAttribute('role'), ring, place }
}"""
"""What has the focus, whether a ring is drawn around it, and whether it lies where it is seen."""

MOVES = """() => {
  const found = []
  const walk = (root) => { for (const one of root.querySelectorAll('*')) {
    for (const part of ['', '::before', '::after']) {
      const style = getComputedStyle(one, part)
      const lasts = (text) => text.split(',').some((time) => parseFloat(time) > 0)
      if (style.animationName !== 'none' && lasts(style.animationDuration)) found.push(one.className + part)
      if (style.transitionProperty !== 'none' && lasts(style.transitionDuration)) found.push(one.className + part)
    }
    if (one.shadowRoot) walk(one.shadowRoot)
  } }
  walk(document)
  return found
}"""
"""Everything on a page that would move by itself or glide."""


@pytest.mark.parametrize("address", ["/", "/job?id=9999", "/account", "/new?type=refine"])
def test_a_page_has_nothing_serious(page: Page, served: Served, address: str) -> None:
    page.goto(served.base + address)
    if address != "/account":
        still(page)
    check(page)


def test_the_cockpit_has_nothing_serious(page: Page, run: Run) -> None:
    page.goto(run.address)
    still(page, figures=8)
    check(page)
    assert check_figures(page) == 8
    open_tab(page, "Post-process")
    still(page, figures=3)
    check(page)


def stops(page: Page, count: int) -> list[dict[str, Any]]:
    """What the focus comes to with so many presses of the tabulator."""
    found = []
    for _ in range(count):
        page.keyboard.press("Tab")
        seen = page.evaluate(SEEN)
        if seen is not None:
            found.append(seen)
    return found


@pytest.mark.parametrize("address", ["/account", "/new?type=refine"])
def test_the_focus_is_seen_wherever_it_goes(page: Page, served: Served, address: str) -> None:
    page.goto(served.base + address)
    if address != "/account":
        still(page)
    found = stops(page, 45)
    assert len({one["what"] for one in found}) >= 12
    assert [one for one in found if not (one["ring"] and one["place"])] == []


def test_the_keyboard_leads_through_the_cockpit(page: Page, run: Run) -> None:
    page.goto(run.address)
    still(page, figures=8)
    found = stops(page, 40)
    assert [one for one in found if not (one["ring"] and one["place"])] == []
    assert {"slider", "tab"} <= {one["role"] for one in found}

    page.get_by_role("tab", name="Overview").focus()
    page.keyboard.press("ArrowRight")
    fsc = page.get_by_role("tab", name="FSC")
    expect(fsc).to_have_attribute("aria-selected", "true")
    expect(fsc).to_be_focused()
    still(page, figures=3)
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("tab", name="Overview")).to_have_attribute("aria-selected", "true")
    still(page, figures=8)

    last = run.iterations[-1].iteration
    page.get_by_role("slider", name="Iteration").focus()
    page.keyboard.press("ArrowLeft")
    page.wait_for_url(f"**it={last - 1}**")
    expect(page.get_by_text(f"newer data: it {last}")).to_be_visible()
    page.get_by_role("checkbox", name="follow newest").focus()
    page.keyboard.press("Space")
    expect(page.get_by_text(f"newer data: it {last}")).to_have_count(0)

    bell = page.get_by_role("button", name="Notices")
    bell.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name="Notices")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("region", name="Notices")).to_be_hidden()
    expect(bell).to_be_focused()


def test_nothing_moves_for_whoever_wants_no_motion(page: Page, served: Served) -> None:
    page.goto(f"{served.base}/new?type=refine")
    still(page)
    page.evaluate(
        "document.querySelector('main').insertAdjacentHTML('afterbegin', '<i class=\"chip running\">running</i>')"
    )
    assert "chip running::before" in page.evaluate(MOVES)
    page.emulate_media(reduced_motion="reduce")
    assert page.evaluate(MOVES) == []


def test_the_cockpit_and_forms_fit_narrow_windows(page: Page, served: Served, run: Run) -> None:
    for address in (run.address, f"{served.base}/new?type=refine"):
        page.goto(address)
        still(page, figures=8 if address == run.address else 0)
        for width in (1024, 400):
            page.set_viewport_size({"width": width, "height": 900})
            fit(page, width)
        page.set_viewport_size({"width": 1400, "height": 1000})
