"""Post-processing in the browser: curves are those of the files, settings are previewed and run."""

import re
from pathlib import Path
from urllib.parse import urlsplit

import mrcfile
import numpy as np
import pytest
import starfile
from playwright.sync_api import Page, expect

from tests.browser.conftest import holds, ready, source
from tests.browser.results import Result, Results
from tests.browser.test_refinement import greys_of
from tests.halves import BOX
from webapp.components.slices import grey_scale, greys

pytestmark = pytest.mark.browser
FSC = {
    "corrected": "rlnFourierShellCorrelationCorrected",
    "unmasked": "rlnFourierShellCorrelationUnmaskedMaps",
    "masked": "rlnFourierShellCorrelationMaskedMaps",
    "randomised": "rlnCorrectedFourierShellCorrelationPhaseRandomizedMaskedMaps",
}
AMPLITUDES = {
    "original": "rlnLogAmplitudesOriginal",
    "weighted": "rlnLogAmplitudesWeighted",
    "sharpened": "rlnLogAmplitudesSharpened",
}


@pytest.fixture(scope="module")
def made(results: Results) -> Result:
    """A finished post-processing of planted half-maps inside a sphere."""
    return results.job("postprocess")


def test_curves_and_amplitudes_are_those_of_the_file(page: Page, made: Result) -> None:
    page.goto(f"{made.address}&tab=result")
    ready(page)
    tables = starfile.read(made.folder / "postprocess.star", always_dict=True)
    for name, label in FSC.items():
        drawn = holds(page, name, "y")
        assert np.allclose(drawn, tables["fsc"][label].to_numpy(float), atol=2e-6), name
    for name, label in AMPLITUDES.items():
        values = tables["guinier"][label].to_numpy(float)
        squared = tables["guinier"]["rlnResolutionSquared"].to_numpy(float)
        is_drawn = (values > -90) & (squared > 0)
        assert np.allclose(holds(page, f"guinier_{name}", "y"), values[is_drawn], atol=1e-5)
        assert np.allclose(holds(page, f"guinier_{name}", "x"), squared[is_drawn], atol=1e-8)
    slope = float(tables["general"]["rlnFittedSlopeGuinierPlot"])
    inside = tables["guinier_inside_mask"]["halfmapLogAmplitudesInsideMask"].to_numpy(float)
    assert np.allclose(holds(page, "guinier_inside_mask", "y"), inside[1:], atol=1e-5)
    line = source(page, "guinier_line")
    assert np.diff(line["y"])[0] / np.diff(line["x"])[0] == pytest.approx(slope, rel=1e-4)
    found = float(tables["general"]["rlnBfactorUsedForSharpening"])
    expect(page.get_by_text(f"{found:.0f} Å²").first).to_be_visible()
    whole_box = float(tables["b_factors"]["halfmapBfactorWholeBox"])
    listed = page.locator(".facts-list")
    expect(listed).to_contain_text("inside the mask")
    expect(listed).to_contain_text(f"of the whole box{whole_box:.0f} Å²")


def test_the_map_is_that_of_the_file(page: Page, made: Result) -> None:
    page.goto(f"{made.address}&tab=map")
    ready(page)
    volume = mrcfile.read(made.folder / "postprocess.mrc")
    assert np.array_equal(greys_of(page), greys(volume[BOX // 2], grey_scale(volume)))


def test_a_preview_that_failed_is_tried_again(page: Page, made: Result, results: Results) -> None:
    half = Path(results.project.folder) / "run_half2.mrc"
    away = half.rename(half.with_suffix(".away"))
    try:
        page.goto(f"{made.address}&tab=sharpen")
        ready(page)
        expect(page.get_by_role("alert")).to_contain_text("run_half2.mrc does not exist")
        again = page.get_by_role("button", name="Try again")
        expect(again).to_be_visible()
    finally:
        away.rename(half)
    again.click()
    assert len(holds(page, "corrected", "y")) == BOX // 2 + 1
    expect(page.get_by_role("alert")).to_have_count(0)
    expect(again).to_be_hidden()


def test_settings_are_previewed_and_run(page: Page, made: Result) -> None:
    page.goto(f"{made.address}&tab=sharpen")
    ready(page)
    tables = starfile.read(made.folder / "postprocess.star", always_dict=True)
    first = holds(page, "guinier_sharpened", "y")
    values = tables["guinier"]["rlnLogAmplitudesSharpened"].to_numpy(float)
    squared = tables["guinier"]["rlnResolutionSquared"].to_numpy(float)
    assert np.allclose(first, values[(values > -90) & (squared > 0)], atol=2e-4)
    expect(page.locator(".sharpen-facts")).to_contain_text("inside the mask")
    assert np.allclose(
        holds(page, "corrected", "y"), tables["fsc"][FSC["corrected"]].to_numpy(float), atol=2e-5
    )
    page.get_by_role("button", name="my own").click()
    box = page.locator("input.bk-input:visible").first
    box.fill("-40")
    box.press("Enter")
    expect(page.get_by_text("B -40 Å²")).to_be_visible()
    command = page.locator("pre.command")
    expect(command).to_contain_text("--own-b-factor -40")
    shells = np.array(source(page, "guinier_sharpened")["y"])
    weighted = np.array(source(page, "guinier_weighted")["y"])
    x = np.array(source(page, "guinier_sharpened")["x"])
    assert np.allclose(shells - weighted, 40 / 4 * x, atol=0.02)
    page.get_by_label("Mask", exact=True).select_option("from a threshold")
    expect(page.get_by_text(re.compile("The density encloses .* of the box"))).to_be_visible()
    expect(command).to_contain_text("halfmap mask --map")
    page.get_by_role("button", name="Run PostProcess with these settings").click()
    page.wait_for_url(lambda url: urlsplit(url).query.split("&")[0] not in made.address)
    ready(page)
    expect(page.locator(".hero .chip")).to_have_text("finished")
    number = int(page.locator(".hero h1").inner_text().split()[1])
    run = made.folder.parent / f"job{number:03d}" / "postprocess.star"
    general = starfile.read(run, always_dict=True)["general"]
    assert float(general["rlnBfactorUsedForSharpening"]) == -40.0
    assert re.fullmatch(r"MaskCreate/job\d+/mask.mrc", str(general["rlnMaskName"]))
