"""Measures the dashboard in a real browser: first load of a job's page and the change of a slice.

A refinement of 40 iterations with maps of 256 pixels is made up, as files of the right size and kind; each figure
is the median of several. Run from the checkout: python -m tests.bench.dashboard [OUT.json]
"""

import json
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
from playwright.sync_api import Browser, Page, sync_playwright

from compute.files.events import End, OrientationHistogram
from compute.files.mrc import write_map
from compute.files.progress import ProgressWriter, follow_progress
from db.repository import attempts, jobs, people, projects, queue, states
from db.repository import progress as records
from db.session import open_database
from db.words import State
from tests.browser.conftest import WEBGL, ready, serving
from tests.webapp.components.rows import curve, iteration, start

ITERATIONS, BOX, PIXEL_SIZE_A = 40, 256, 1.0
REPEATS = 7
SLICES = 20
Z_HANDLE = 5
"""The sliders before it: iteration, both ends of the contrast, X and Y."""
SLICE_COUNTER = """
() => { window.slicesSeen = 0
  for (const document_ of Bokeh.documents) for (const model of document_._all_models.values())
    if (model.type === 'ColumnDataSource' && model.name === 'slice_Z')
      model.change.connect(() => { window.slicesSeen += 1; window.sliceTime = performance.now() }) }
"""


def make_job(folder: Path) -> None:
    """The records and last maps of a refinement of 40 iterations."""
    job = folder / "project" / "Refine3D" / "job001"
    job.mkdir(parents=True)
    shells = BOX // 2 + 1
    random = np.random.default_rng(0)
    with ProgressWriter(job / "progress.jsonl") as writer:
        writer.write(start(box_size=BOX, pixel_size_A=PIXEL_SIZE_A, particle_diameter_A=180.0))
        for number in range(1, ITERATIONS + 1):
            counts = random.poisson(2, (2, 12 * 4**4)).tolist()
            writer.write(
                iteration(
                    number,
                    extent_A=BOX * PIXEL_SIZE_A,
                    fsc=curve(20 + 2 * number, shells=shells),
                    ssnr=[1.0] * shells,
                    orientations=OrientationHistogram(healpix_order=4, counts=counts),
                )
            )
        writer.write(End(reason="stopped", message="Stopped.", iteration=ITERATIONS))
    volume = random.standard_normal((BOX, BOX, BOX), dtype=np.float32)
    for half in (1, 2):
        name = f"run_it{ITERATIONS:03d}_half{half}_class001.mrc"
        write_map(job / name, volume + half, PIXEL_SIZE_A)


def register(folder: Path) -> int:
    """The made-up job in the dashboard's database, as its first one."""
    database = open_database(str(folder / "halfmap.db"))
    with database.writing() as session:
        user = people.users(session)[0]
        project = projects.create(session, "bench", folder / "project", who=user.id)
        job = jobs.create(
            session, project.id, "refine", {"particle_diameter_A": 180.0}, who=user.id
        )
        queue.submit(session, job.id, who=user.id)
        states.set_state(session, job.id, State.STARTING)
        attempt = attempts.begin(session, job.id, launcher="local")
        path = folder / "project" / job.folder / "progress.jsonl"
        events, end = follow_progress(path, 0)
        records.record(session, job.id, events, start=0, end=end)
        attempts.settle(session, attempt.id)
    database.close()
    return job.id


def load_seconds(page: Page, url: str) -> float:
    """From asking for a page until its figures are drawn."""
    began = time.perf_counter()
    page.goto(url, wait_until="commit")
    ready(page)
    page.locator("table").first.wait_for()
    page.locator(".bk-Figure").nth(1).wait_for()
    return time.perf_counter() - began


def slice_milliseconds(page: Page) -> list[float]:
    """From a key on the slider until the browser holds the new slice."""
    handle = page.locator(".noUi-handle").nth(Z_HANDLE)
    handle.focus()
    page.evaluate(SLICE_COUNTER)
    found = []
    for n in range(SLICES):
        began = page.evaluate("performance.now()")
        handle.press("ArrowRight")
        page.wait_for_function(f"window.slicesSeen > {n}", polling="raf")
        found.append(page.evaluate("window.sliceTime") - began)
    return found


def measure(browser: Browser, base: str, link: str, job: int) -> dict[str, object]:
    """All figures."""
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    page = context.new_page()
    page.goto(link)
    url = f"{base}/job?id={job}"
    cold = load_seconds(page, url)
    warm = [load_seconds(page, url) for _ in range(REPEATS)]
    page.goto(f"{url}&tab=map")
    ready(page)
    page.wait_for_function(
        "Bokeh.documents.some(d => [...d._all_models.values()].some(m => m.name === 'slice_Z'"
        " && (m.data instanceof Map ? m.data.get('image') : m.data.image).length))"
    )
    slices = slice_milliseconds(page)
    context.close()
    return {
        "iterations": ITERATIONS,
        "box": BOX,
        "first_load_s": round(cold, 3),
        "load_s": round(statistics.median(warm), 3),
        "slice_change_ms": round(statistics.median(slices), 1),
        "slice_change_longest_ms": round(max(slices), 1),
    }


def main() -> None:
    """Measure, print and keep the figures."""
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        make_job(folder)
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=list(WEBGL))
        with serving(folder, "--no-supervisor") as served:
            figures = measure(browser, served.base, served.link, register(folder))
        browser.close()
    figures |= {
        "cores": psutil.cpu_count(),
        "machine": platform.machine(),
        "load_average": round(psutil.getloadavg()[0], 2),
    }
    text = json.dumps(figures, indent=2)
    print(text)
    if out is not None:
        out.write_text(text + "\n")


if __name__ == "__main__":
    main()
