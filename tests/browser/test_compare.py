"""Two refinements side by side in the browser: curves, what differs, and slices of both maps and their difference."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from compute.files.events import Iteration
from compute.files.mrc import read_map
from compute.files.progress import read_progress
from compute.signal.threshold import density_levels
from tests.browser.conftest import Run, Served, holds, ready
from webapp.client import connect
from webapp.components.comparing import difference
from webapp.components.slices import GreyScale, greys, slice_of
from webapp.components.volume_file import cut_to
from webapp.settings import read_settings

pytestmark = pytest.mark.browser


@dataclass(frozen=True, slots=True)
class Pair:
    """The page's address, and the last iteration of both refinements with their final maps."""

    address: str
    rows: list[Iteration]
    maps: list[str]


@pytest.fixture(scope="module")
def pair(served: Served, run: Run) -> Iterator[Pair]:
    """The shared refinement, and the same in two iterations without symmetry."""
    variables = {
        "HOME": str(served.folder),
        "HALFMAP_DATABASE": str(served.folder / "halfmap.db"),
        "HALFMAP_DATA_ROOTS": str(served.folder),
    }
    with connect(read_settings(variables)) as client:
        project = client.project(run.project)
        first = next(event for event in read_progress(run.folder / "progress.jsonl"))
        asked = {**first.parameters, "symmetry": "C1", "maximum_iterations": 2, "mpi": 1}
        wanted = (
            "particles reference particle_diameter_A initial_lowpass_A symmetry healpix_order "
            "local_search_order maximum_iterations mpi threads random_seed"
        )
        job = project.refine(**{name: asked[name] for name in wanted.split()}, title="without")
        job.wait(120)
        assert job.state == "finished", job.log()
        folders = [run.folder, job.folder]
        events = [read_progress(folder / "progress.jsonl") for folder in folders]
        rows = [[one for one in told if isinstance(one, Iteration)][-1] for told in events]
        maps = [str(folder / "run_class001.mrc") for folder in folders]
        numbers = ",".join(str(int(folder.name.removeprefix("job"))) for folder in folders)
        address = f"{served.base}/compare?project={project.id}&jobs={numbers}"
        yield Pair(address, rows, maps)


def test_two_refinements_side_by_side(page: Page, pair: Pair) -> None:
    page.goto(pair.address)
    ready(page)
    names = [f"job {number}" for number in pair.address.rpartition("=")[2].split(",")]
    for name, row in zip(names, pair.rows, strict=True):
        assert np.allclose(holds(page, f"fsc {name}", "y"), row.fsc)
        assert holds(page, f"resolution {name}", "x")[-1] == row.iteration
        assert holds(page, f"resolution {name}", "y")[-1] == pytest.approx(row.resolution_fsc0143_A)
    different = page.get_by_role("row", name="symmetry")
    expect(different).to_contain_text("D2")
    expect(different).to_contain_text("C1")
    expect(page.get_by_role("row", name="particle diameter A")).to_have_count(0)
    page.get_by_label("equal ones too").check()
    expect(page.get_by_role("row", name="particle diameter A")).to_have_count(1)


def test_slices_are_those_of_the_maps_and_of_their_difference(page: Page, pair: Pair) -> None:
    page.goto(pair.address)
    ready(page)
    first, second = (read_map(path) for path in pair.maps)
    numbers = pair.address.rpartition("=")[2].split(",")
    names = f"job {numbers[0]}", f"job {numbers[1]}"
    changed, words = difference(first, second, names)
    assert changed is not None
    expect(page.get_by_text(words)).to_be_visible()
    reach = 5.0 * float(changed.std())
    middle = changed.shape[0] // 2
    expected = greys(slice_of(changed, "Z", middle), GreyScale(-reach, reach))
    pictures = page.evaluate(
        """() => Bokeh.documents.flatMap(d => Array.from(d._all_models.values())
             .filter(m => m.type === 'ColumnDataSource' && m.name === 'slice_Z' && m.get_length() > 0)
             .map(m => Array.from(m.get_column('image')[0])))"""
    )
    assert len(pictures) == 3
    assert any((np.array(one) == expected.ravel()).all() for one in pictures)


def test_an_address_without_jobs_asks_for_some(page: Page, pair: Pair) -> None:
    page.goto(pair.address.partition("&")[0])
    ready(page)
    expect(page.get_by_text("Choose at least two jobs to compare.")).to_be_visible()
    page.goto(pair.address.partition("&")[0] + "&jobs=999")
    ready(page)
    expect(page.get_by_text("has no job 999")).to_be_visible()


CAMERAS = """() => {
  const boxes = (root) => Array.from(root.querySelectorAll('*')).flatMap((one) =>
    [...(one.classList.contains('volume-box') ? [one] : []), ...(one.shadowRoot ? boxes(one.shadowRoot) : [])])
  return boxes(document).map((box) => {
    if (!box.stage || box.querySelector('.volume-note').textContent) return null
    const surface = box.stage.compList[0].reprList[0]
    const camera = Array.from(box.stage.viewerControls.getOrientation().elements)
    return { camera, level: surface.getParameters().isolevel }
  })
}"""


DIAMETER_A = 70.0


def own_level(path: str) -> float:
    """Half of the way from a map's solvent to the inside of its molecule, in its σ above its mean, as it is shown."""
    found = read_map(path)
    shown = cut_to(found.volume, DIAMETER_A, found.pixel_size_A)
    levels = density_levels(shown)
    half = (levels.solvent + levels.molecule) / 2
    return float((half - shown.mean()) / shown.std())


TOGETHER = f"""() => {{
  const [one, other] = ({CAMERAS})().map((shown) => shown.camera)
  return one.every((number, n) => Math.abs(number - other[n]) < 1e-2 + 1e-3 * Math.abs(number))
}}"""


def test_one_camera_moves_all_surfaces_and_each_has_its_level(page: Page, pair: Pair) -> None:
    page.goto(pair.address)
    ready(page)
    expect(page.locator(".volume-box")).to_have_count(0)
    page.get_by_role("button", name="Show the surfaces").click()
    expect(page.locator(".volume-box")).to_have_count(2)
    page.wait_for_function(
        f"() => {{ const all = ({CAMERAS})(); return all.length === 2 && all.every(Boolean) }}"
    )
    before = page.evaluate(CAMERAS)
    for shown, path in zip(before, pair.maps, strict=True):
        # The browser counts in bins, in the whole cube, and rounds to 0.1.
        assert shown["level"] == pytest.approx(own_level(path), abs=0.25)
    assert before[0]["camera"] == pytest.approx(before[1]["camera"], rel=1e-4, abs=1e-3)
    for place in (0, 1):
        box = page.locator(".volume-box").nth(place)
        box.scroll_into_view_if_needed()
        frame = box.bounding_box()
        assert frame is not None
        x, y = frame["x"] + frame["width"] / 2, frame["y"] + frame["height"] / 2
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + 60, y + 25, steps=4)
        page.mouse.up()
        page.mouse.wheel(0, 120)
        page.wait_for_function(
            f"(old) => JSON.stringify(({CAMERAS})().map((one) => one.camera)) !== old",
            arg=page.evaluate("(all) => JSON.stringify(all.map((one) => one.camera))", before),
        )
        page.wait_for_function(TOGETHER)
        after = page.evaluate(CAMERAS)
        assert after[0]["camera"] != pytest.approx(before[0]["camera"], rel=1e-3, abs=1e-2)
        before = after
    page.get_by_role("slider").last.press("ArrowRight")
    page.wait_for_function(
        f"() => {{ const all = ({CAMERAS})(); return all[0].level !== all[1].level }}"
    )
