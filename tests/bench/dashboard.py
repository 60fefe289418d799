"""Measures the dashboard in a real browser: loads of a job's page, the change of a slice, the wait for an iteration.

A refinement of 40 iterations with maps of 256 pixels is made up, as files of the right size and kind; each figure
is the median of several. A page is loaded when the sentence, the table and both upper figures stand; it is complete
when all figures of the overview do. Processor seconds are given beside them: they hardly know of other load.

The first load after the server's start is measured with several servers, each with a new browser. The browsers draw on
the processor; with the tests' emulated GPU, for which a page waits with nothing to do, the first load is given too.
Run from the checkout: python -m tests.bench.dashboard [OUT.json]
"""

import contextlib
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
from playwright.sync_api import Browser, CDPSession, Page, Playwright, sync_playwright

from compute.files.events import End, Iteration, OrientationHistogram
from compute.files.mrc import write_map
from compute.files.progress import ProgressWriter, follow_progress
from db.repository import attempts, jobs, overview, people, projects, queue, states
from db.repository import progress as records
from db.session import open_database
from db.words import State
from tests.browser.conftest import WEBGL, Served, ready, serving
from tests.webapp.components.rows import curve, iteration, start

ITERATIONS, BOX, PIXEL_SIZE_A = 40, 256, 1.0
SERVERS = 3
REPEATS = 5
SLICES = 20
LIVE = 6
ON_PROCESSOR = ("--no-sandbox", "--disable-gpu")
FIGURES = 8
"""On the overview; the first two are seen without scrolling."""
SETTLE_MS = 1500
Z_HANDLE = 5
"""The sliders before it: iteration, both ends of the contrast, X and Y."""
SLICE_COUNTER = """
() => { window.slicesSeen = 0
  for (const document_ of Bokeh.documents) for (const model of document_._all_models.values())
    if (model.type === 'ColumnDataSource' && model.name === 'slice_Z')
      model.change.connect(() => { window.slicesSeen += 1; window.sliceTime = performance.now() }) }
"""


def an_iteration(number: int) -> Iteration:
    """The record of an iteration of this box."""
    shells = BOX // 2 + 1
    counts = np.random.default_rng(number).poisson(2, (2, 12 * 4**4)).tolist()
    return iteration(
        number,
        extent_A=BOX * PIXEL_SIZE_A,
        fsc=curve(20 + 2 * number, shells=shells),
        ssnr=[1.0] * shells,
        orientations=OrientationHistogram(healpix_order=4, counts=counts),
    )


def make_job(folder: Path) -> None:
    """The records and last maps of a refinement of 40 iterations."""
    job = folder / "project" / "Refine3D" / "job001"
    job.mkdir(parents=True)
    with ProgressWriter(job / "progress.jsonl") as writer:
        writer.write(start(box_size=BOX, pixel_size_A=PIXEL_SIZE_A, particle_diameter_A=180.0))
        for number in range(1, ITERATIONS + 1):
            writer.write(an_iteration(number))
        writer.write(End(reason="stopped", message="Stopped.", iteration=ITERATIONS))
    random = np.random.default_rng(0)
    volume = random.standard_normal((BOX, BOX, BOX), dtype=np.float32)
    for half in (1, 2):
        name = f"run_it{ITERATIONS:03d}_half{half}_class001.mrc"
        write_map(job / name, volume + half, PIXEL_SIZE_A)


def register(folder: Path) -> tuple[int, int]:
    """The made-up job in the dashboard's database, and one that has only begun."""
    database = open_database(str(folder / "halfmap.db"))
    with database.writing() as session:
        user = people.users(session)[0]
        project = projects.create(session, "bench", folder / "project", who=user.id)
        made = []
        for _ in range(2):
            job = jobs.create(
                session, project.id, "refine", {"particle_diameter_A": 180.0}, who=user.id
            )
            queue.submit(session, job.id, who=user.id)
            states.set_state(session, job.id, State.STARTING)
            made.append((job, attempts.begin(session, job.id, launcher="local")))
        path = folder / "project" / made[0][0].folder / "progress.jsonl"
        events, end = follow_progress(path, 0)
        records.record(session, made[0][0].id, events, start=0, end=end)
        attempts.settle(session, made[0][1].id)
    database.close()
    return made[0][0].id, made[1][0].id


def first_job(folder: Path) -> int:
    """The number of the job that is looked at."""
    with contextlib.closing(open_database(str(folder / "halfmap.db"))) as database:
        with database.reading() as session:
            return min(line.job.id for line in overview.job_list(session, 1))


@dataclass(frozen=True, slots=True)
class Load:
    """Seconds of one load: until what is seen first stands, until all does, and processor seconds to the end."""

    first_s: float
    complete_s: float
    server_s: float
    browser_s: float


def load(page: Page, url: str, server: psutil.Process, cdp: CDPSession) -> Load:
    """From asking for a page until its figures are drawn."""
    before = sum(server.cpu_times()[:2])
    began = time.perf_counter()
    page.goto(url, wait_until="commit")
    ready(page)
    page.locator("table").first.wait_for()
    page.locator(".bk-Figure").nth(1).wait_for()
    first = time.perf_counter() - began
    page.locator(".bk-Figure").nth(FIGURES - 1).wait_for()
    complete = time.perf_counter() - began
    figures = {one["name"]: one["value"] for one in cdp.send("Performance.getMetrics")["metrics"]}
    used = sum(server.cpu_times()[:2]) - before
    page.wait_for_timeout(SETTLE_MS)
    return Load(first, complete, used, figures["TaskDuration"])


def with_our_priority() -> None:
    """Give all that we have started our own priority: Chromium changes that of its processes and threads."""
    ours = os.getpriority(os.PRIO_PROCESS, 0)
    for process in psutil.Process().children(recursive=True):
        for thread in process.threads():
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, thread.id, ours)


@contextlib.contextmanager
def visitor(
    playwright: Playwright, served: Served, arguments: Sequence[str]
) -> Iterator[tuple[Page, psutil.Process, CDPSession]]:
    """A page of somebody who has come in by the link, the server's process, and the browser's own figures."""
    browser: Browser = playwright.chromium.launch(
        executable_path="/usr/bin/chromium", args=list(arguments)
    )
    page = browser.new_context(viewport={"width": 1400, "height": 1000}).new_page()
    page.goto(served.link)
    children = psutil.Process().children(recursive=True)
    server = next(one for one in children if "serve" in one.cmdline())
    cdp = page.context.new_cdp_session(page)
    cdp.send("Performance.enable")
    with_our_priority()
    yield page, server, cdp
    browser.close()


def first_load(playwright: Playwright, folder: Path, arguments: Sequence[str]) -> Load:
    """The first load of the job's page after a server's start."""
    with serving(folder, "--no-supervisor") as served:
        job = first_job(folder)
        with visitor(playwright, served, arguments) as (page, server, cdp):
            return load(page, f"{served.base}/job?id={job}", server, cdp)


def live_seconds(page: Page, url: str, folder: Path) -> list[float]:
    """From an iteration being written until the page shows it."""
    folder.mkdir(parents=True)
    found = []
    with ProgressWriter(folder / "progress.jsonl") as writer:
        writer.write(start(box_size=BOX, pixel_size_A=PIXEL_SIZE_A, particle_diameter_A=180.0))
        writer.write(an_iteration(1))
        page.goto(url)
        ready(page)
        rows = page.locator("table tbody tr")
        rows.first.wait_for()
        page.locator(".bk-Figure").nth(FIGURES - 1).wait_for()
        for number in range(2, 2 + LIVE):
            page.wait_for_timeout(1000 + 130 * number)
            began = time.perf_counter()
            writer.write(an_iteration(number))
            rows.nth(number - 1).wait_for()
            found.append(time.perf_counter() - began)
    return found


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


def measure(playwright: Playwright, served: Served, job: int, begun: int) -> dict[str, object]:
    """Loads of a page that was seen before, changes of a slice, and the wait for an iteration."""
    url = f"{served.base}/job?id={job}"
    with visitor(playwright, served, ON_PROCESSOR) as (page, server, cdp):
        load(page, url, server, cdp)
        warm = [load(page, url, server, cdp) for _ in range(REPEATS)]
        page.goto(f"{url}&tab=map")
        ready(page)
        page.wait_for_function(
            "Bokeh.documents.some(d => [...d._all_models.values()].some(m => m.name === 'slice_Z'"
            " && (m.data instanceof Map ? m.data.get('image') : m.data.image).length))"
        )
        slices = slice_milliseconds(page)
        running = served.folder / "project" / "Refine3D" / "job002"
        live = live_seconds(page, f"{served.base}/job?id={begun}", running)
    return {
        "load_s": round(statistics.median(one.first_s for one in warm), 3),
        "load_complete_s": round(statistics.median(one.complete_s for one in warm), 3),
        "load_server_cpu_s": round(statistics.median(one.server_s for one in warm), 3),
        "load_browser_busy_s": round(statistics.median(one.browser_s for one in warm), 3),
        "slice_change_ms": round(statistics.median(slices), 1),
        "slice_change_longest_ms": round(max(slices), 1),
        "iteration_shown_s": round(statistics.median(live), 3),
        "iteration_shown_longest_s": round(max(live), 3),
    }


def first_loads(playwright: Playwright, folder: Path) -> dict[str, object]:
    """First loads after the starts of several servers, and one with the tests' emulated GPU."""
    first = [first_load(playwright, folder, ON_PROCESSOR) for _ in range(SERVERS)]
    emulated = first_load(playwright, folder, WEBGL)
    return {
        "first_load_s": round(statistics.median(one.first_s for one in first), 3),
        "first_load_longest_s": round(max(one.first_s for one in first), 3),
        "first_load_complete_s": round(statistics.median(one.complete_s for one in first), 3),
        "first_load_server_cpu_s": round(statistics.median(one.server_s for one in first), 3),
        "first_load_emulated_gpu_s": round(emulated.first_s, 3),
    }


def main() -> None:
    """Measure, print and keep the figures."""
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        make_job(folder)
        with serving(folder, "--no-supervisor") as served:
            figures = measure(playwright, served, *register(folder))
        figures |= first_loads(playwright, folder)
    figures |= {
        "iterations": ITERATIONS,
        "box": BOX,
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
