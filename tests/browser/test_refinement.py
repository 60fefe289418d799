"""A refinement through the form, run for real under MPI, watched to its end and compared with its files."""

import re

import mrcfile
import numpy as np
import pytest
import starfile
from playwright.sync_api import BrowserContext, Page, WebSocketRoute, expect

from compute.files.events import Iteration
from compute.files.progress import read_progress
from tests.browser.conftest import Run, drawn_volume, fill, ready, source
from webapp.components.slices import GreyScale, grey_scale, greys, slice_of

pytestmark = pytest.mark.browser


def browse_to(page: Page, button: int, names: list[str]) -> None:
    """Choose a file on the server by clicks."""
    page.get_by_role("button", name="Browse").nth(button).click()
    for name in names:
        page.get_by_role("cell", name=name).first.click()


def test_it_went_under_mpi_and_converged(run: Run) -> None:
    events = read_progress(run.folder / "progress.jsonl")
    start = next(event for event in events if event.kind == "start")
    assert [rank.role for rank in start.ranks] == ["leader", "half 1", "half 2"]
    assert events[-1].kind == "end"
    assert events[-1].reason in ("converged", "iteration limit")


def test_every_cell_of_the_iteration_table_is_what_was_reported(page: Page, run: Run) -> None:
    page.goto(run.address)
    ready(page)
    table = page.get_by_role("table", name="iterations")
    expect(table).to_be_visible()
    rows = run.iterations
    expect(table.locator("tbody tr")).to_have_count(len(rows))
    figures = {
        "resolution_0143": ("resolution_fsc0143_A", 2),
        "resolution_05": ("resolution_fsc05_A", 2),
        "change_deg": ("change_angles_deg", 2),
        "change_A": ("change_offsets_A", 2),
        "accuracy_deg": ("accuracy_angles_deg", 2),
        "accuracy_A": ("accuracy_offsets_A", 2),
        "step_deg": ("fine_step_deg", 3),
        "range_A": ("offset_range_A", 1),
        "offset_step_A": ("fine_offset_step_A", 2),
        "pmax": ("mean_pmax", 3),
        "seconds": ("seconds", 1),
    }
    cells = 0
    for n, row in enumerate(rows):
        line = table.locator("tbody tr").nth(n)
        shown = dict(
            line.locator("td").evaluate_all(
                "cells => cells.map(cell => [cell.dataset.key, cell.textContent])"
            )
        )
        assert shown["iteration"] == str(row.iteration)
        assert shown["local"] == ("yes" if row.is_local_search else "no")
        memory = sum(value or 0.0 for value in row.peak_memory_GB)
        assert shown["memory_GB"] == f"{memory:.2f}"
        for key, (name, digits) in figures.items():
            value = getattr(row, name)
            assert shown[key] == ("–" if value is None else f"{value:.{digits}f}"), (n, key)
        cells += len(shown)
    assert cells == len(rows) * 14


def leading(row: Iteration) -> str:
    """The name of the curve that an iteration's resolution is read from."""
    return "corrected" if row.is_solvent_corrected else "unmasked"


def test_every_point_of_the_curve_is_that_of_the_files(page: Page, run: Run) -> None:
    page.goto(run.address)
    ready(page)
    drawn = source(page, leading(run.iterations[-1]))
    table = starfile.read(run.folder / "run_model.star", always_dict=True)["model_class_1"]
    expected = table["rlnGoldStandardFsc"].to_numpy(dtype=float)
    assert len(drawn["y"]) == len(expected)
    assert np.allclose(drawn["y"], expected, atol=2e-6)
    assert np.allclose(drawn["x"], table["rlnResolution"].to_numpy(dtype=float), atol=1e-6)


def test_an_earlier_iteration_by_its_address(page: Page, run: Run) -> None:
    page.goto(f"{run.address}&it=2&tab=fsc")
    ready(page)
    drawn = source(page, leading(run.iterations[1]))
    path = run.folder / "run_it002_half1_model.star"
    table = starfile.read(path, always_dict=True)["model_class_1"]
    assert np.allclose(drawn["y"], table["rlnGoldStandardFsc"].to_numpy(dtype=float), atol=2e-6)
    expect(page.locator(".headline .meaning")).to_contain_text("iteration 2")
    expect(page.get_by_text(re.compile("newer data"))).to_be_visible()


def greys_of(page: Page) -> np.ndarray:
    """The picture of the slice Z in the browser, once there is one."""
    found = page.wait_for_function(
        """() => {
          for (const document_ of Bokeh.documents)
            for (const model of document_._all_models.values())
              if (model.type === 'ColumnDataSource' && model.name === 'slice_Z') {
                const data = model.data instanceof Map ? model.data.get('image') : model.data.image
                if (data && data.length) return {shape: data[0].shape, values: Array.from(data[0])}
              }
          return null
        }"""
    ).json_value()
    return np.array(found["values"], dtype=np.uint8).reshape(found["shape"])


def test_a_slice_is_that_of_the_map(page: Page, run: Run) -> None:
    page.goto(f"{run.address}&it=2&tab=map")
    ready(page)
    halves = [mrcfile.read(run.folder / f"run_it002_half{half}_class001.mrc") for half in (1, 2)]
    mean = (halves[0] + halves[1]) / 2
    scale: GreyScale = grey_scale(mean)
    middle = mean.shape[0] // 2
    assert np.array_equal(greys_of(page), greys(slice_of(mean, "Z", middle), scale))


def test_the_map_turns_in_3d(page: Page, run: Run) -> None:
    page.goto(f"{run.address}&tab=map")
    ready(page)
    box = drawn_volume(page)
    rotation = "box => Array.from(box.stage.viewerControls.rotation.toArray())"
    before = box.evaluate(rotation)
    place = box.bounding_box()
    assert place is not None
    x, y = place["x"] + place["width"] / 2, place["y"] + place["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 120, y + 40, steps=6)
    page.mouse.up()
    assert not np.allclose(box.evaluate(rotation), before)
    triangles = box.evaluate("box => box.stage.compList[0].reprList[0].repr.bufferList.length")
    assert triangles >= 1


@pytest.mark.parametrize(
    "tab", ["orientations", "particles", "resources", "parameters", "log", "files"]
)
def test_every_tab_is_drawn(page: Page, run: Run, tab: str) -> None:
    page.goto(f"{run.address}&tab={tab}")
    ready(page)
    expect(page.locator(".bk-tab.bk-active")).to_have_text(tab.capitalize())
    expect(page.get_by_text("This page could not be made")).to_have_count(0)
    words = {
        "orientations": "Sampling efficiency",
        "particles": "Far from the others",
        "resources": "half 2",
        "parameters": "halfmap refine",
        "log": "Auto-refine: Iteration=",
        "files": "run_class001.mrc",
    }
    expect(page.get_by_text(words[tab]).first).to_be_visible()


def test_a_file_is_downloaded_whole(page: Page, run: Run) -> None:
    page.goto(f"{run.address}&tab=files")
    ready(page)
    with page.expect_download() as started:
        page.get_by_role("link", name="run_class001.mrc", exact=True).click()
    assert started.value.path().read_bytes() == (run.folder / "run_class001.mrc").read_bytes()


def test_a_clone_marks_only_what_is_changed(page: Page, run: Run) -> None:
    page.goto(run.address)
    ready(page)
    page.get_by_role("link", name="Clone").click()
    ready(page)
    expect(page.get_by_label("Symmetry", exact=True)).to_have_value("D2")
    expect(page.get_by_text("changed", exact=True)).to_have_count(0)
    fill(page, "Particle diameter (Å)", "72")
    expect(page.get_by_text("changed", exact=True)).to_have_count(1)


def test_a_cut_connection_comes_back(visit: BrowserContext, run: Run) -> None:
    page = visit.new_page()
    sockets: list[WebSocketRoute] = []

    def keep(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()
        sockets.append(socket)
        assert server is not None

    page.route_web_socket(re.compile("/ws"), keep)
    page.goto(run.address)
    ready(page)
    page.evaluate("window.isTheFirst = true")
    sockets[0].close(code=1001, reason="cut")
    page.wait_for_function("window.isTheFirst === undefined")
    ready(page)
    expect(page.locator(".lost-bar")).to_be_hidden()
    expect(page.locator(".hero .chip")).to_have_text("finished")
    page.get_by_text("Log", exact=True).click()
    expect(page.get_by_text("Auto-refine: Iteration=").first).to_be_visible()


def test_what_comes_while_the_browser_draws_a_page_is_not_lost(
    visit: BrowserContext, run: Run
) -> None:
    page = visit.new_page()
    held: list[str | bytes] = []
    told: list[str | bytes] = []

    def hold_back(socket: WebSocketRoute) -> None:
        """A slow browser: it has the page and answers clicks, and has not yet told that all of it is drawn."""
        server = socket.connect_to_server()

        def pass_on(part: str | bytes) -> None:
            held.append(part)
            if len(held) == 3:  # a message is its head, what is said of it, and its content
                (told.extend if "document_ready" in str(part) else send)(held)
                held.clear()

        def send(parts: list[str | bytes]) -> None:
            for part in parts:
                server.send(part)

        socket.on_message(pass_on)

    page.route_web_socket(re.compile("/ws"), hold_back)
    page.goto(run.address)
    page.get_by_role("tab", name="Log", exact=True).click()
    expect(page.get_by_text("Auto-refine: Iteration=").first).to_be_visible()
    assert told
