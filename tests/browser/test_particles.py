"""Particles, masks and classes in the browser: cells are those of the files, rows show their images."""

import json
import re

import mrcfile
import numpy as np
import pytest
import starfile
from playwright.sync_api import Locator, Page, expect

from compute.files.optics import find_file
from tests.browser.axe import STANDS
from tests.browser.conftest import Run, fill, holds, ready, source
from tests.browser.results import Results

pytestmark = pytest.mark.browser


def test_particles_are_sorted_paged_and_looked_at(page: Page, run: Run) -> None:
    page.goto(f"{run.address}&tab=particles")
    ready(page)
    table = page.get_by_role("table", name="particles", exact=True)
    rows = table.locator("tbody tr")
    expect(rows).to_have_count(50)
    data = starfile.read(run.folder / "run_data.star", always_dict=True)["particles"]
    expect(rows.first.locator("td[data-key=image]")).to_have_text(data["rlnImageName"].iloc[0])
    order = np.argsort(data["rlnLogLikeliContribution"].to_numpy(float), kind="stable")
    table.get_by_role("button", name="Log-likelihood").click()
    expect(rows.first.locator("td[data-key=row]")).to_have_text(str(order[0] + 1))
    for place in (0, 49):
        shown = dict(
            rows.nth(place)
            .locator("td")
            .evaluate_all("cells => cells.map(cell => [cell.dataset.key, cell.textContent])")
        )
        line = data.iloc[order[place]]
        assert shown["row"] == str(order[place] + 1)
        assert shown["image"] == line["rlnImageName"]
        assert shown["half"] == str(line["rlnRandomSubset"])
        assert shown["pmax"] == f"{line['rlnMaxValueProbDistribution']:.3f}"
        assert shown["log_likelihood"] == f"{line['rlnLogLikeliContribution']:.1f}"
        assert shown["norm"] == f"{line['rlnNormCorrection']:.3f}"
        assert shown["tilt"] == f"{line['rlnAngleTilt']:.1f}"
    page.get_by_role("textbox", name="Page").fill("2")
    page.get_by_role("textbox", name="Page").press("Enter")
    expect(rows).to_have_count(min(50, len(data) - 50))
    expect(rows.first.locator("td[data-key=row]")).to_have_text(str(order[50] + 1))
    rows.first.click()
    expect(page.get_by_role("heading", name=f"Row {order[50] + 1}")).to_be_visible()
    image = page.get_by_role("img", name="as it is")
    width = image.evaluate("image => image.decode().then(() => image.naturalWidth)")
    number, _, stack = data["rlnImageName"].iloc[order[50]].partition("@")
    path = find_file(stack, run.folder / "run_data.star")
    assert width == mrcfile.mmap(path, mode="r").data.shape[-1]
    pixels = image.evaluate(
        """image => {
          const canvas = document.createElement('canvas')
          canvas.width = image.naturalWidth; canvas.height = image.naturalHeight
          const context = canvas.getContext('2d')
          context.drawImage(image, 0, 0)
          return Array.from(context.getImageData(0, 0, canvas.width, canvas.height).data).filter((_, n) => n % 4 === 0)
        }"""
    )
    with mrcfile.mmap(path, mode="r") as file:
        picture = np.array(file.data[int(number) - 1])
    low, high = np.percentile(picture, [0.5, 99.5])
    expected = np.clip((picture - low) / (high - low) * 255, 0, 255)[::-1]
    assert np.allclose(np.array(pixels).reshape(expected.shape), expected, atol=1.0)
    expect(page.get_by_role("img", name="phases flipped, to 20 Å")).to_be_visible()


HESITATION_MS = 500
"""Longer than Bokeh waits before it takes a button that is held for a press."""


def draw_range(page: Page, figure: Locator, start: float, end: float) -> None:
    """Drag the mouse over a figure that stands still, from one part of its width to another, as slowly as a hand."""
    page.wait_for_function(STANDS)
    figure.scroll_into_view_if_needed()
    box = figure.bounding_box()
    assert box is not None
    height = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + start * box["width"], height)
    page.mouse.down()
    page.wait_for_timeout(HESITATION_MS)
    page.mouse.move(box["x"] + end * box["width"], height, steps=6)
    page.mouse.up()


def test_particles_are_narrowed_down_to_a_range_of_values(page: Page, run: Run) -> None:
    page.goto(f"{run.address}&tab=particles")
    ready(page)
    rows = page.get_by_role("table", name="particles", exact=True).locator("tbody tr")
    expect(rows).to_have_count(50)
    data = starfile.read(run.folder / "run_data.star", always_dict=True)["particles"]
    pmax = data["rlnMaxValueProbDistribution"].to_numpy(float)
    assert sum(holds(page, "pmax", "top")) == len(pmax)
    page.get_by_label("Only where").select_option("Pmax")
    median = float(np.median(pmax))
    fill(page, "and at most", f"{median:.6f}")
    expected = np.flatnonzero(pmax <= float(f"{median:.6f}"))
    expect(rows).to_have_count(min(50, len(expected)))
    expect(rows.first.locator("td[data-key=row]")).to_have_text(str(expected[0] + 1))
    link = page.get_by_role("link", name="Keep only these")
    expect(link).to_have_attribute("href", re.compile("type=select.*rlnMaxValueProbDistribution"))
    drawn = page.locator(".bk-Figure").nth(1)
    norm = data["rlnNormCorrection"].to_numpy(float)
    assert sum(holds(page, "norm", "top")) == len(norm)
    draw_range(page, drawn, 0.35, 0.65)
    expect(page.get_by_label("Only where")).to_have_value("Norm")
    ends = [page.get_by_role("textbox", name=name) for name in ("is at least", "and at most")]
    for end in ends:
        expect(end).not_to_have_value("")
    low, high = (float(end.input_value()) for end in ends)
    expected = np.flatnonzero((norm >= low) & (norm <= high))
    assert 0 < len(expected) < len(norm)
    expect(rows).to_have_count(min(50, len(expected)))
    expect(rows.first.locator("td[data-key=row]")).to_have_text(str(expected[0] + 1))
    page.get_by_text("with images").click()
    tiles = page.locator(".tiles-box button")
    expect(tiles).to_have_count(min(50, len(expected)))
    tiles.nth(1).click()
    expect(page.get_by_role("heading", name=f"Row {expected[1] + 1}")).to_be_visible()
    expect(rows.nth(1)).to_have_class(re.compile("chosen"))


def test_a_mask_shows_its_figures(page: Page, results: Results) -> None:
    made = results.job("mask")
    page.goto(made.address)
    ready(page)
    report = json.loads((made.folder / "mask.json").read_text())
    assert holds(page, "mask_volume", "volume_A3") == pytest.approx(
        np.maximum(report["histogram"]["volume_above_A3"], 1.0)
    )
    assert source(page, "mask_marks")["x"][0] == pytest.approx(report["threshold"])
    volume = f"{report['volume_A3']:,.0f}".replace(",", " ")
    expect(page.get_by_text(f"{volume} Å³")).to_be_visible()


def test_a_selection_shows_its_classes(page: Page, results: Results) -> None:
    made = results.job("select")
    page.goto(made.address)
    ready(page)
    overview = json.loads((made.folder / "particles_classes.json").read_text())
    for one in overview["classes"]:
        words = f"{one['particles']} particles, {one['fraction']:.1%} · {one['resolution_A']:.2f} Å"
        expect(page.get_by_text(words)).to_be_visible()
        expect(page.get_by_role("img", name=f"class {one['number']}, slice z")).to_be_visible()
    expect(page.get_by_text("kept", exact=True)).to_have_count(1)
    kept = next(one for one in overview["classes"] if one["is_selected"])
    words = f"{kept['particles']} of {overview['particles']} particles were kept."
    expect(page.get_by_text(words)).to_be_visible()
