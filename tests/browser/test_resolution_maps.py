"""Local and directional resolution in the browser: pictures, histograms and curves are those of the files."""

import csv
import json

import mrcfile
import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import drawn_volume, holds, ready, source
from tests.browser.results import Result, Results
from webapp.components.local_resolution import coloured
from webapp.components.slices import grey_scale

pytestmark = pytest.mark.browser
PICTURE = """() => {
  for (const document_ of Bokeh.documents)
    for (const model of document_._all_models.values())
      if (model.type === 'ColumnDataSource' && model.name === 'slice_Z') {
        const data = model.data instanceof Map ? model.data.get('image') : model.data.image
        if (data && data.length) return {shape: data[0].shape, values: Array.from(data[0])}
      }
  return null
}"""


@pytest.fixture(scope="module")
def local(results: Results) -> Result:
    return results.job("local_resolution")


@pytest.fixture(scope="module")
def directional(results: Results) -> Result:
    return results.job("directional_fsc")


def test_a_coloured_slice_and_the_histogram_are_those_of_the_files(
    page: Page, local: Result, results: Results
) -> None:
    page.goto(local.address)
    ready(page)
    summary = json.loads((local.folder / "local_resolution_locres.json").read_text())
    bars = holds(page, "local_resolution", "voxels")
    assert bars == summary["histogram"]["voxels"]
    marks = source(page, "percentiles")["x"]
    assert marks == pytest.approx([summary["percentiles_A"][key] for key in ("5", "50", "95")])
    expect(page.get_by_text(f"{summary['median_A']:.2f} Å").first).to_be_visible()
    maps = [
        mrcfile.read(local.folder / f"local_resolution_locres{end}.mrc")
        for end in ("_filtered", "")
    ]
    mask = mrcfile.read(results.project.folder / "mask.mrc")
    middle = len(mask) // 2
    ends = (marks[0], marks[2])
    expected = coloured(maps[0][middle], maps[1][middle], mask[middle], grey_scale(maps[0]), ends)
    found = page.wait_for_function(PICTURE).json_value()
    shown = np.array(found["values"], dtype=np.uint32).reshape(found["shape"])
    assert np.array_equal(shown, expected)


def test_the_surface_has_the_colours_of_the_local_resolution(page: Page, local: Result) -> None:
    page.goto(local.address)
    ready(page)
    box = drawn_volume(page)
    found = box.evaluate(
        """box => {
          const surface = box.stage.compList.flatMap(one => one.reprList)[0]
          const parameters = surface.getParameters()
          const buffer = surface.repr.bufferList[0].geometry.attributes.color.array
          const colours = new Set()
          for (let n = 0; n < buffer.length; n += 3) colours.add(`${buffer[n]} ${buffer[n + 1]} ${buffer[n + 2]}`)
          return {scheme: parameters.colorScheme, domain: parameters.colorDomain, colours: colours.size}
        }"""
    )
    summary = json.loads((local.folder / "local_resolution_locres.json").read_text())
    ends = [summary["percentiles_A"][key] for key in ("5", "95")]
    assert found["scheme"] == "volume"
    assert found["domain"] == pytest.approx(ends)
    assert found["colours"] > 5


def test_curves_by_direction_are_those_of_the_table(page: Page, directional: Result) -> None:
    page.goto(directional.address)
    ready(page)
    path = directional.folder / "directional_fsc_directional_fsc.json"
    table = json.loads(path.read_text())
    for name in ("mean", "minimum", "maximum", "whole"):
        assert holds(page, "directional", name) == pytest.approx(table[name], abs=1e-6)
    expect(page.get_by_text(f"area ratio {table['area_ratio']:.2f}").first).to_be_visible()
    expect(page.get_by_text(table["definition"])).to_be_visible()
    rows = page.get_by_role("table", name="directions, the weakest first").locator("tbody tr")
    expect(rows).to_have_count(len(table["directions"]))
    expect(rows.first.locator("td").nth(2)).to_have_text(f"{table['worst_A']:.2f}")


def test_the_values_of_a_figure_are_a_table_and_a_file(page: Page, directional: Result) -> None:
    page.goto(directional.address)
    ready(page)
    path = directional.folder / "directional_fsc_directional_fsc.json"
    table = json.loads(path.read_text())
    holds(page, "directional", "mean")
    figure = page.locator(".bk-Figure").first
    figure.hover()
    page.get_by_title("Values as a table, CSV").first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator("tbody tr")).to_have_count(len(table["mean"]))
    with page.expect_download() as started:
        dialog.get_by_role("button", name="Save as CSV").click()
    with started.value.path().open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["mean"]) for row in rows] == pytest.approx(table["mean"])
    assert [float(row["spatial frequency (1/Å)"]) for row in rows] == pytest.approx(
        table["frequency_per_A"]
    )
    dialog.get_by_role("button", name="Close").click()
    expect(dialog).to_have_count(0)
