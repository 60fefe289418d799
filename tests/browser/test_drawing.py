"""A change of a model that is not drawn yet does no harm, and is in the drawing."""

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import Served, ready

pytestmark = pytest.mark.browser

CHANGED_EARLY = """async () => {
  const { build_view } = Bokeh.require('core/build_views')
  const Slider = Bokeh.Models.get('Slider'), Select = Bokeh.Models.get('Select')
  const slider = new Slider({ start: 0, end: 1, value: 0, step: 0.1 })
  const select = new Select({ options: ['a', 'b'], value: 'a' })
  const views = [await build_view(slider), await build_view(select)]
  slider.end = 5
  slider.value = 3
  select.options = ['a', 'b', 'c']
  select.value = 'c'
  for (const view of views) view.build(document.body)
  slider.end = 7
  await Promise.all(views.map((view) => view.ready))
  const slides = views[0]._noUiSlider, range = slides.options.range
  return [range.max, slides.get(true), views[1].input_el.value]
}"""

FAILING = """async () => {
  const { build_view } = Bokeh.require('core/build_views')
  const model = new (Bokeh.Models.get('Slider'))({ start: 0, end: 1, value: 0, step: 0.1 })
  const view = await build_view(model)
  view.build(document.body)
  view.connect(model.properties.title.change, () => { throw new Error('of a drawn view') })
  try { model.title = 'new' } catch (error) { return error.message }
}"""


def test_changes_before_the_drawing_are_drawn(page: Page, served: Served) -> None:
    page.goto(served.base + "/queue")
    ready(page)
    assert page.evaluate(CHANGED_EARLY) == [7, 3, "c"]


def test_a_drawn_view_still_tells_its_failures(page: Page, served: Served) -> None:
    page.goto(served.base + "/queue")
    ready(page)
    assert page.evaluate(FAILING) == "of a drawn view"
